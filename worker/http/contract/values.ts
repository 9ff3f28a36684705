import * as v from "valibot";
import type { Json, JsonObject } from "../../../src/codec/index.ts";
import { isJsonObject } from "../../../src/json.ts";

// The schemas of which requests and answers are made. In requests, unknown fields are ignored, and `null` is the same as
// absent. A message says what was expected; `decode` adds what was found.

export const text = v.string("expected a string");
export const textOrNull = v.nullable(text);
export const whole = v.pipe(v.number(), v.integer());

/** Any JSON, as values travel: what JSON cannot say is a `$durable` tag. */
export const jsonValue = v.custom<Json>(() => true);

/** Values by name. A record of valibot's would drop names such as `__proto__`. */
export const jsonObject = v.custom<JsonObject>(isJsonObject, "expected an object");

/** The ORCA v1 form of a state; the core reads it and names what is wrong. */
export const state = v.custom<JsonObject>(isJsonObject, "expected an object");

/** Printable ASCII of 1 to 200 characters. */
export const id = v.pipe(text, v.regex(/^[\x20-\x7e]{1,200}$/, "expected 1 to 200 characters of printable ASCII"));

// A URL cannot name the segments "." and "..", escaped or not.
export const newId = v.pipe(
  text,
  v.regex(
    /^(?!\.{1,2}$)[\x20-\x7e]{1,200}$/,
    'expected 1 to 200 characters of printable ASCII other than "." and ".."',
  ),
);

/** The id of a step: its name, which is any text of 1 to 256 characters, and the number of its call where a body calls it again. */
export const stepId = v.pipe(
  text,
  v.minLength(1, "expected 1 to 300 characters"),
  v.maxLength(300, "expected 1 to 300 characters"),
);

/** The checkpoint on which a continuation or a descendant stands. */
export const basis = v.pipe(v.nullish(id), v.description("The run's head where absent."));

/** Those that have a name in the document. */
export const valueSchemas = { Id: id, NewId: newId };

/**
 * An object with further fields. A spread would do, but bundlers keep one at the top of a module, and with it in every app the
 * schemas of answers.
 */
/* @__NO_SIDE_EFFECTS__ */
export function extended<A extends v.ObjectEntries, B extends v.ObjectEntries>(fields: A, more: B) {
  return v.object({ ...fields, ...more });
}

/** A number in a query, in decimal digits and nothing else. */
export function wholeNumber(from: number, to: number, otherwise: number) {
  const problem = `expected a whole number from ${from} to ${to}`;
  return v.pipe(
    v.optional(v.string(), String(otherwise)),
    v.regex(/^\d{1,16}$/, problem),
    v.transform(Number),
    v.number(),
    v.minValue(from, problem),
    v.maxValue(to, problem),
    v.metadata({ type: "integer", default: otherwise }),
  );
}
