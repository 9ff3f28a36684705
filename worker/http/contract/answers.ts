import * as v from "valibot";
import { type ErrorCode, eventTypes, httpStatus, runStatuses } from "../../../src/index.ts";
import { damagedEntry } from "../../../src/record/event.ts";
import { roles } from "../auth/caller.ts";
import { jsonObject, jsonValue, state } from "./requests.ts";

// What the routes answer: their types, and the OpenAPI document's schemas. The routes import the types alone, so that
// no schema of an answer is in the app; the tests hold every answer against its schema.

const text = v.string();
const textOrNull = v.nullable(text);

export const health = v.object({ status: v.literal("ok") });

const approvalRequest = v.object({
  step_id: text,
  capability_id: textOrNull,
  status: v.picklist(["pending", "approved", "denied"]),
  requested_at: text,
  approver: textOrNull,
  notes: textOrNull,
  decided_at: textOrNull,
});

const runError = v.object({ code: text, message: text, step_id: textOrNull });

export const run = v.pipe(
  v.object({
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
    versions: jsonObject,
    metadata: jsonObject,
    approval_request: v.nullable(approvalRequest),
    result: v.pipe(jsonValue, v.description("Null until the run completed; in lists also where it is large.")),
    error: v.nullable(runError),
  }),
  v.description("One execution of a skill. Times are ISO-8601 in UTC."),
);

const replayMark = v.pipe(
  v.optional(v.literal(true)),
  v.description(
    "Present where an earlier call with the same Idempotency-Key had done this, and this one changed nothing.",
  ),
);

export const markedRun = v.object({ ...run.pipe[0].entries, idempotent_replay: replayMark });

export const startedRun = v.object({
  run_id: text,
  skill_id: text,
  status: v.picklist(runStatuses),
  trace_id: textOrNull,
  checkpoint_head: textOrNull,
  idempotent_replay: replayMark,
});

export const runList = v.object({
  runs: v.array(run),
  pagination: v.object({
    offset: v.pipe(v.number(), v.integer()),
    limit: v.pipe(v.number(), v.integer()),
    total: v.pipe(v.number(), v.integer()),
    has_more: v.boolean(),
    next_offset: v.optional(v.pipe(v.number(), v.integer())),
  }),
});

export const resumedRun = v.object({
  run,
  idempotent_replay: replayMark,
  resume: v.object({ accepted: v.literal(true), mode: v.literal("checkpoint_resume"), checkpoint_id: text }),
});

export const replayedRun = v.object({
  run,
  idempotent_replay: replayMark,
  replay: v.object({
    accepted: v.literal(true),
    mode: v.literal("checkpoint_replay"),
    checkpoint_id: text,
    source_run_id: text,
  }),
});

export const forkedRun = v.object({
  run,
  idempotent_replay: replayMark,
  fork: v.object({
    accepted: v.literal(true),
    mode: v.literal("checkpoint_fork"),
    checkpoint_id: text,
    source_run_id: text,
  }),
});

const damageMark = v.pipe(
  v.optional(v.literal(true)),
  v.description("Present where the stored entry cannot be read: the ids are what is known of it."),
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

export const checkpointList = v.object({
  run_id: text,
  checkpoints: v.array(checkpointRecord),
  total: v.pipe(v.number(), v.integer()),
  checkpoint_head: textOrNull,
  next_after: v.pipe(v.optional(text), v.description("The `after` of the next page; absent on the last.")),
});

export const checkpoint = v.object({ record: checkpointRecord, state });

export const runEvent = v.object({
  event_id: v.pipe(text, v.description("`<run id>:<revision>:<index>`.")),
  event_version: v.literal(1),
  event_type: v.pipe(
    v.picklist([...eventTypes, damagedEntry]),
    v.description("`entry.damaged` stands for an entry that cannot be read; its payload has a `code` and a `message`."),
  ),
  occurred_at: text,
  run_id: text,
  trace_id: textOrNull,
  payload: jsonObject,
});

export const historyPage = v.object({
  run_id: text,
  history: v.array(
    v.object({
      revision: v.pipe(v.number(), v.integer()),
      events: v.array(runEvent),
      checkpoint: v.nullable(checkpointRecord),
      is_damaged: damageMark,
    }),
  ),
  pagination: v.object({
    after: v.pipe(v.number(), v.integer()),
    limit: v.pipe(v.number(), v.integer()),
    has_more: v.boolean(),
    next_after: v.optional(v.pipe(v.number(), v.integer())),
  }),
});

export const whoami = v.object({ tenant: text, role: v.picklist(roles) });

const apiKey = v.object({
  key_id: text,
  name: text,
  role: v.picklist(roles),
  tenant: text,
  created_at: text,
  revoked_at: textOrNull,
  hint: v.pipe(text, v.description("The end of the key.")),
});

export const apiKeyList = v.object({ keys: v.array(apiKey) });

export const issuedApiKey = v.object({ ...apiKey.entries, key: v.pipe(text, v.description("Shown this once.")) });

export const failureAnswer = v.object({
  error: v.object({
    code: v.picklist(Object.keys(httpStatus) as ErrorCode[]),
    message: text,
    type: text,
    status: v.pipe(v.number(), v.integer()),
    hint: v.optional(text),
  }),
  trace_id: text,
});

export type HealthAnswer = v.InferOutput<typeof health>;
export type RunAnswer = v.InferOutput<typeof run>;
export type MarkedRunAnswer = v.InferOutput<typeof markedRun>;
export type StartedRunAnswer = v.InferOutput<typeof startedRun>;
export type RunListAnswer = v.InferOutput<typeof runList>;
export type ResumedRunAnswer = v.InferOutput<typeof resumedRun>;
export type ReplayedRunAnswer = v.InferOutput<typeof replayedRun>;
export type ForkedRunAnswer = v.InferOutput<typeof forkedRun>;
export type CheckpointRecordAnswer = v.InferOutput<typeof checkpointRecord>;
export type CheckpointListAnswer = v.InferOutput<typeof checkpointList>;
export type CheckpointAnswer = v.InferOutput<typeof checkpoint>;
export type EventAnswer = v.InferOutput<typeof runEvent>;
export type HistoryAnswer = v.InferOutput<typeof historyPage>;
export type WhoamiAnswer = v.InferOutput<typeof whoami>;
export type KeyAnswer = v.InferOutput<typeof apiKey>;
export type KeyListAnswer = v.InferOutput<typeof apiKeyList>;
export type IssuedKeyAnswer = v.InferOutput<typeof issuedApiKey>;
export type FailureAnswer = v.InferOutput<typeof failureAnswer>;
