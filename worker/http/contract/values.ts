import * as v from "valibot";
import { aDuration, type Duration } from "../../../src/duration.ts";
import { isJsonObject, type Json, type JsonObject } from "../../../src/json.ts";

// The schemas from which requests and answers are built. In requests, unknown fields are ignored, and `null` means absent. A
// message says what was expected; `decode` adds what was found.

export const text = v.string("expected a string");
export const textOrNull = v.nullable(text);
export const whole = v.pipe(v.number(), v.integer());

/** Any JSON: a value in its wire form. What JSON cannot express is a `$durable` tag. */
export const jsonValue = v.custom<Json>(() => true);

/** Values by name. `v.record` would drop names such as `__proto__`. */
export const jsonObject = v.custom<JsonObject>(isJsonObject, "expected an object");

/** The ORCA v1 form of a state. The core reads it and reports what is wrong. */
export const state = v.custom<JsonObject>(isJsonObject, "expected an object");

/** 1 to 200 printable ASCII characters. */
export const id = v.pipe(text, v.regex(/^[\x20-\x7e]{1,200}$/, "expected 1 to 200 printable ASCII characters"));

// A URL cannot contain the segments "." and "..", escaped or not.
export const newId = v.pipe(
  text,
  v.regex(/^(?!\.{1,2}$)[\x20-\x7e]{1,200}$/, 'expected 1 to 200 printable ASCII characters other than "." and ".."'),
);

/** The id of a step: its name (any text of 1 to 256 characters), followed by the number of the call if a body calls it again. */
export const stepId = v.pipe(
  text,
  v.minLength(1, "expected 1 to 300 characters"),
  v.maxLength(300, "expected 1 to 300 characters"),
);

/** The checkpoint from which a run continues, or a new run starts. */
export const basis = v.pipe(v.nullish(id), v.description("The id of the checkpoint. Default: the head of the run."));

/** A text that may be absent, with what it means. */
/* @__NO_SIDE_EFFECTS__ */
export function optional<S extends v.GenericSchema<string, string>>(schema: S, description: string) {
  return v.pipe(v.optional(schema), v.description(description));
}

/** In a list: where the next page starts. */
export const nextAfter = optional(text, "The `after` of the next page. Absent on the last page.");

/** A time with its zone. The core checks that there is such a day. */
export const timestamp = v.pipe(
  text,
  v.regex(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/,
    "expected a time in ISO 8601 with its zone, such as 2026-11-30T09:00:00Z",
  ),
);

/** Milliseconds, or text such as `3 days`. */
export const duration = v.custom<Duration>(aDuration[1], `expected ${aDuration[0]}`);

/** The schemas that have a name in the document. */
export const valueSchemas = { Id: id, NewId: newId };

/**
 * An object with more fields. A spread at the top of a module would do the same, but bundlers keep it, and with it the
 * schemas of answers in every app.
 */
/* @__NO_SIDE_EFFECTS__ */
export function extended<A extends v.ObjectEntries, B extends v.ObjectEntries>(fields: A, more: B) {
  return v.object({ ...fields, ...more });
}

/** A number in a query, in decimal digits only. */
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
