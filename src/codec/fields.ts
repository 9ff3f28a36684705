import { aCount, aFlag, aNumber, aText, aTime, type Kind, oneOf } from "../argument.ts";
import { invalidRequest, shown } from "../errors.ts";
import { at, getOwn, isJsonObject, type Json, type JsonObject, type Path, setOwn } from "../json.ts";
import type { Fields } from "../record/state.ts";
import type { Part } from "./delta.ts";
import { parseEncoded } from "./values.ts";

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

/** User values by name. */
export const values: Field<Fields> = {
  read(json, path) {
    if (json === undefined) return {};
    const fields = expectObject(json as JsonObject, path);
    for (const [key, item] of Object.entries(fields)) parseEncoded(item, at(path, key));
    return fields;
  },
  write: (fields, path) => expectObject(fields, path) as JsonObject,
  map: (fields, path, form) => mapEntries(expectObject(fields, path), (item, key) => form(item, at(path, key))),
};

function expectObject<T extends object>(value: T, path: Path): T {
  if (isJsonObject(value)) return value;
  throw expected(path, "an object", value);
}

/** {@link values} that are required. */
export const requiredValues: Field<Fields> = {
  ...values,
  read: (json, path) => values.read(expectObject(json as JsonObject, path), path),
};

export function list<T>(item: Field<T>): Field<readonly T[]> {
  return {
    read(json, path) {
      if (json === undefined) return [];
      return expectArray(json as readonly Json[], path).map((each, index) => item.read(each, at(path, index)));
    },
    // `Array.from`, not `map`, which passes over the holes of an array.
    write: (items, path) =>
      Array.from(expectArray(items, path), (each, index) => item.write(each, at(path, index)) ?? null),
    map: (items, path, form) =>
      Array.from(expectArray(items, path), (each, index) => item.map(each, at(path, index), form)),
    items: item,
  };
}

function expectArray<T>(items: readonly T[], path: Path): readonly T[] {
  if (Array.isArray(items)) return items;
  throw expected(path, "an array", items);
}

export const valueList = list(value);
export const textList = list(requiredText);

/** Records by keys that users choose. */
export function byKey<T>(item: Field<T>): Field<Readonly<Record<string, T>>> {
  return {
    read(json, path) {
      if (json === undefined) return {};
      return mapEntries(expectObject(json as JsonObject, path), (each, key) => item.read(each, at(path, key)));
    },
    write: (items, path) =>
      mapEntries(expectObject(items, path), (each, key) => item.write(each, at(path, key)) ?? null),
    map: (items, path, form) =>
      mapEntries(expectObject(items, path), (each, key) => item.map(each, at(path, key), form)),
    members: item,
  };
}

function mapEntries<A, B>(record: Readonly<Record<string, A>>, f: (item: A, key: string) => B): Record<string, B> {
  const result: Record<string, B> = {};
  for (const key of Object.keys(record)) setOwn(result, key, f(record[key] as A, key));
  return result;
}

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
      const rest = Object.entries(object).filter(([key]) => !known.has(key));
      if (rest.length > 0) result.unknownFields = values.read(Object.fromEntries(rest), path);
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
  return invalidRequest(path, "an unknown field has the name of a known field");
}

function parts(value: object): { readonly unknownFields?: Fields; readonly [property: string]: unknown } {
  return value as { readonly [property: string]: unknown };
}

// The table has an entry for every property of T, so what was built from the table is a T.
function asRecord<T>(built: Record<string, unknown>): T {
  return built as T;
}
