import { DurableError } from "../errors.ts";
import { getOwn, isJsonObject, type Json, type JsonObject, jsonEqual, setOwn } from "../json.ts";

/**
 * How one JSON value becomes another. Read as an instruction:
 * `["=", value]` take this value; `["o", set, inner, gone]` in an object set these members, change those, drop these;
 * `["a", at, count, items]` in an array put the items in place of `count` others; `["e", at, delta]` change one element;
 * `["s", keep, text]` keep the beginning of a string and go on with the text.
 */
export type Delta =
  | readonly ["=", Json]
  | readonly ["o", JsonObject, { readonly [key: string]: Delta }, readonly string[]]
  | readonly ["a", number, number, readonly Json[]]
  | readonly ["e", number, Delta]
  | readonly ["s", number, string];

/** From this length on, a string that only grew is kept as its growth. */
const longText = 64;

/**
 * The delta from `before` to `after`, `undefined` where they are equal. Parts that both share by identity cost nothing,
 * which is what makes the cost follow the change.
 */
export function deltaBetween(before: Json, after: Json): Delta | undefined {
  if (before === after) return undefined;
  if (isJsonObject(before) && isJsonObject(after)) return objectDelta(before, after);
  if (Array.isArray(before) && Array.isArray(after)) return arrayDelta(before, after);
  if (typeof before === "string" && typeof after === "string" && before.length >= longText) {
    if (after.startsWith(before)) return ["s", before.length, after.slice(before.length)];
  }
  return ["=", after];
}

function objectDelta(before: JsonObject, after: JsonObject): Delta | undefined {
  const set: [string, Json][] = [];
  const inner: [string, Delta][] = [];
  let kept = 0;
  for (const key of Object.keys(after)) {
    const value = after[key] as Json;
    // What is inherited, such as `constructor`, is never the value of a member.
    if (before[key] === value) {
      kept++;
      continue;
    }
    const old = getOwn(before, key);
    if (old === undefined) {
      set.push([key, value]);
      continue;
    }
    kept++;
    const delta = deltaBetween(old, value);
    if (delta?.[0] === "=") set.push([key, value]);
    else if (delta !== undefined) inner.push([key, delta]);
  }
  const keys = Object.keys(before);
  const gone = keys.length === kept ? [] : keys.filter((key) => !Object.hasOwn(after, key));
  if (set.length === 0 && inner.length === 0 && gone.length === 0) return undefined;
  return ["o", Object.fromEntries(set), Object.fromEntries(inner), gone];
}

function arrayDelta(before: readonly Json[], after: readonly Json[]): Delta | undefined {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && isSame(before[start], after[start])) start++;
  let end = 0;
  while (end < shorter - start && isSame(before[before.length - 1 - end], after[after.length - 1 - end])) end++;
  const count = before.length - end - start;
  const items = after.slice(start, after.length - end);
  const [item] = items;
  const old = before[start];
  if (count === 0 && items.length === 0) return undefined;
  if (count === 1 && items.length === 1 && item !== undefined && old !== undefined) {
    const delta = deltaBetween(old, item);
    if (delta !== undefined && delta[0] !== "=") return ["e", start, delta];
  }
  return ["a", start, count, items];
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && jsonEqual(a, b));
}

/** So many items are spliced in at once: they are arguments of a call, whose number is bounded. */
const mostArguments = 10_000;

/**
 * The value after a stored delta. It takes `before` and the delta apart and builds on them, so that a long chain is applied
 * in the time of its changes: give it values that nobody else holds.
 *
 * @throws `corrupt_data` where the delta is malformed or does not fit the value.
 */
export function applyDelta(before: Json, delta: Json): Json {
  if (!Array.isArray(delta)) throw misfit();
  const [kind, first, second, third] = delta as readonly Json[];
  switch (kind) {
    case "=":
      if (first === undefined) throw misfit();
      return first;
    case "o": {
      if (!isJsonObject(before) || !isJsonObject(first) || !isJsonObject(second) || !isTexts(third)) throw misfit();
      for (const key of third) Reflect.deleteProperty(before, key);
      for (const [key, value] of Object.entries(first)) setOwn(before, key, value);
      for (const [key, change] of Object.entries(second)) {
        const old = getOwn(before, key);
        if (old === undefined) throw misfit();
        setOwn(before, key, applyDelta(old, change));
      }
      return before;
    }
    case "a": {
      const end = Number(first) + Number(second);
      if (!Array.isArray(before) || !isPlace(first, end) || !isPlace(end, before.length) || !Array.isArray(third)) {
        throw misfit();
      }
      if (third.length > mostArguments) return [...before.slice(0, first), ...third, ...before.slice(end)];
      before.splice(first, end - first, ...third);
      return before;
    }
    case "e": {
      if (!Array.isArray(before) || !isPlace(first, before.length - 1) || second === undefined) throw misfit();
      before[first] = applyDelta(before[first], second);
      return before;
    }
    case "s": {
      if (typeof before !== "string" || before.length !== first || typeof second !== "string") throw misfit();
      return before + second;
    }
    default:
      throw misfit();
  }
}

function isPlace(json: Json | undefined, last: number): json is number {
  return Number.isInteger(json) && (json as number) >= 0 && (json as number) <= last;
}

function isTexts(json: Json | undefined): json is readonly string[] {
  return Array.isArray(json) && json.every((item) => typeof item === "string");
}

function misfit(): DurableError {
  return new DurableError("corrupt_data", "a delta does not fit what it stands on");
}
