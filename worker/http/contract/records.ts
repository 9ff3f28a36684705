import * as v from "valibot";
import { type ErrorCode, httpStatus } from "../../../src/errors.ts";
import { damagedEntry, eventTypes } from "../../../src/record/event.ts";
import { runStatuses } from "../../../src/record/run.ts";
import { waitingOns } from "../../../src/record/waiting.ts";
import { extended, jsonObject, jsonValue, optional, text, textOrNull, whole } from "./values.ts";

// Answers that several families of routes share. An app does not bundle these schemas: a route imports the types only, and a
// test checks every answer against its schema.

const approvalRequest = v.object({
  step_id: text,
  capability_id: v.pipe(textOrNull, v.description("The capability that the step would call. Null if it calls none.")),
  // Any JSON. With the type `Json`, which is recursive, the declaration would be too deep for a compiler.
  show: v.optional(
    v.pipe(v.unknown(), v.description("What the step shows to the person who decides, if it shows something.")),
  ),
  status: v.picklist(["pending", "approved", "denied"]),
  requested_at: text,
  approver: textOrNull,
  notes: textOrNull,
  decided_at: textOrNull,
});

const runError = v.object({ code: text, message: text, step_id: textOrNull });

const waitingFor = v.object({
  step_id: text,
  signal: v.pipe(textOrNull, v.description("The name of the signal.")),
  child_run_id: v.pipe(textOrNull, v.description("The child run whose end the step waits for.")),
});

const lastError = v.object({
  code: text,
  message: v.pipe(text, v.description("Cut after 200 characters. The event `step.retry_scheduled` has all of it.")),
  step_id: text,
  attempt: v.pipe(whole, v.description("The attempt that failed, 1 for the first.")),
});

export const parentRunId = optional(text, "Present if a step of that run started this one as its child.");
export const parentStepId = optional(text, "The step of the parent.");

const runFields = {
  run_id: text,
  thread_id: textOrNull,
  session_id: textOrNull,
  skill_id: text,
  skill_version: textOrNull,
  status: v.picklist(runStatuses),
  trace_id: textOrNull,
  created_at: text,
  started_at: textOrNull,
  finished_at: textOrNull,
  current_step_id: textOrNull,
  checkpoint_head: textOrNull,
  resume_from_checkpoint_id: textOrNull,
  tenant_id: textOrNull,
  environment: textOrNull,
  policy_snapshot_id: textOrNull,
  parent_run_id: parentRunId,
  parent_step_id: parentStepId,
  versions: jsonObject,
  metadata: jsonObject,
  approval_request: v.nullable(approvalRequest),
  result: v.pipe(jsonValue, v.description("Null until the run completes. In lists it is also null if it is large.")),
  error: v.nullable(runError),
  waiting_on: v.pipe(
    v.nullable(v.picklist(waitingOns)),
    v.description(
      "Why the run does not go on at this moment. `executing`: an executor has it, or the next one takes it. `unserved`: no executor has its skill, or can read its state. Null if the run has ended, or waits for an explicit start.",
    ),
  ),
  waiting_for: v.pipe(v.nullable(waitingFor), v.description("The step that waits. Null if none does.")),
  next_at: v.pipe(
    textOrNull,
    v.description(
      "When an executor looks at the run next, if nothing happens before: the nearest end of a wait, the next look at an unserved run, or the end of the lease. If it is in the past, no executor serves what is due.",
    ),
  ),
  last_error: v.pipe(
    v.nullable(lastError),
    v.description("The error of the last attempt at a step that is tried again. Null once that step has settled."),
  ),
  revision: v.pipe(
    whole,
    v.description(
      "Of its last history entry: the number in its ETag. Heartbeats do not change it, and `waiting_on` and `next_at` can change without it.",
    ),
  ),
  is_damaged: v.pipe(
    v.optional(v.literal(true)),
    v.description("Present in lists if the stored run cannot be read. Only its ids, status and time are known then."),
  ),
};

export const run = v.pipe(v.object(runFields), v.description("One execution of a skill. Times are ISO 8601 in UTC."));
/** A run on the wire. */
export type RunAnswer = v.InferOutput<typeof run>;

export const replayMark = v.pipe(
  v.optional(v.literal(true)),
  v.description(
    "Present if an earlier call with the same Idempotency-Key did the work, so that this call changed nothing.",
  ),
);

export const markedRun = extended(runFields, { idempotent_replay: replayMark });
export type MarkedRunAnswer = v.InferOutput<typeof markedRun>;

/**
 * The part of an answer that says how a run continues, or where a new one starts.
 */
/* @__NO_SIDE_EFFECTS__ */
export function accepted<const Mode extends string, More extends v.ObjectEntries>(mode: Mode, more: More) {
  return extended({ accepted: v.literal(true), mode: v.literal(mode), checkpoint_id: text }, more);
}

export const damageMark = v.pipe(
  v.optional(v.literal(true)),
  v.description("Present if the stored entry cannot be read. Only its ids are known."),
);

export const checkpointRecord = v.object({
  checkpoint_id: text,
  run_id: text,
  step_id: textOrNull,
  kind: text,
  created_at: text,
  pending_writes: v.array(text),
  state_snapshot_ref: text,
  is_damaged: damageMark,
});
export type CheckpointRecordAnswer = v.InferOutput<typeof checkpointRecord>;

export const runEvent = v.object({
  event_id: v.pipe(text, v.description("`<run id>:<revision>:<index>`.")),
  event_version: v.literal(1),
  event_type: v.pipe(
    v.picklist([...eventTypes, damagedEntry]),
    v.description(
      "`entry.damaged` replaces the events of an entry that cannot be read. Its payload has a `code` and a `message`.",
    ),
  ),
  occurred_at: text,
  run_id: text,
  trace_id: textOrNull,
  payload: jsonObject,
});
/** An event on the wire. */
export type EventAnswer = v.InferOutput<typeof runEvent>;

export const failureAnswer = v.object({
  error: v.object({
    code: v.picklist(Object.keys(httpStatus) as ErrorCode[]),
    message: text,
    type: text,
    status: whole,
    hint: v.optional(text),
    path: v.pipe(v.optional(text), v.description("The place in the request at which the fault is.")),
    missing: v.pipe(
      v.optional(v.picklist(["run", "checkpoint", "state", "skill", "capability"])),
      v.description("What a `not_found` did not find."),
    ),
  }),
  trace_id: text,
});
export type FailureAnswer = v.InferOutput<typeof failureAnswer>;

/** The schemas that have a name in the document. */
export const recordSchemas = {
  Run: run,
  MarkedRun: markedRun,
  Event: runEvent,
  CheckpointRecord: checkpointRecord,
  Failure: failureAnswer,
};
