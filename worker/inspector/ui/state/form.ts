import type { Json, JsonObject } from "./wire.ts";

/** A field with an invalid value. */
export class FieldError extends Error {
  override readonly name: string;

  constructor(name: string, message: string) {
    super(message);
    this.name = name;
  }
}

/**
 * The JSON of a field. An empty field is an empty object.
 *
 * @throws FieldError if it is not valid.
 */
export function jsonOf(data: FormData, name: string): Json {
  const text = fieldText(data, name).trim();
  if (text === "") return {};
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new FieldError(name, `Invalid JSON: ${error instanceof Error ? error.message : error}`);
  }
}

/**
 * The JSON object of a field.
 *
 * @throws FieldError if it is not valid.
 */
export function jsonObjectOf(data: FormData, name: string): JsonObject {
  const value = jsonOf(data, name);
  if (isObject(value)) return value;
  throw new FieldError(name, 'Expected a JSON object, such as { "name": 1 }.');
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text of a field, unchanged. */
export function fieldText(data: FormData, name: string): string {
  return String(data.get(name) ?? "");
}

/** The field under its name, unless it is empty. */
export function optional<Name extends string>(data: FormData, name: Name): { readonly [Field in Name]?: string } {
  const text = fieldText(data, name).trim();
  return (text === "" ? {} : { [name]: text }) as { [Field in Name]?: string };
}

export function pretty(value: Json): string {
  return JSON.stringify(value, null, 2);
}
