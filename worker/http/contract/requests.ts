import * as v from "valibot";
import { type Json, type JsonObject, runStatuses } from "../../../src/index.ts";
import { isJsonObject } from "../../../src/json.ts";
import { roles } from "../auth/caller.ts";

// What requests carry: checked by the routes, described in the OpenAPI document. Fields that are not here are let pass
// and ignored, and `null` is the same as absent. Messages say what was expected; decode.ts adds what was found.

const text = v.string("expected a string");

/** Any JSON, as values travel: what JSON cannot say is a `$durable` tag. */
export const jsonValue = v.custom<Json>(() => true);

/** Values by name. A record of valibot's would drop names such as `__proto__`. */
export const jsonObject = v.custom<JsonObject>(isJsonObject, "expected an object");

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
const stepId = v.pipe(
  text,
  v.minLength(1, "expected 1 to 300 characters"),
  v.maxLength(300, "expected 1 to 300 characters"),
);

/** The ORCA v1 form of a state; the core reads it and names what is wrong. */
export const state = v.custom<JsonObject>(isJsonObject, "expected an object");

/** `POST /v1/skills/{skill_id}/execute/async` */
export const execution = v.object({
  inputs: jsonObject,
  trace_id: v.nullish(id),
  options: v.nullish(jsonObject),
});

/** `POST /v1/run_async` */
export const skillExecution = v.object({
  skill_id: id,
  inputs: v.nullish(jsonObject),
  trace_id: v.nullish(id),
  options: v.nullish(jsonObject),
});

/** `POST /v1/runs` */
export const newRun = v.object({
  skill_id: id,
  skill_version: v.nullish(id),
  run_id: v.nullish(newId),
  inputs: v.nullish(jsonObject),
  trace_id: v.nullish(id),
  thread_id: v.nullish(id),
  session_id: v.nullish(id),
  environment: v.nullish(id),
  metadata: v.nullish(jsonObject),
  start: v.pipe(
    v.nullish(v.boolean("expected a boolean")),
    v.metadata({ default: true, description: "False makes a pending run that executes nothing until it is resumed." }),
  ),
});

/** `POST /v1/runs/{run_id}/resume` */
export const resumption = v.object({
  checkpoint_id: v.pipe(v.nullish(id), v.description("The run's head where absent.")),
});

/** `POST /v1/runs/{run_id}/replay` */
export const descent = v.object({
  ...resumption.entries,
  run_id: v.pipe(v.nullish(newId), v.description("The id of the new run. A generated one where absent.")),
});

/** `POST /v1/runs/{run_id}/fork` */
export const fork = v.object({
  ...descent.entries,
  edit: v.pipe(
    // An object of valibot's may be an array.
    v.nullish(v.intersect([jsonObject, v.object({ inputs: v.nullish(jsonObject), vars: v.nullish(jsonObject) })])),
    v.description("Values that replace those of the same names in the fork's state."),
  ),
});

/** `POST /v1/runs/{run_id}/approve` and `…/deny` */
export const gateDecision = v.object({
  approver: v.nullish(text),
  notes: v.nullish(text),
  step_id: v.pipe(v.nullish(stepId), v.description("The gate of that step. The first gate where absent.")),
});

/** `POST /v1/runs/{run_id}/signal` */
export const newSignal = v.object({ name: id, payload: v.optional(jsonValue) });

/** `POST /v1/runs/{run_id}/checkpoints` */
export const newCheckpoint = v.object({
  checkpoint_id: v.nullish(newId),
  step_id: v.nullish(stepId),
  kind: v.pipe(text, v.nonEmpty("is empty")),
  pending_writes: v.nullish(v.array(text, "expected an array")),
  state,
});

/** `POST /v1/keys` */
export const newApiKey = v.object({
  name: v.pipe(
    text,
    v.regex(/^[ -~\u00a0-\ud7ff\ue000-\uffff]{1,200}$/, "expected 1 to 200 characters, and no control character"),
  ),
  role: v.picklist(roles, `expected one of ${roles.join(", ")}`),
});

/** `GET /v1/runs` */
export const runQuery = v.object({
  status: v.optional(v.picklist(runStatuses, `expected one of ${runStatuses.join(", ")}`)),
  skill_id: v.optional(id),
  source_run_id: v.pipe(v.optional(id), v.description("Replays and forks of this run.")),
  order: v.pipe(
    v.optional(v.picklist(["ascending", "descending"], "expected ascending or descending")),
    v.metadata({ default: "descending", description: "By the time at which the runs were made." }),
  ),
  limit: wholeNumber(1, 500, 100),
  offset: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  cursor: v.pipe(
    v.optional(text),
    v.description("Empty for the first page, and the `next_cursor` of each page for the next."),
  ),
});

/** `GET /v1/runs/{run_id}/events` */
export const eventQuery = v.object({
  after: v.pipe(v.optional(text), v.description("The id of an event, or its place, `<revision>-<index>`.")),
  limit: wholeNumber(1, 500, 100),
});

/** `GET /v1/runs/{run_id}/stream` */
export const streamQuery = v.object({
  after: v.pipe(v.optional(text), v.description("As in the events; the header Last-Event-ID wins.")),
});

/** The most records of a list of checkpoints: clients of the contract, which know no pages, get as many as that at once. */
const maxCheckpoints = 1_000;

/** `GET /v1/runs/{run_id}/checkpoints` */
export const checkpointQuery = v.object({
  after: v.pipe(v.optional(id), v.description("The checkpoint after which the page begins.")),
  limit: wholeNumber(1, maxCheckpoints, maxCheckpoints),
});

/** `GET /v1/runs/{run_id}/checkpoints/{checkpoint_id}/diff` */
export const comparisonQuery = v.object({
  against: v.pipe(v.optional(id), v.description("Another checkpoint of the run. The one before where absent.")),
});

/** `GET /v1/runs/{run_id}/history` */
export const historyQuery = v.object({
  after: wholeNumber(0, Number.MAX_SAFE_INTEGER, 0),
  limit: wholeNumber(1, 500, 100),
});

/** A number in a query, in decimal digits and nothing else. */
function wholeNumber(from: number, to: number, otherwise: number) {
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
