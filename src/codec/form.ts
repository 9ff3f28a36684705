import { DurableError, invalidRequest, shown } from "../errors.ts";
import {
  aCount,
  aFlag,
  aNumber,
  aText,
  aTime,
  at,
  getOwn,
  isJsonObject,
  isPlainObject,
  type Json,
  type JsonObject,
  jsonEqual,
  type Kind,
  memberSet,
  oneOf,
  type Path,
  setOwn,
  sizeOf,
} from "../json.ts";
import type { Fields } from "../record/state.ts";
import { parseEncoded } from "./values.ts";

// Tables of what records are made of. By the same table a record is read, checked and written, and two of them compared.

/** How values of one kind are written, and what they are made of; without the latter they are compared as JSON. */
export interface Part<T> {
  /** `undefined` if nothing is written. */
  write(value: T, path: Path): Json | undefined;
  /** Of arrays: their items. */
  readonly items?: Part<unknown>;
  /** Of objects with keys of any name: their members. */
  readonly members?: Part<unknown>;
  /** Of records: each property, its name in JSON, and its part. */
  readonly fields?: Table;
}

type Table = readonly (readonly [property: string, name: string, part: Part<unknown>])[];

/** Any JSON. */
export const anyJson: Part<unknown> = {
  write: (value) => value as Json,
  get items() {
    return anyJson;
  },
  get members() {
    return anyJson;
  },
};

/**
 * How one part of a record is read from JSON and written to it. Wire names are made here, and nowhere else. `read` is
 * called with `undefined` for a missing field and returns the field's default. `write` and `map` throw for
 * every value for which `read` throws, so that only what can be read is stored: values come from untyped JavaScript as
 * well.
 */
export interface Field<T> extends Part<T> {
  read(json: Json | undefined, path: Path): T;
  write(value: T, path?: Path): Json | undefined;
  /** Converts every user value in the part to another form. */
  map(value: T, path: Path, form: ValueForm): T;
}

export type ValueForm = (value: unknown, path: Path) => unknown;

type Row<T> = { readonly [K in keyof T]-?: Field<T[K]> };
type Known<T> = Omit<T, "unknownFields">;

function expected(path: Path, what: string, found: unknown): Error {
  return invalidRequest(path, found === undefined ? "is missing" : `expected ${what}, not ${shown(found)}`);
}

function plain<T extends Json>([what, fits]: Kind, missing?: T): Field<T> {
  const checked = (value: unknown, path?: Path): T => {
    if (fits(value)) return ofKind<T>(value);
    throw expected(path, what, value);
  };
  return {
    read: (json, path) => (json === undefined && missing !== undefined ? missing : checked(json, path)),
    write: checked,
    map: checked,
  };
}

// The kinds below are each of the type of their field.
function ofKind<T>(value: unknown): T {
  return value as T;
}

const aFinite = aNumber("a number", Number.isFinite);

/** A string that must be there. */
export const requiredText = plain<string>(aText);
const requiredNumber = plain<number>(aFinite);
/** A time in milliseconds. */
export const requiredTime = plain<number>(aTime);
export const text = (missing: string): Field<string> => plain(aText, missing);
export const number = (missing: number): Field<number> => plain(aFinite, missing);
/** A count. */
export const count = plain<number>(aCount(0), 0);

/** A part that may be absent: `undefined` in code, and written as `none`. */
function orAbsent(none: null | undefined) {
  return <T>(field: Field<T>): Field<T | undefined> => ({
    read: (json, path) => (json === undefined || json === none ? undefined : field.read(json, path)),
    write: (value, path) => (value === undefined ? none : field.write(value, path)),
    map: (value, path, form) => (value === undefined ? undefined : field.map(value, path, form)),
  });
}

/** A part that is `null` if it is absent. */
export const nullable = orAbsent(null);
/** A part that is left out if it is absent, for bodies of our own formats. */
export const sparse = orAbsent(undefined);

export const optionalText = nullable(requiredText);
export const optionalNumber = nullable(requiredNumber);
export const boolean = plain<boolean>(aFlag);
export const optionalBoolean = nullable(boolean);

/** A word of a closed set. */
export function word<T extends string>(words: readonly T[]): Field<T> {
  return plain<T>(oneOf(words));
}

/** A string that a parser turns into a branded id. */
export function id<T extends string>(read: (text: unknown, path: Path) => T): Field<T> {
  return { read, write: read, map: read };
}

/** A user value in its encoded form. */
export const value: Field<unknown> = {
  read: (json, path) => (json === undefined ? null : parseEncoded(json, path)),
  write: (encoded) => encoded as Json,
  map: (encoded, path, form) => form(encoded, path),
};

type Convert = (part: unknown, path: Path) => unknown;

/** Parts of one kind; `each` checks what holds them, and converts one after the other. */
function many<T, Whole extends object>(
  item: Field<T>,
  none: () => Whole,
  each: (whole: Whole, path: Path, convert: Convert) => unknown,
): Field<Whole> {
  const all = (whole: unknown, path: Path, convert: (part: T, path: Path) => unknown) =>
    ofKind<Whole & Json>(each(whole as Whole, path, convert as Convert));
  return {
    read: (json, path) => (json === undefined ? none() : all(json, path, item.read as never)),
    write: (whole, path) => all(whole, path, (part, place) => item.write(part, place) ?? null),
    map: (whole, path, form) => all(whole, path, (part, place) => item.map(part, place, form)),
  };
}

export function list<T>(item: Field<T>): Field<readonly T[]> {
  const each = (items: readonly unknown[], path: Path, convert: Convert) => {
    const result: unknown[] = [];
    // Not `map`, which passes over the holes of an array.
    for (const part of expectArray(items, path)) result.push(convert(part, at(path, result.length)));
    return result;
  };
  return { ...many<T, readonly T[]>(item, () => [], each), items: item };
}

function expectArray<T>(items: readonly T[], path: Path): readonly T[] {
  if (Array.isArray(items)) return items;
  throw expected(path, "an array", items);
}

export const valueList = list(value);
export const textList = list(requiredText);

/** Records by keys that users choose. */
export function byKey<T>(item: Field<T>): Field<Readonly<Record<string, T>>> {
  return { ...many<T, Readonly<Record<string, T>>>(item, () => ({}), eachMember), members: item };
}

function eachMember(whole: Fields, path: Path, convert: Convert): Fields {
  const result: Fields = {};
  for (const key of Object.keys(expectObject(whole, path))) setOwn(result, key, convert(whole[key], at(path, key)));
  return result;
}

function expectObject<T extends object>(value: T, path: Path): T {
  // The entries of a Map are no members: it would be taken for an empty object.
  if (isPlainObject(value)) return value;
  throw expected(path, "a plain object", value);
}

/** User values by name. */
export const values: Field<Fields> = {
  ...byKey(value),
  write: (fields, path) => expectObject(fields, path) as JsonObject,
};

/** {@link values} that are required. */
export const requiredValues: Field<Fields> = {
  ...values,
  read: (json, path) => values.read(expectObject(json as JsonObject, path), path),
};

/** `checkpointId` is `checkpoint_id` on the wire. */
function wireName(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/**
 * A record of named parts. Fields that the table does not know are kept in `unknownFields` and written back, so that
 * the data of a newer writer survives an older reader.
 */
export function record<T extends object>(missing: "required" | "default", row: Row<Known<T>>): Field<T> {
  const rows = Object.entries<Field<unknown>>(row).map(
    ([property, field]) => [property, wireName(property), field] as const,
  );
  const known = new Set(rows.map(([, name]) => name));
  return {
    read(json, path) {
      const object = expectObject((json === undefined && missing === "default" ? {} : json) as JsonObject, path);
      const result: Record<string, unknown> = {};
      for (const [property, name, field] of rows) {
        const part = field.read(getOwn(object, name), at(path, name));
        if (part !== undefined) result[property] = part;
      }
      const unknown = Object.keys(object).filter((key) => !known.has(key));
      if (unknown.length > 0) {
        result.unknownFields = values.read(Object.fromEntries(unknown.map((key) => [key, object[key] as Json])), path);
      }
      return asRecord<T>(result);
    },
    write(value, path) {
      const source = parts(expectObject(value, path));
      const members: Record<string, Json> = {};
      for (const [property, name, field] of rows) {
        const part = field.write(source[property], at(path, name));
        if (part !== undefined) members[name] = part;
      }
      for (const [key, part] of Object.entries(source.unknownFields ?? {})) setOwn(members, key, part as Json);
      return members;
    },
    map(value, path, form) {
      const source = parts(expectObject(value, path));
      const result: Record<string, unknown> = {};
      for (const [property, name, field] of rows) {
        const part = field.map(source[property], at(path, name), form);
        if (part !== undefined) result[property] = part;
      }
      if (source.unknownFields !== undefined) {
        for (const key of Object.keys(source.unknownFields)) if (known.has(key)) throw isNoUnknownField(at(path, key));
        result.unknownFields = values.map(source.unknownFields, path, form);
      }
      return asRecord<T>(result);
    },
    fields: rows,
  };
}

/** The error for an unknown field that would overwrite a known one. */
export function isNoUnknownField(path: Path): Error {
  return invalidRequest(path, "an unknown field has a known name");
}

function parts(value: object): { readonly unknownFields?: Fields; readonly [property: string]: unknown } {
  return value as { readonly [property: string]: unknown };
}

// The table has an entry for every property of T, so what was built from the table is a T.
function asRecord<T>(built: Record<string, unknown>): T {
  return built as T;
}

/**
 * How one JSON value becomes another. Read as an instruction:
 * `["=", value]` take this value; `["o", set, inner, gone, last]` in an object set these members, change those, drop these,
 * and move the members of `last`, where there are any, behind all others in this order;
 * `["a", at, count, items]` in an array put the items in place of `count` others; `["e", at, delta]` change one element;
 * `["s", keep, text]` keep the beginning of a string and go on with the text.
 */
export type Delta =
  | readonly ["=", Json]
  | readonly ["o", JsonObject, { readonly [key: string]: Delta }, readonly string[]]
  | readonly ["o", JsonObject, { readonly [key: string]: Delta }, readonly string[], readonly string[]]
  | readonly ["a", number, number, readonly Json[]]
  | readonly ["e", number, Delta]
  | readonly ["s", number, string];

/** A delta, and its effect on the size of the value's JSON. */
export interface Change {
  readonly delta: Delta;
  /** The number of UTF-8 bytes by which the JSON becomes longer. */
  readonly growth: number;
  /** The number of values that are added. */
  readonly valueGrowth: number;
  /** The levels of nesting down to the deepest new part. */
  readonly depth: number;
}

/** From this length on, a string that only grew is stored as its growth. */
const longText = 64;

/**
 * How the written form of `before` becomes that of `after`, `undefined` if they are equal. Parts that both share by
 * identity cost next to nothing, which is what makes the cost follow the change.
 */
export function changeOf<T>(part: Part<T>, before: T, after: T): Change | undefined {
  if (before === after) return undefined;
  const { items, members, fields } = part;
  if (items !== undefined && Array.isArray(before) && Array.isArray(after)) return changeOfItems(before, after, items);
  if (isJsonObject(before) && isJsonObject(after)) {
    if (members !== undefined) return changeOfMembers(before, after, members);
    if (fields !== undefined) return changeOfFields(before, after, fields);
  }
  const [old, next] = [written(part, before), written(part, after)];
  if (part !== anyJson) return changeOf(anyJson, old, next);
  if (typeof old === "string" && typeof next === "string" && old.length >= longText) {
    const text = next.slice(old.length);
    // A lone surrogate is written differently from one half of a character.
    if (next.startsWith(old) && !/^[\udc00-\udfff]/.test(text)) {
      return { delta: ["s", old.length, text], growth: sizeOf(text).bytes - 2, valueGrowth: 0, depth: 0 };
    }
  }
  return { delta: ["=", next], ...grown(old, next) };
}

function written<T>(part: Part<T>, value: T): Json {
  return part.write(value, undefined) ?? null;
}

function grown(before: Json, after: Json): Omit<Change, "delta"> {
  const [old, { bytes, values, depth }] = [sizeOf(before), sizeOf(after)];
  return { growth: bytes - old.bytes, valueGrowth: values - old.values, depth };
}

/** The change of a record by its keys. */
function changeOfMembers<T>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
  part: Part<T>,
): Change | undefined {
  const changes = new MemberChanges();
  changes.ofMembers(before, after, part);
  return changes.whole();
}

/** The change of a record by the table of its fields, and of its unknown fields by their keys. */
function changeOfFields(before: JsonObject, after: JsonObject, fields: Table): Change | undefined {
  const changes = new MemberChanges(fields.length);
  for (const [property, name, part] of fields) {
    const [a, b] = [before[property], after[property]];
    if (a === b) continue;
    if (a !== undefined && b !== undefined) changes.change(name, changeOf(part, a, b));
    else changes.replace(name, part.write(a, undefined), part.write(b, undefined));
  }
  const [a, b] = [before.unknownFields, after.unknownFields] as [JsonObject?, JsonObject?];
  if (a !== b) changes.ofMembers(a ?? {}, b ?? {}, anyJson);
  return changes.whole();
}

/** The changes of an object's members, one by one, and the change of the whole. */
class MemberChanges {
  readonly #set: JsonObject = {};
  readonly #inner: { readonly [key: string]: Delta } = {};
  readonly #gone: string[] = [];
  #isChanged = false;
  #count: number;
  #added = 0;
  #last: readonly string[] = [];
  #growth = 0;
  #valueGrowth = 0;
  #depth = 0;

  /** Of an object with this number of members, besides those of {@link ofMembers}. */
  constructor(count = 0) {
    this.#count = count;
  }

  /** All changes of members with keys of any name. */
  ofMembers<T>(before: Readonly<Record<string, T>>, after: Readonly<Record<string, T>>, part: Part<T>): void {
    const only = memberSet(before, after);
    const keys = only ? [] : Object.keys(before);
    const keysAfter = only ? [only.key] : Object.keys(after);
    this.#count += only?.count ?? keys.length;
    this.#last = misplaced(keys, keysAfter);
    for (const key of keysAfter) {
      const value = after[key] as T;
      // An inherited property, such as `constructor`, is never the value of a member.
      if (before[key] === value) continue;
      if (Object.hasOwn(before, key)) this.change(key, changeOf(part, before[key] as T, value));
      else this.replace(key, undefined, part.write(value, undefined));
    }
    for (const key of keys) {
      if (!Object.hasOwn(after, key)) this.replace(key, part.write(before[key] as T, undefined), undefined);
    }
  }

  change(key: string, change: Change | undefined): void {
    if (change === undefined) return;
    const { delta } = change;
    if (delta[0] === "=") setOwn(this.#set, key, delta[1]);
    else setOwn(this.#inner, key, delta);
    this.#grow(change);
  }

  #grow({ growth, valueGrowth, depth }: Omit<Change, "delta">): void {
    this.#isChanged = true;
    this.#growth += growth;
    this.#valueGrowth += valueGrowth;
    this.#depth = Math.max(this.#depth, depth);
  }

  /** `undefined` is an absent member. */
  replace(key: string, before: Json | undefined, after: Json | undefined): void {
    if (before !== undefined && after !== undefined) {
      this.change(key, changeOf(anyJson, before, after));
      return;
    }
    if (after === undefined) this.#gone.push(key);
    else setOwn(this.#set, key, after);
    this.#added += after === undefined ? -1 : 1;
    // JSON leaves out what is absent, and the braces are on both sides.
    const size = grown({ [key]: before as Json }, { [key]: after as Json });
    this.#grow({ ...size, depth: size.depth - 1 });
  }

  whole(): Change | undefined {
    const last = this.#last;
    if (!this.#isChanged && last.length === 0) return undefined;
    const parts = ["o", this.#set, this.#inner, this.#gone] as const;
    return {
      delta: last.length === 0 ? parts : [...parts, last],
      growth: this.#growth + commas(this.#count + this.#added) - commas(this.#count),
      valueGrowth: this.#valueGrowth,
      depth: this.#depth + 1,
    };
  }
}

/** Integer-like keys: an object has these in numeric order, in whatever order they are set. */
const isIndex = (key: string) => /^(?:0|[1-9]\d{0,9})$/.test(key) && Number(key) < 2 ** 32 - 1;

/**
 * The last keys, which must be moved behind the others for the right order. Dropping and setting members leaves the
 * remaining members in place and adds new ones at the end.
 */
function misplaced(before: readonly string[], after: readonly string[]): readonly string[] {
  // The most frequent case: no change of order, or new members at the end.
  if (before.length <= after.length && before.every((key, index) => key === after[index])) return [];
  const [old, next] = [new Set(before), new Set(after)];
  const left = [...before.filter((key) => next.has(key)), ...after.filter((key) => !old.has(key))];
  const wanted = after.filter((key) => !isIndex(key));
  let inPlace = 0;
  for (const key of left) if (key === wanted[inPlace]) inPlace++;
  return wanted.slice(inPlace);
}

/** The change of a list by the positions of its items. */
function changeOfItems<T>(before: readonly T[], after: readonly T[], part: Part<T>): Change | undefined {
  const isSame = (a: T, b: T) => a === b || jsonEqual(written(part, a), written(part, b), "in order");
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && isSame(before[start] as T, after[start] as T)) start++;
  let end = 0;
  while (end < shorter - start && isSame(before.at(-1 - end) as T, after.at(-1 - end) as T)) end++;
  const gone = before.slice(start, before.length - end);
  const come = after.slice(start, after.length - end);
  if (gone.length === 0 && come.length === 0) return undefined;
  if (gone.length === 1 && come.length === 1) {
    const change = changeOf(part, gone[0] as T, come[0] as T);
    if (change !== undefined && change.delta[0] !== "=") {
      return { ...change, delta: ["e", start, change.delta], depth: change.depth + 1 };
    }
  }
  const items = come.map((item) => written(part, item));
  const size = grown(
    gone.map((item) => written(part, item)),
    items,
  );
  return {
    ...size,
    delta: ["a", start, gone.length, items],
    // Those of the pieces are counted with them.
    growth: size.growth + commas(after.length) - commas(before.length) + commas(gone.length) - commas(come.length),
  };
}

function commas(count: number): number {
  return Math.max(count - 1, 0);
}

/** The most items in one splice: they are arguments of a call, and their number is bounded. */
const mostArguments = 10_000;

/**
 * The value after a stored delta. It takes `before` and the delta apart and builds on them, so that a long chain is
 * applied in the time of its changes: call it with values that are not used elsewhere.
 *
 * @throws `corrupt_data` if the delta is malformed or does not match the value.
 */
export function applyDelta(before: Json, delta: Json): Json {
  if (!Array.isArray(delta)) throw misfit();
  const [kind, first, second, third, fourth = []] = delta as readonly Json[];
  switch (kind) {
    case "=":
      if (first === undefined) throw misfit();
      return first;
    case "o": {
      if (!isJsonObject(before) || !isJsonObject(first) || !isJsonObject(second)) throw misfit();
      if (!isTexts(third) || !isTexts(fourth)) throw misfit();
      for (const key of third) Reflect.deleteProperty(before, key);
      for (const [key, value] of Object.entries(first)) setOwn(before, key, value);
      for (const [key, change] of Object.entries(second)) {
        const old = getOwn(before, key);
        if (old === undefined) throw misfit();
        setOwn(before, key, applyDelta(old, change));
      }
      for (const key of fourth) {
        const value = getOwn(before, key);
        if (value === undefined) throw misfit();
        Reflect.deleteProperty(before, key);
        setOwn(before, key, value);
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
  return new DurableError("corrupt_data", "a delta does not match its base");
}
