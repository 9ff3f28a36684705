import { invalidRequest } from "../errors.ts";

// Callers without types can pass anything. Arguments are checked here before a call reads or decides, so that an error
// names the argument and not a consequence.

/** @throws `invalid_request` if the value is not an object, or if one of these members is present and not a string. */
export function expectTexts<T extends object>(given: T, names: readonly (keyof T & string)[], path = ""): void {
  expectObject(given, path);
  for (const name of names) {
    const value: unknown = given[name];
    if (value !== undefined && typeof value !== "string") {
      throw invalidRequest(path === "" ? name : `${path}.${name}`, `expected a string, not ${kindOf(value)}`);
    }
  }
}

/** @throws `invalid_request` if the value is not an object of named parts. */
export function expectObject(given: unknown, path: string): void {
  if (typeof given === "object" && given !== null && !Array.isArray(given)) return;
  throw invalidRequest(path, `expected an object, not ${kindOf(given)}`);
}

/** @throws `invalid_request` if the value is present and not a whole number of at least `least`. */
export function expectCount(value: unknown, path: string, least: 0 | 1): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) return;
  throw invalidRequest(path, `expected a whole number of at least ${least}`);
}

/** @throws `invalid_request` if the value is present and not one of these. */
export function expectOneOf(value: unknown, words: readonly string[], path: string): void {
  if (value === undefined || (words as readonly unknown[]).includes(value)) return;
  throw invalidRequest(path, `expected one of ${words.join(", ")}`);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
