import { type ErrorCode, invalidRequest, shown } from "./errors.ts";
import { isId, isStepName, parseCheckpointId, parseRunId } from "./ids.ts";
import { aNumber, at, isPlainObject, type Kind, read } from "./json.ts";

// Callers without types pass anything, also what throws when it is looked at. So an argument is read here, once, before a call
// reads or decides, and a refusal names the argument and not what became of it.

/** A kind for each member, so that none is forgotten; for an object, the kinds of its members. */
export type Kinds<T> = { readonly [K in keyof T]-?: Shape };
type Shape = Kind | { readonly [member: string]: Shape };

/**
 * The members of an object that are there, each read once, in a frozen copy; members without a kind are left out.
 *
 * @throws `code` with the path of the member, which is below `path`, or the `name` of what is no object.
 */
export function given<T extends object>(from: T, kinds: Kinds<T>, name = "options", path = "", code?: ErrorCode): T {
  expectKind(from, anObject, name, code);
  const found: Partial<T> = {};
  for (const member of Object.keys(kinds) as (keyof T & string)[]) {
    const kind = kinds[member];
    const place = at(path, member);
    const value = read(place, () => from[member], code);
    if (value === undefined && !kind[2]) continue;
    const known = isKind(kind)
      ? expectKind(value, kind, place, code)
      : given(value as object, kind, place, place, code);
    found[member] = known as T[typeof member];
  }
  return Object.freeze(found) as T;
}

/** All members of an object, each read once, whatever they are. */
export function members<T extends object>(from: T, name = "options"): T {
  return read(name, () => ({ ...expectKind(from, anObject, name) }));
}

function isKind(kind: Shape): kind is Kind {
  return Array.isArray(kind);
}

/** @throws `code` with the path. */
export function expectKind<T>(value: T, [expected, fits]: Kind, path: string, code?: ErrorCode): T {
  const problem = `expected ${expected}`;
  const look = () => {
    if (fits(value)) return value;
    throw invalidRequest(path, `${problem}, not ${shown(value)}`, {}, code);
  };
  return read(path, look, code, problem);
}

/** The same, of what must be there. */
export const needed = ([expected, fits]: Kind): Kind => [expected, fits, true];

export const aFunction: Kind = ["a function", (value) => typeof value === "function"];
export const anything: Kind = ["any value", () => true];
const idText = "1 to 200 printable ASCII characters";
export const anId: Kind = [idText, isId];
/** Ids whose errors name them as the wire does. */
export const aRunId: Kind = [idText, (value) => parseRunId(value) === value];
export const aCheckpointId: Kind = [idText, (value) => parseCheckpointId(value) === value];
export const aStepName: Kind = ["a string of 1 to 256 characters", isStepName];
export const anArray: Kind = ["an array", (value) => Array.isArray(value)];
export const anObject: Kind = [
  "an object",
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
];
/** An object whose members have names of the caller's own. A Map, which has none, would be taken for an empty one. */
export const aRecord: Kind = ["a plain object", isPlainObject];
export const aSignal: Kind = [
  "an AbortSignal",
  (value) => typeof (value as AbortSignal).addEventListener === "function",
];

/** A limit that may be none. */
export const aLimit = /* @__PURE__ */ aNumber(
  "a whole number of at least 1",
  (value) => value >= 1 && (Number.isSafeInteger(value) || value === Number.POSITIVE_INFINITY),
);
/** A number above 0, of that unit. */
export const above0 = (unit: string): Kind => aNumber(`a number of ${unit} above 0`, (value) => value > 0);
/** A number of at least 0, of that unit. */
export const atLeast0 = (unit: string): Kind => aNumber(`a number of ${unit} of at least 0`, (value) => value >= 0);
/** A length of time that a timer of every platform can wait: almost 25 days. */
export const aLength = /* @__PURE__ */ aNumber(
  "a number of milliseconds above 0, at most 2147483647",
  (value) => value > 0 && value <= 2_147_483_647,
);
/** A time as callers have it. */
export const aTimestamp: Kind = [
  "a Date, or milliseconds since 1970",
  (value) => (value instanceof Date || typeof value === "number") && Math.abs(Number(value)) <= 8.64e15,
];
/** An object of which these are methods. */
export const withMethods = (...names: readonly string[]): Kind => [
  `an object with ${names.join(", ")}`,
  (value) => names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === "function"),
];

/** The operations of a store whose promises may reject. */
export const storeOperations = [
  "getRun",
  "listRuns",
  "countRuns",
  "usage",
  "dueRuns",
  "getEntry",
  "listEntries",
  "getSnapshots",
  "getClaim",
  "listClaims",
  "commit",
] as const;

export const aStore = /* @__PURE__ */ withMethods(...storeOperations, "close");
