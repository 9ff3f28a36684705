import { DurableError } from "../errors.ts";
import { getOwn, isJsonObject, type Json, type JsonObject, jsonEqual, memberSet, setOwn, utf8Length } from "../json.ts";

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

/** A delta, and by how many bytes of UTF-8 it makes the value's JSON longer. */
export interface Change {
  readonly delta: Delta;
  readonly growth: number;
}

/** How values of one kind are written and how one becomes another: what a record or a list of them is made of. */
export interface Part<T> {
  /** `undefined` where nothing is written. */
  write(value: T): Json | undefined;
  /** How what is written of `before` becomes what is written of `after`; `undefined` where they are equal. */
  change(before: T, after: T): Change | undefined;
}

const jsonPart: Part<Json> = { write: (json) => json, change: changeBetween };

/** From this length on, a string that only grew is kept as its growth. */
const longText = 64;

/**
 * How `before` becomes `after`, `undefined` where they are equal. Parts that both share by identity cost next to nothing,
 * which is what makes the cost follow the change.
 */
export function changeBetween(before: Json, after: Json): Change | undefined {
  if (before === after) return undefined;
  if (isJsonObject(before) && isJsonObject(after)) return changeOfMembers(before, after, jsonPart);
  if (Array.isArray(before) && Array.isArray(after)) return changeOfItems<Json>(before, after, jsonPart);
  if (typeof before === "string" && typeof after === "string" && before.length >= longText) {
    const text = after.slice(before.length);
    // Half a character is written otherwise than as a part of it.
    if (after.startsWith(before) && !/^[\udc00-\udfff]/.test(text)) {
      return { delta: ["s", before.length, text], growth: jsonBytes(text) - 2 };
    }
  }
  return { delta: ["=", after], growth: jsonBytes(after) - jsonBytes(before) };
}

/** The change of a record by its keys. */
export function changeOfMembers<T>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  part: Part<T>,
): Change | undefined {
  if (before === after) return undefined;
  const only = memberSet(before, after);
  const keys = only === undefined ? Object.keys(before) : [];
  const changes = new MemberChanges(only?.count ?? keys.length);
  for (const key of only === undefined ? Object.keys(after) : [only.key]) {
    const value = after[key] as T;
    // What is inherited, such as `constructor`, is never the value of a member.
    if (before[key] === value) continue;
    if (Object.hasOwn(before, key)) changes.change(key, part.change(before[key] as T, value));
    else changes.replace(key, undefined, part.write(value));
  }
  for (const key of keys) {
    if (!Object.hasOwn(after, key)) changes.replace(key, part.write(before[key] as T), undefined);
  }
  return changes.whole();
}

/** What happens to the members of an object, one by one, and the change of the whole. */
export class MemberChanges {
  readonly #set: [string, Json][] = [];
  readonly #inner: [string, Delta][] = [];
  readonly #gone: string[] = [];
  readonly #countBefore: number;
  #count: number;
  #growth = 0;

  /** Of an object with so many members. */
  constructor(count: number) {
    this.#countBefore = count;
    this.#count = count;
  }

  change(key: string, change: Change | undefined): void {
    if (change === undefined) return;
    const { delta, growth } = change;
    if (delta[0] === "=") this.#set.push([key, delta[1]]);
    else this.#inner.push([key, delta]);
    this.#growth += growth;
  }

  /** `undefined` is a member that is not there. */
  replace(key: string, before: Json | undefined, after: Json | undefined): void {
    if (before !== undefined && after !== undefined) this.change(key, changeBetween(before, after));
    else if (after !== undefined) {
      this.#set.push([key, after]);
      this.#count++;
      this.#growth += memberBytes(key, after);
    } else if (before !== undefined) {
      this.#gone.push(key);
      this.#count--;
      this.#growth -= memberBytes(key, before);
    }
  }

  whole(): Change | undefined {
    if (this.#set.length === 0 && this.#inner.length === 0 && this.#gone.length === 0) return undefined;
    return {
      delta: ["o", Object.fromEntries(this.#set), Object.fromEntries(this.#inner), this.#gone],
      growth: this.#growth + commas(this.#count) - commas(this.#countBefore),
    };
  }
}

/** The change of a list by where its items stand. */
export function changeOfItems<T>(before: readonly T[], after: readonly T[], part: Part<T>): Change | undefined {
  if (before === after) return undefined;
  const isSame = (a: T, b: T) => a === b || jsonEqual(part.write(a) ?? null, part.write(b) ?? null);
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && isSame(before[start] as T, after[start] as T)) start++;
  let end = 0;
  while (end < shorter - start && isSame(before.at(-1 - end) as T, after.at(-1 - end) as T)) end++;
  const gone = before.slice(start, before.length - end);
  const come = after.slice(start, after.length - end);
  if (gone.length === 0 && come.length === 0) return undefined;
  if (gone.length === 1 && come.length === 1) {
    const change = part.change(gone[0] as T, come[0] as T);
    if (change !== undefined && change.delta[0] !== "=") return { ...change, delta: ["e", start, change.delta] };
  }
  const items = come.map((item) => part.write(item) ?? null);
  const bytes = (all: readonly Json[]) => all.reduce<number>((sum, item) => sum + jsonBytes(item), 0);
  return {
    delta: ["a", start, gone.length, items],
    growth:
      bytes(items) + commas(after.length) - bytes(gone.map((item) => part.write(item) ?? null)) - commas(before.length),
  };
}

/** The length of a value's JSON in bytes of UTF-8. */
function jsonBytes(json: Json): number {
  return utf8Length(JSON.stringify(json));
}

function memberBytes(key: string, value: Json): number {
  return jsonBytes(key) + 1 + jsonBytes(value);
}

function commas(count: number): number {
  return Math.max(count - 1, 0);
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
