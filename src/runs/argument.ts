import { invalidRequest } from "../errors.ts";

// Callers without types pass anything. What they pass is looked at here before a call reads or decides, so that a refusal
// names the argument and not what became of it.

/** @throws `invalid_request` where the value is no object, or one of its members of these names is there and no string. */
export function expectTexts<T extends object>(given: T, names: readonly (keyof T & string)[], path = ""): void {
  expectObject(given, path);
  for (const name of names) {
    const value: unknown = given[name];
    if (value !== undefined && typeof value !== "string") {
      throw invalidRequest(path === "" ? name : `${path}.${name}`, `expected a string, not ${kindOf(value)}`);
    }
  }
}

/** @throws `invalid_request` where the value is no object of named parts. */
export function expectObject(given: unknown, path: string): void {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return;
  throw invalidRequest(path, `expected an object, not ${kindOf(given)}`);
}

/** @throws `invalid_request` where the value is there and no whole number of at least `least`. */
export function expectCount(value: unknown, path: string, least: 0 | 1): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) return;
  throw invalidRequest(path, `expected a whole number of at least ${least}`);
}

/** @throws `invalid_request` where the value is there and none of these. */
export function expectOneOf(value: unknown, words: readonly string[], path: string): void {
  if (value === undefined || (words as readonly unknown[]).includes(value)) return;
  throw invalidRequest(path, `expected one of ${words.join(", ")}`);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
