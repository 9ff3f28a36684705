import { DurableError, type ErrorCode, invalidRequest, isDurableError } from "./errors.ts";
import { hexOf } from "./ids.ts";

/** A JSON value at rest: it is never mutated, so its parts may be shared. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The deepest nesting of arrays and objects that is accepted anywhere. */
export const maxDepth = 500;

/** The most values in one JSON text that comes in. The default bound. */
export const defaultMaxValues = 250_000;

export const tooLargeHint = "store many numbers as one typed array";

/**
 * The JSON text.
 *
 * @throws `too_large` if it would be longer than a string can be.
 */
export function jsonText(json: Json, write: (json: Json) => string = JSON.stringify): string {
  try {
    return write(json);
  } catch (cause) {
    throw new DurableError("too_large", "the JSON text is too long", {
      cause,
      hint: tooLargeHint,
    });
  }
}

export function isJsonObject(json: unknown): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/**
 * True of an object without a class. One of another realm, such as a frame, has that realm's prototype: so this compares
 * the length of the chain, not identity.
 */
export function isPlainObject(value: unknown): value is object {
  if (!isJsonObject(value)) return false;
  return hasNoClass(value) && !Object.hasOwn(value, Symbol.toStringTag);
}

/** True of what is plain, if it is no array and has no symbol keys. */
export function hasNoClass(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}

/** The own property of that name, so that a key such as `constructor` finds nothing inherited. */
export function getOwn<T>(record: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}

/** Sets an own property of any name: assigning to `__proto__` would set the prototype. */
export function setOwn<T>(record: Readonly<Record<string, T>>, key: string, value: T): void {
  if (key !== "__proto__") (record as Record<string, T>)[key] = value;
  else define(record, key, value, true);
}

/** Defines an own property that can be changed and deleted. */
export function define(target: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(target, key, { value, enumerable, configurable: true, writable: true });
}

/** What {@link withMember} made. The versions of one record share all members, and the places of those that came. */
interface Version {
  /** The record without the last member; forgotten once there is a later version, since a chain would keep all alive. */
  before?: object | undefined;
  readonly all: object;
  readonly places: Map<PropertyKey, number>;
  /** The number of members before, and the key of the last one. */
  readonly count: number;
  readonly key: string;
}

const versions = new WeakMap<object, Version>();

/**
 * The record with this member set. For a new member the time does not grow with the record: the result is a view of
 * members that later versions share. {@link memberSet} then knows how the two differ without comparing the others.
 */
export function withMember<T>(record: Readonly<Record<string, T>>, key: string, value: T): Readonly<Record<string, T>> {
  const last = versions.get(record);
  const isNew = !Object.hasOwn(record, key);
  // Only the newest version can grow: another one would show what came after it.
  const { all, places, count } =
    isNew && last?.before
      ? { ...last, count: last.count + 1 }
      : { all: { ...record }, places: new Map<PropertyKey, number>(), count: Object.keys(record).length };
  setOwn(all as typeof record, key, value);
  if (!isNew) return all as typeof record;
  if (last) last.before = undefined;
  places.set(key, count);
  const isHere = (name: PropertyKey) => (places.get(name) ?? 0) <= count;
  const ifHere =
    <R>(read: (all: object, name: PropertyKey) => R) =>
    (_: object, name: PropertyKey) =>
      isHere(name) ? read(all, name) : undefined;
  const result = new Proxy(all, {
    get: ifHere(Reflect.get),
    has: ifHere(Reflect.has) as () => boolean,
    getOwnPropertyDescriptor: ifHere(Reflect.getOwnPropertyDescriptor),
    ownKeys: () => Reflect.ownKeys(all).filter(isHere),
    defineProperty: () => false,
  }) as typeof record;
  versions.set(result, { before: record, all, places, count, key });
  return result;
}

/** If {@link withMember} made `after` from `before` by a new member: its key, and the number of members before. */
export function memberSet(before: object, after: object): Pick<Version, "key" | "count"> | undefined {
  const version = versions.get(after);
  return version?.before === before ? version : undefined;
}

const identifier = /^[A-Za-z_$][A-Za-z0-9_$-]*$/;

/** The place of a value, as an error shows it: `vars.items[3]["odd key"]`. `undefined` until an error needs it. */
export type Path = string | undefined;

/**
 * The result of `read` for the value at a path. Only if `read` throws is it called again, with the path: building a
 * path for every part takes longer than all the rest.
 */
export function located<T>(path: Path, read: (path: Path) => T): T {
  if (path === undefined) return read(undefined);
  try {
    return read(undefined);
  } catch {
    return read(path);
  }
}

/**
 * What `look` makes of something that a caller passed.
 *
 * @throws `code` with what `look` threw as its cause, unless that is one of ours.
 */
export function read<T>(path: Path, look: () => T, code?: ErrorCode, problem = "this value cannot be read"): T {
  try {
    return look();
  } catch (cause) {
    if (isDurableError(cause)) throw cause;
    throw invalidRequest(path, problem, { cause }, code);
  }
}

/** A path one level further in. */
export function at(path: string, key: string | number): string;
export function at(path: Path, key: string | number): Path;
export function at(path: Path, key: string | number): Path {
  return path === undefined ? path : inside(path, key);
}

// Apart, so that engines make no call where the path is not needed.
function inside(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  if (!identifier.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

/** Structural equality. The order of an object's keys counts only if `keys` says so. */
export function jsonEqual(a: Json, b: Json, keys?: "in order"): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => jsonEqual(item, b[index], keys));
  }
  const left = a as JsonObject;
  const right = b as JsonObject;
  const own = Object.keys(left);
  const others = Object.keys(right);
  if (own.length !== others.length) return false;
  return own.every(
    (key, index) =>
      (keys === undefined ? Object.hasOwn(right, key) : others[index] === key) &&
      jsonEqual(left[key] as Json, right[key] as Json, keys),
  );
}

/**
 * JSON text with sorted keys and no white space: equal values have equal text.
 *
 * @throws `too_large` like {@link jsonText}.
 */
export function canonicalJson(json: Json): string {
  return jsonText(json, canonical);
}

function canonical(json: Json): string {
  if (typeof json !== "object" || json === null) return JSON.stringify(json);
  if (Array.isArray(json)) return `[${json.map(canonical).join(",")}]`;
  const object = json as JsonObject;
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(object[key] as Json)}`);
  return `{${members.join(",")}}`;
}

const encoder = new TextEncoder();

/** The size of a value's JSON. */
export interface Size {
  /** Of UTF-8, without white space. */
  readonly bytes: number;
  /** The value, and every value inside it. */
  readonly values: number;
  /** Levels of arrays and objects: 0 for a string, 1 for an empty array. */
  readonly depth: number;
}

/** The size of the value's JSON. */
export function sizeOf(json: Json): Size {
  const text = jsonText(json);
  return { bytes: utf8Length(text), ...extent(text) };
}

/**
 * The number of values in a JSON text and the depth of their nesting, found in one pass over its brackets and commas,
 * before anything is built from it. For text that is not JSON the result has no meaning.
 */
export function extent(text: string, numberAt?: (start: number) => number): Omit<Size, "bytes"> {
  let values = 1;
  let depth = 0;
  let deepest = 0;
  // True after an opening bracket until something other than white space comes.
  let isEmpty = false;
  for (let place = 0; place < text.length; place++) {
    const code = text.charCodeAt(place);
    if (code <= 0x20) continue;
    // A brace differs from a bracket by one bit.
    const bracket = code & 0x5f;
    if (isEmpty && bracket !== 0x5d) values++;
    isEmpty = bracket === 0x5b;
    if (isEmpty) {
      if (++depth > deepest) deepest = depth;
    } else if (bracket === 0x5d) depth--;
    else if (code === 0x2c) values++;
    // A quote: what brackets the string has do not count.
    else if (code === 0x22) place = endOfString(text, place);
    // A number, since all else is handled above or has a larger code.
    else if (code < 0x3a && numberAt !== undefined) place = numberAt(place);
  }
  return { values, depth: deepest };
}

/** The length of a text in bytes of UTF-8. */
export function utf8Length(text: string): number {
  // Most texts are ASCII, and looking takes a fraction of the time that encoding does.
  return /[^ -~]/.test(text) ? encoder.encode(text).length : text.length;
}

/**
 * Parses JSON text and rejects what `JSON.parse` would silently change: integers that a number cannot hold and numbers
 * that overflow. Own `__proto__` keys and lone surrogates survive. Values cost memory that the length of the text does
 * not show, so their number is bounded too.
 *
 * @throws `invalid_request` that names the place: `path` and the way in, or the line and column of a syntax error;
 * `too_large` for more than `maxValues` values.
 */
export function parseJson(text: string, path = "", maxValues = defaultMaxValues): Json {
  let isExact = true;
  const { values, depth } = extent(text, (start) => {
    let end = start;
    let code: number;
    do code = text.charCodeAt(++end);
    while (code >= 0x30 && code <= 0x39);
    // Neither a long integer nor a fraction with an exponent, unless that is negative.
    isExact &&= (end - start < 16 || text[start] === ".") && ((code | 0x20) !== 0x65 || text[end + 1] === "-");
    return end - 1;
  });
  // Before anything is built from it: an empty array is two bytes of text and many times that in memory.
  if (values > maxValues) {
    throw depth > maxDepth ? nestedTooDeep(path) : tooManyValues(path, values, maxValues);
  }
  let json: Json;
  try {
    json = JSON.parse(text) as Json;
  } catch (cause) {
    const { offset, reason } = firstFault(text);
    const before = text.slice(0, offset);
    const line = before.split("\n").length;
    const column = offset - before.lastIndexOf("\n");
    throw invalidRequest(path, `invalid JSON: ${reason} at line ${line}, column ${column}`, {
      cause,
      details: { line, column },
    });
  }
  // Both are rare, so almost no text needs the slow walk, which knows the place.
  if (!isExact || depth > maxDepth) new Walk(text).value(path, 0);
  return json;
}

/** The place of the quote that ends the string that begins at `start`; the end of the text if there is none. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    if (end < 0) return text.length;
    let backslashes = 0;
    while (text[end - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return end;
  }
}

function nestedTooDeep(path: string): DurableError {
  return invalidRequest(cutText(path), `nested deeper than ${maxDepth} levels`);
}

/** The error for more values than are allowed. */
export function tooManyValues(path: string, values: number, maxValues: number): DurableError {
  const problem = `too many values: ${values}, at most ${maxValues} are allowed`;
  return invalidRequest(path, problem, { hint: tooLargeHint }, "too_large");
}

function firstFault(text: string): { offset: number; reason: string } {
  const walk = new Walk(text);
  try {
    walk.value("", 0);
    return walk.fault();
  } catch (error) {
    return { offset: walk.offset, reason: (error as Error).message };
  }
}

const token = {
  space: /[ \t\n\r]*/y,
  // biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids just these inside a string.
  plain: /[^"\\\u0000-\u001f]*/y,
  escape: /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y,
  number: /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y,
  word: /true|false|null/y,
};

/** Reads JSON text for the places of values, not for the values: it finds the place of a fault. */
class Walk {
  offset = 0;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  value(path: string, depth: number): void {
    this.#take(token.space);
    const next = this.#text[this.offset];
    if (next === "{") this.#parts("}", path, depth);
    else if (next === "[") this.#parts("]", path, depth);
    else if (next === '"') this.#string();
    else if (this.#take(token.word) === undefined) this.#number(path);
    this.#take(token.space);
  }

  /** The items of an array, or the members of an object. */
  #parts(end: "}" | "]", path: string, depth: number): void {
    if (depth >= maxDepth) throw nestedTooDeep(path);
    this.offset++;
    this.#take(token.space);
    if (this.#skip(end)) return;
    let index = 0;
    do {
      let key: string | number = index++;
      if (end === "}") {
        this.#take(token.space);
        key = JSON.parse(this.#string()) as string;
        this.#take(token.space);
        this.#expect(":");
      }
      this.value(at(path, key as string), depth + 1);
    } while (this.#skip(","));
    this.#expect(end);
  }

  #string(): string {
    const start = this.offset;
    this.#expect('"');
    // In pieces: one pattern for a string of many megabytes overflows the stack of the matcher.
    do this.#take(token.plain);
    while (this.#take(token.escape) !== undefined);
    this.#expect('"');
    return this.#text.slice(start, this.offset);
  }

  #number(path: string): void {
    const literal = this.#take(token.number) ?? this.fault();
    const number = Number(literal);
    if (!Number.isFinite(number)) throw invalidRequest(path, `the number ${cutText(literal)} is too large`);
    // The value that comes back must be the one that was sent: 2^60 has an exact number too, but it is written ...7000,
    // not ...6976.
    if (/^-?[1-9]\d*$/.test(literal) && String(number) !== literal) {
      throw invalidRequest(path, `the integer ${cutText(literal)} cannot be represented exactly`, {
        hint: `send it as {"$durable":["bigint","${cutText(literal)}"]} or as a string`,
      });
    }
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.offset;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.offset = pattern.lastIndex;
    return found[0];
  }

  #skip(character: string): boolean {
    if (this.#text[this.offset] !== character) return false;
    this.offset++;
    return true;
  }

  #expect(character: string): void {
    if (!this.#skip(character)) this.fault();
  }

  /** @throws the fault at this place. */
  fault(): never {
    const found = this.#text[this.offset];
    throw new Error(found === undefined ? "unexpected end" : `unexpected ${JSON.stringify(found)}`);
  }
}

/** The text, cut to this many characters: by default to what a message has room for. */
export function cutText(text = "", length = 40): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(length, 0))}…`;
}

/** SHA-256 of a text as lower-case hex. */
export async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", encoder.encode(text));
  return hexOf(new Uint8Array(digest));
}

/** @throws `unsupported` if the platform hides WebCrypto, as browsers do on plain-http origins. */
export function requireCrypto(): void {
  if (globalThis.crypto?.subtle === undefined) {
    throw new DurableError("unsupported", "crypto.subtle is not available", {
      hint: "serve the page over https or from localhost",
    });
  }
}

/** `T` without `undefined` values: fields that may be `undefined` are optional instead. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** A record without its fields that are `undefined`. An absent field is not a key. */
export function present<T extends object>(fields: T): Present<T> {
  const found: Partial<T> = {};
  for (const key of Object.keys(fields) as (keyof T)[]) if (fields[key] !== undefined) found[key] = fields[key];
  return asPresent(found);
}

function asPresent<T>(fields: object): Present<T> {
  return fields as Present<T>;
}

// Kinds of values. Those of ids and of what only callers pass stand in argument.ts.

/** What a value must be: in words, and as a test. A test that throws says no. One that is absent fits unless it is needed. */
export type Kind = readonly [expected: string, fits: (value: unknown) => boolean, isNeeded?: true];

const typed = (type: string): Kind => [`a ${type}`, (value) => typeof value === type];

export const aText = /* @__PURE__ */ typed("string");
/** Any number, for what is checked elsewhere. */
export const anyNumber = /* @__PURE__ */ typed("number");
export const aFlag = /* @__PURE__ */ typed("boolean");

/** A number that fits. */
export const aNumber = (expected: string, fits: (value: number) => boolean): Kind => [
  expected,
  (value) => typeof value === "number" && fits(value),
];
/** A whole number of at least that. */
export const aCount = (least: 0 | 1): Kind =>
  aNumber(`a whole number of at least ${least}`, (value) => Number.isSafeInteger(value) && value >= least);

/** A time in milliseconds since 1970 that a Date can hold. */
export const aTime = /* @__PURE__ */ aNumber(
  "a time in milliseconds that a Date can hold",
  (value) => Math.abs(value) <= 8.64e15,
);

export const oneOf = (words: readonly unknown[]): Kind => [
  `one of ${words.join(", ")}`,
  (value) => words.includes(value),
];
