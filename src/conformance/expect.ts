/**
 * The suite's own assertions, since it imports no test runner. Each throws an `Error` that names the place and shows
 * both sides.
 */

/** Deep equality of plain data. A field that is `undefined` equals one that is not there; `null` does not. */
export function expectEqual(actual: unknown, expected: unknown, what: string): void {
  const difference = firstDifference(actual, expected, what);
  if (difference !== undefined) throw new Error(difference);
}

export function expectTrue(holds: boolean, problem: string): void {
  if (!holds) throw new Error(problem);
}

/** The reason of a call that must reject. A call that throws before it returns a promise is a fault of its own. */
export async function expectRejection(call: () => Promise<unknown>, what: string): Promise<unknown> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (cause) {
    throw new Error(`${what}: expected a rejected promise, but the call threw`, { cause });
  }
  let value: unknown;
  try {
    value = await promise;
  } catch (reason) {
    return reason;
  }
  throw new Error(`${what}: expected a rejection, got ${show(value)}`);
}

function firstDifference(actual: unknown, expected: unknown, path: string): string | undefined {
  if (Object.is(actual, expected)) return undefined;
  if (typeof actual === "string" && typeof expected === "string") return textDifference(actual, expected, path);
  if (Array.isArray(actual) && Array.isArray(expected)) {
    for (let index = 0; index < Math.max(actual.length, expected.length); index += 1) {
      const difference = firstDifference(actual[index], expected[index], `${path}[${index}]`);
      if (difference !== undefined) return `${difference} (${actual.length} items, expected ${expected.length})`;
    }
    return actual.length === expected.length ? undefined : `${path}: ${actual.length} items, not ${expected.length}`;
  }
  if (isRecord(actual) && isRecord(expected)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      const difference = firstDifference(actual[key], expected[key], `${path}.${key}`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  return `${path}: expected ${show(expected)}, got ${show(actual)}`;
}

/** Long texts differ at one place: show that place, not two megabytes. */
function textDifference(actual: string, expected: string, path: string): string {
  if (actual.length <= 80 && expected.length <= 80) return `${path}: expected ${show(expected)}, got ${show(actual)}`;
  let at = 0;
  while (actual.charCodeAt(at) === expected.charCodeAt(at)) at += 1;
  const excerpt = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 10), at + 20));
  const lengths = `${expected.length} and ${actual.length} code units long`;
  return `${path}: expected ${excerpt(expected)}, got ${excerpt(actual)} around index ${at} (${lengths})`;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined) return "undefined";
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 160 ? text : `${text.slice(0, 160)}…`;
}
