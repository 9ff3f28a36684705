import { DurableError, invalidRequest } from "../errors.ts";
import {
  at,
  cutText,
  define,
  getOwn,
  hasNoClass,
  isJsonObject,
  isPlainObject,
  type Json,
  type JsonObject,
  located,
  maxDepth,
  type Path,
  read,
  tooLargeHint,
} from "../json.ts";

// A value that JSON cannot express is an object with the one key `$durable` and an array that names its kind. A user's
// own object with that one key gets one more `$`, so that data can never be mistaken for a tag.
const tagKey = "$durable";
const tagLike = /^\$+durable$/;
// Bounded, since reading takes time that grows faster than the number of digits.
const bigintDigits = /^-?\d{1,100000}$/;
// In bits: those of the smallest bigint with more digits than that, and one for its sign.
const bigintBits = 332_194;

/** The bounds of what is encoded. Those of a runtime are the bounds of its states. */
export interface ValueLimits {
  /** The most bytes of JSON. */
  readonly maxStateBytes: number;
  /** The most values: each array, object, string, number, boolean and null counts. */
  readonly maxStateValues: number;
}

/** The limits of what takes at most that many bytes. Each value takes at least one. */
export function bytesAtMost(bytes: number): ValueLimits {
  return { maxStateBytes: bytes, maxStateValues: bytes };
}

/** Without a runtime: a JSON text of that size can be a string on every platform. */
const defaultLimits: ValueLimits = { maxStateBytes: 2 ** 28, maxStateValues: 2_000_000 };

/**
 * The JSON form of a value. Plain JSON encodes to itself. Date, bigint, Map, Set, typed arrays, ArrayBuffer, DataView,
 * Error (name, message, cause and own fields; not its class or stack), `undefined`, `NaN`, infinities and `-0` encode
 * to tags. The result shares nothing with the value.
 *
 * @throws `invalid_request` that names the path of a value that cannot be stored: a function, a symbol, a cycle, a
 * class instance, a sparse array, more than 500 levels. `too_large` that names the path at which a limit was passed; by
 * default the limits are 256 MiB and 2,000,000 values.
 */
export function encodeValue(value: unknown, path: Path = "value", limits?: ValueLimits): Json {
  return located(path, (path) => encoder(limits)(value, path));
}

/** Encodes values that are parts of one whole: the limits are those of all of them together. */
export function encoder(limits?: ValueLimits): (value: unknown, path: Path) => Json {
  const walk = new Walk(limits);
  return (value, path) => read(path, () => encode(value, path, walk));
}

/**
 * The value of a JSON form, fresh at every call.
 *
 * @throws `invalid_request` that names the path of a malformed tag.
 */
export function decodeValue(json: Json, path: Path = "value"): unknown {
  return located(path, (path) => decode(json, path));
}

/** The value; unless it is built, the JSON is only checked, without a second state in memory, and the result has no meaning. */
function decode(json: Json, path: Path, isBuilt = true): unknown {
  if (typeof json !== "object" || json === null) return json;
  if (Array.isArray(json)) return json.map((item, index) => decode(item, at(path, index), isBuilt));
  const object = json as JsonObject;
  const keys = Object.keys(object);
  const tag = soleOf(keys);
  if (tag === tagKey) return decodeTag(object[tagKey] as Json, path);
  const value = isBuilt ? { ...object } : {};
  for (const key of keys) {
    const item = object[key] as Json;
    if (typeof item !== "object") continue;
    const part = decode(item, at(path, key), isBuilt);
    if (isBuilt) (value as Record<string, unknown>)[key] = part;
  }
  return tag === undefined ? value : { [tag.slice(1)]: (value as Record<string, unknown>)[tag] };
}

/** The JSON itself, once it is known to decode. For JSON that comes from outside and stays encoded. */
export function parseEncoded(json: Json, path: Path): Json {
  return located(path, (path) => {
    decode(json, path, false);
    return json;
  });
}

/** Encodes every value of a record, each under its own path. */
export function encodeFields(fields: Readonly<Record<string, unknown>>, path: Path, limits?: ValueLimits): JsonObject {
  return read(path, () => {
    const encoded = isPlainObject(fields) ? fieldsOfValue(encodeValue(fields, path, limits)) : undefined;
    if (encoded === undefined) throw invalidRequest(path, `expected a plain object, not ${nameOf(fields)}`);
    return encoded;
  });
}

/** The decoded values of a record. */
export function decodeFields(fields: JsonObject, path: Path): Record<string, unknown> {
  return located(path, (path) => decode(escapeTag(fields), path) as Record<string, unknown>);
}

/** A record of encoded values as one encoded value: the name of a field must not turn it into a tag. */
export function valueOfFields(fields: JsonObject): Json {
  return escapeTag(fields);
}

/** An encoded object as a record of encoded values; `undefined` if the value is not a plain object. */
export function fieldsOfValue(json: Json): JsonObject | undefined {
  if (!isJsonObject(json)) return undefined;
  const key = soleKey(json);
  if (key === undefined) return json;
  return key === tagKey ? undefined : { [key.slice(1)]: json[key] as Json };
}

/** True if the JSON stands for another value: one that JSON cannot express, or escaped data. */
export function isTagged(json: Json): boolean {
  return isJsonObject(json) && soleKey(json) !== undefined;
}

function soleKey(object: object): string | undefined {
  return soleOf(Object.keys(object));
}

// The keys of an object with very many members take long to list, so they are listed once.
function soleOf(keys: readonly string[]): string | undefined {
  const [key] = keys;
  return keys.length === 1 && key !== undefined && tagLike.test(key) ? key : undefined;
}

function tag(...parts: Json[]): Json {
  return { [tagKey]: parts };
}

/** What is left while a value is encoded, and where the walk is. */
class Walk {
  /** The number of objects that contain the value. */
  depth = 0;
  /** Those objects, innermost last, and maybe others behind them; only if the path is known. */
  readonly ancestors: object[] = [];
  readonly #limits: ValueLimits;
  #bytes: number;
  #values: number;

  constructor(limits = defaultLimits) {
    this.#limits = limits;
    this.#bytes = limits.maxStateBytes;
    this.#values = limits.maxStateValues;
  }

  /**
   * Counts a part before it is encoded, so that a small value that stands for a huge one, as one with parts that are shared,
   * costs no more than the limit. The bytes are the least that its JSON takes: what passes is counted exactly in the state.
   */
  count(path: Path, bytes: number, values: number): void {
    this.#bytes -= bytes;
    this.#values -= values;
    if (this.#bytes >= 0 && this.#values >= 0) return;
    const { maxStateBytes, maxStateValues } = this.#limits;
    const most = this.#bytes < 0 ? `${maxStateBytes} bytes` : `${maxStateValues} values`;
    throw new DurableError("too_large", `${cutText(path)}: the limit of ${most} is exceeded here`, {
      path: path ?? "",
      hint: tooLargeHint,
    });
  }
}

function encode(value: unknown, path: Path, walk: Walk): Json {
  switch (typeof value) {
    case "string":
      walk.count(path, value.length, 0);
      return value;
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return tag("number", value === 0 ? "-0" : String(value));
    case "undefined":
      return tag("undefined");
    case "bigint": {
      // Making digits takes long, so a larger one gets none.
      const digits = BigInt.asIntN(bigintBits, value) === value ? value.toString() : "";
      if (!bigintDigits.test(digits))
        throw invalidRequest(path, "a bigint of more than 100000 digits cannot be stored");
      walk.count(path, digits.length, 0);
      return tag("bigint", digits);
    }
    case "function":
    case "symbol":
      throw invalidRequest(path, `a ${typeof value} cannot be stored`);
    case "object":
      return value === null ? null : encodeObject(value, path, walk);
  }
}

function encodeObject(value: object, path: Path, walk: Walk): Json {
  // A cycle is too deep in any case. So it is looked for only once the path is known, to name it.
  if (path !== undefined) {
    const { ancestors } = walk;
    ancestors.length = walk.depth;
    // Few enough that looking through them takes less time than a set does.
    if (ancestors.includes(value)) throw invalidRequest(path, "a cycle cannot be stored");
    ancestors.push(value);
  }
  if (walk.depth >= maxDepth) throw invalidRequest(path, `nested deeper than ${maxDepth} levels`);
  walk.depth++;
  const encoded = encodeParts(value, path, walk);
  walk.depth--;
  return encoded;
}

function encodeParts(value: object, path: Path, walk: Walk): Json {
  if (Array.isArray(value)) {
    // Array.prototype is an array itself, in every realm; the prototype of a subclass is not.
    if (Array.isArray(Object.getPrototypeOf(value))) return encodeArray(value, path, walk);
  } else if (hasNoClass(value)) return encodeMembers(value, path, walk, true);
  const name = Object.prototype.toString.call(value).slice(8, -1);
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    // By this name Node's Buffer is the Uint8Array that it is.
    if (viewOf.has(name)) return encodeBytes(name, new Uint8Array(buffer, byteOffset, byteLength), path, walk);
  }
  if (name === "Error" || value instanceof Error) return encodeError(value as Error, path, walk);
  switch (builtIn(value, name)) {
    case "ArrayBuffer":
      return encodeBytes(name, new Uint8Array(value as ArrayBuffer), path, walk);
    case "Date":
      // `null` if it is invalid.
      return tag("date", new Date(value as Date).toJSON());
    case "Map": {
      const map = value as ReadonlyMap<unknown, unknown>;
      walk.count(path, map.size, map.size * 3);
      return tag(
        "map",
        Array.from(map, (pair, index) =>
          pair.map((part, side) => encode(part, at(at(path, index), side === 0 ? "key" : "value"), walk)),
        ),
      );
    }
    case "Set": {
      const set = value as ReadonlySet<unknown>;
      walk.count(path, set.size, set.size);
      return tag(
        "set",
        Array.from(set, (item, index) => encode(item, at(path, index), walk)),
      );
    }
  }
  throw invalidRequest(path, `${nameOf(value)} cannot be stored`, {
    hint: "store plain data, and build instances from it in a step",
  });
}

function encodeArray(value: readonly unknown[], path: Path, walk: Walk): Json {
  const { length } = value;
  // Before its items are listed.
  walk.count(path, length, length);
  // The items, without holes, and after them the values of fields. Faster than the keys, which are texts.
  const items = Object.values(value) as Json[];
  let isWhole = items.length === length;
  for (let index = 0; isWhole && index < length; index++) {
    const item = value[index];
    isWhole &&= item !== undefined || index in value;
    items[index] = encode(item, at(path, index), walk);
  }
  if (isWhole) return items;
  throw invalidRequest(path, "an array with holes or own fields cannot be stored");
}

function encodeMembers(value: object, path: Path, walk: Walk, mayBeTag = false): JsonObject {
  if (Object.getOwnPropertySymbols(value).length > 0) throw invalidRequest(path, "symbol keys cannot be stored");
  // Much faster than to list the keys, and to set one member after the other.
  const members = { ...value } as Record<string, Json>;
  let last = "";
  for (const key in members) {
    // biome-ignore lint/suspicious/noPrototypeBuiltins: unlike Object.hasOwn it takes no time for the key of a loop.
    if (!Object.prototype.hasOwnProperty.call(members, key)) continue;
    last = key;
    const place = at(path, key);
    walk.count(place, key.length + 4, 1);
    const item = members[key];
    const encoded = encode(item, place, walk);
    if (encoded !== item) members[key] = encoded;
  }
  return mayBeTag && last[0] === "$" ? escapeTag(members) : members;
}

function escapeTag(members: JsonObject): JsonObject {
  const key = soleKey(members);
  return key === undefined ? members : { [`$${key}`]: members[key] as Json };
}

/** A method of each class that throws if the object has only its name. */
const probes: Readonly<Record<string, (...args: never[]) => unknown>> = {
  ArrayBuffer: ArrayBuffer.prototype.slice,
  Date: Date.prototype.getTime,
  Map: Map.prototype.keys,
  Set: Set.prototype.keys,
};

/**
 * The name of the class whose direct instance the object is, in any realm, without fields of its own. The object has a
 * prototype. `name` is what it calls itself.
 */
function builtIn(value: object, name: string): string | undefined {
  try {
    Reflect.apply(probes[name] as () => unknown, value, [0, 0]);
    return hasNoClass(Object.getPrototypeOf(value)) && Object.keys(value).length === 0 ? name : undefined;
  } catch {
    return undefined;
  }
}

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value) && value.constructor === Array) return "an array";
  if (typeof value !== "object") return `a ${typeof value}`;
  const name: unknown = (value.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === "string" && name !== "" ? `an instance of ${name}` : "an object of an unknown class";
}

// Data from storage reaches a constructor only through these closed tables.
const viewOf = byName<new (buffer: ArrayBuffer) => unknown>([
  DataView,
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]);
const errorOf = byName([Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]);

function byName<Class extends { readonly name: string }>(classes: readonly Class[]): ReadonlyMap<string, Class> {
  return new Map(classes.map((each) => [each.name, each]));
}

function encodeBytes(kind: string, bytes: Uint8Array, path: Path, walk: Walk): Json {
  walk.count(path, bytes.length * (4 / 3), 0);
  return tag("bytes", kind, toBase64(bytes));
}

function encodeError(error: Error, path: Path, walk: Walk): Json {
  // The stack is not read: it is made when it is read, and throws if a message is not a string.
  const { name: _, message: __, cause: ___, ...enumerable } = error as Error & Record<string, unknown>;
  const { stack: ____, ...rest } = enumerable;
  const fields: Record<string, Json> = {
    name: encodeText(error.name, at(path, "name"), walk),
    message: encodeText(error.message, at(path, "message"), walk),
  };
  if (Object.hasOwn(error, "cause")) fields.cause = encode(error.cause, at(path, "cause"), walk);
  // The one field of a built-in error that is not enumerable.
  const several = Object.hasOwn(error, "errors") ? { errors: (error as AggregateError).errors } : {};
  const own = encodeMembers({ ...rest, ...several }, path, walk);
  if (Object.keys(own).length > 0) fields.fields = own;
  return tag("error", fields);
}

function encodeText(text: unknown, path: Path, walk: Walk): Json {
  if (typeof text === "string") return encode(text, path, walk);
  throw invalidRequest(path, `expected a string, not ${nameOf(text)}`);
}

function decodeTag(parts: Json, path: Path): unknown {
  const wrong = () => invalidRequest(path, `unknown or malformed ${tagKey} tag`);
  if (!Array.isArray(parts)) throw wrong();
  const [kind, body, extra] = parts as readonly Json[];
  switch (kind) {
    case "undefined":
      return undefined;
    case "number":
      if (["-0", "NaN", "Infinity", "-Infinity"].includes(body as string)) return Number(body);
      break;
    case "bigint":
      if (typeof body === "string" && bigintDigits.test(body)) return BigInt(body);
      break;
    case "date": {
      if (body === null) return new Date(Number.NaN);
      const time = typeof body === "string" ? Date.parse(body) : Number.NaN;
      if (!Number.isNaN(time)) return new Date(time);
      break;
    }
    case "map":
      if (Array.isArray(body) && body.every((pair) => Array.isArray(pair) && pair.length === 2)) {
        return new Map(decode(body, path) as [unknown, unknown][]);
      }
      break;
    case "set":
      if (Array.isArray(body)) return new Set(decode(body, path) as unknown[]);
      break;
    case "bytes": {
      const buffer = typeof extra === "string" ? fromBase64(extra) : undefined;
      if (buffer !== undefined && body === "ArrayBuffer") return buffer;
      const View = viewOf.get(body as string);
      if (buffer === undefined || View === undefined) break;
      try {
        return new View(buffer);
      } catch (cause) {
        throw invalidRequest(path, `invalid ${body}: ${buffer.byteLength} bytes are not a whole number of elements`, {
          cause,
        });
      }
    }
    case "error":
      if (isJsonObject(body)) {
        const { name = "Error", message = "" } = body;
        if (typeof name === "string" && typeof message === "string") return decodeError(name, message, body, path);
      }
      break;
  }
  throw wrong();
}

function decodeError(name: string, message: string, fields: JsonObject, path: Path): Error {
  const cause = getOwn(fields, "cause");
  const options = cause === undefined ? undefined : { cause: decode(cause, at(path, "cause")) };
  const error =
    name === "AggregateError"
      ? new AggregateError([], message, options)
      : new (errorOf.get(name) ?? Error)(message, options);
  if (error.name !== name) define(error, "name", name, false);
  const own = getOwn(fields, "fields");
  if (isJsonObject(own)) {
    for (const [key, item] of Object.entries(own)) {
      define(error, key, decode(item, at(path, key)), !Object.hasOwn(error, key));
    }
  }
  return error;
}

/** Of ECMAScript 2026, and several times as fast. Node has it from version 25 on. */
interface NativeBase64 {
  toBase64?(): string;
}
interface NativeBase64Class {
  fromBase64?(text: string): Uint8Array<ArrayBuffer>;
}

function toBase64(bytes: Uint8Array): string {
  const native = (bytes as NativeBase64).toBase64?.();
  if (native !== undefined) return native;
  let binary = "";
  // In slices, since the arguments of a call are bounded. Applied, since spreading asks an iterator for each byte.
  for (let start = 0; start < bytes.length; start += 0x6000) {
    const slice: ArrayLike<number> = bytes.subarray(start, start + 0x6000);
    binary += Reflect.apply(String.fromCharCode, undefined, slice);
  }
  return btoa(binary);
}

function fromBase64(text: string): ArrayBuffer | undefined {
  try {
    const native = (Uint8Array as NativeBase64Class).fromBase64?.(text);
    if (native !== undefined) return native.buffer;
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let place = 0; place < binary.length; place++) bytes[place] = binary.charCodeAt(place);
    return bytes.buffer;
  } catch {
    return undefined;
  }
}
