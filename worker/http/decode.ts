import * as v from "valibot";
import { invalidRequest } from "../../src/errors.ts";
import { decodeValue, type Json, type JsonObject } from "../../src/index.ts";
import { at } from "../../src/json.ts";

/** A schema of something that a request carries. */
export type RequestSchema = v.GenericSchema<unknown, unknown>;

/**
 * The input as its schema gives it back.
 *
 * @throws `invalid_request` that names the place of the first fault, and never repeats what stands there.
 */
export function decode<S extends RequestSchema>(schema: S, input: unknown, path = ""): v.InferOutput<S> {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const place = (issue.path ?? []).reduce((place, { key }) => at(place, key as string | number), path);
  if (issue.input === undefined) throw invalidRequest(place, "is missing");
  // What a list of words does not have is told by the list; any other schema is one of a JSON type.
  const isOfType = issue.kind === "schema" && issue.type !== "picklist";
  throw invalidRequest(place, isOfType ? `${issue.message}, not ${nameOf(issue.input)}` : issue.message);
}

/** What JSON calls a value. */
export function nameOf(json: unknown): string {
  if (json === null) return "null";
  if (Array.isArray(json)) return "an array";
  return typeof json === "object" ? "an object" : `a ${typeof json}`;
}

/**
 * Values by name, live: each is encoded for itself, as in a state's `inputs`, so that a field may be called anything.
 *
 * @throws `invalid_request` that names the path of a malformed tag.
 */
export function decodeFields(json: JsonObject, path: string): Readonly<Record<string, unknown>> {
  const entries = Object.entries(json).map(([key, item]) => [key, decodeValue(item as Json, at(path, key))] as const);
  // fromEntries defines properties, so an own `__proto__` stays data.
  return Object.fromEntries(entries);
}

/** Fields without those that were not given: absent is `null` on the wire, and left out in code. */
export function given<T extends object>(fields: T): { readonly [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return asGiven<T>(Object.fromEntries(entries));
}

// What is left of T once its nulls are gone is T without them.
function asGiven<T>(fields: object): { readonly [K in keyof T]?: NonNullable<T[K]> } {
  return fields as { readonly [K in keyof T]?: NonNullable<T[K]> };
}
