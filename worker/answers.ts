import * as v from "valibot";
import { type ErrorCode, eventTypes, httpStatus, runStatuses } from "../src/index.ts";
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
  v.description("Present where the Idempotency-Key had made this run before."),
);

export const createdRun = v.object({ ...run.pipe[0].entries, idempotent_replay: replayMark });

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
  resume: v.object({ accepted: v.literal(true), mode: v.literal("checkpoint_resume"), checkpoint_id: text }),
});

export const replayedRun = v.object({
  run,
  replay: v.object({
    accepted: v.literal(true),
    mode: v.literal("checkpoint_replay"),
    checkpoint_id: text,
    source_run_id: text,
  }),
});

export const forkedRun = v.object({
  run,
  fork: v.object({
    accepted: v.literal(true),
    mode: v.literal("checkpoint_fork"),
    checkpoint_id: text,
    source_run_id: text,
  }),
});

export const checkpointRecord = v.object({
  checkpoint_id: text,
  run_id: text,
  step_id: textOrNull,
  kind: text,
  created_at: text,
  pending_writes: v.array(text),
  state_snapshot_ref: text,
});

export const checkpointList = v.object({
  run_id: text,
  checkpoints: v.array(checkpointRecord),
  total: v.pipe(v.number(), v.integer()),
  checkpoint_head: textOrNull,
});

export const checkpoint = v.object({ record: checkpointRecord, state });

export const historyPage = v.object({
  run_id: text,
  history: v.array(
    v.object({
      revision: v.pipe(v.number(), v.integer()),
      events: v.array(
        v.object({
          event_id: text,
          event_version: v.literal(1),
          event_type: v.picklist(eventTypes),
          occurred_at: text,
          run_id: text,
          trace_id: textOrNull,
          payload: jsonObject,
        }),
      ),
      checkpoint: v.nullable(checkpointRecord),
    }),
  ),
  pagination: v.object({
    after: v.pipe(v.number(), v.integer()),
    limit: v.pipe(v.number(), v.integer()),
    has_more: v.boolean(),
    next_after: v.optional(v.pipe(v.number(), v.integer())),
  }),
});

const values = v.array(jsonValue);
const texts = v.array(text);
const milliseconds = v.nullable(v.number());

/**
 * A state in the ORCA v1 form, for the document alone: it is the core that reads and writes states. Fields that are not
 * here are kept.
 */
export const executionState = v.pipe(
  v.object({
    _checkpoint_version: v.optional(v.literal(1)),
    skill_id: text,
    inputs: jsonObject,
    vars: v.optional(jsonObject),
    outputs: v.optional(jsonObject),
    step_results: v.pipe(v.optional(jsonObject), v.description("By step id.")),
    written_targets: v.optional(texts),
    events: v.optional(v.array(jsonObject)),
    started_at: v.nullish(text),
    finished_at: v.nullish(text),
    status: v.optional(text),
    trace_id: v.nullish(text),
    frame: v.optional(
      v.object({
        goal: v.optional(jsonValue),
        context: v.optional(jsonObject),
        constraints: v.optional(jsonObject),
        success_criteria: v.optional(jsonObject),
        assumptions: v.optional(values),
        priority: v.optional(jsonValue),
      }),
    ),
    working: v.optional(
      v.object({
        artifacts: v.optional(jsonObject),
        entities: v.optional(values),
        options: v.optional(values),
        criteria: v.optional(values),
        evidence: v.optional(values),
        risks: v.optional(values),
        hypotheses: v.optional(values),
        uncertainties: v.optional(values),
        intermediate_decisions: v.optional(values),
        messages: v.optional(values),
      }),
    ),
    output: v.optional(
      v.object({
        result: v.optional(jsonValue),
        result_type: v.nullish(text),
        summary: v.nullish(text),
        status_reason: v.nullish(text),
      }),
    ),
    trace: v.optional(
      v.object({
        steps: v.optional(
          v.array(
            v.object({
              step_id: v.optional(text),
              capability_id: v.nullish(text),
              status: v.optional(text),
              started_at: v.nullish(text),
              ended_at: v.nullish(text),
              reads: v.optional(texts),
              writes: v.optional(texts),
              latency_ms: v.optional(milliseconds),
            }),
          ),
        ),
        metrics: v.optional(
          v.object({
            step_count: v.optional(v.number()),
            llm_calls: v.optional(v.number()),
            tool_calls: v.optional(v.number()),
            tokens_in: v.optional(v.number()),
            tokens_out: v.optional(v.number()),
            elapsed_ms: v.optional(v.number()),
          }),
        ),
      }),
    ),
    extensions: v.optional(jsonObject),
    state_version: v.pipe(v.optional(text), v.description("Of major version 1.")),
    skill_version: v.nullish(text),
    iteration: v.optional(v.number()),
    current_step: v.nullish(text),
    parent_run_id: v.nullish(text),
    updated_at: v.nullish(text),
  }),
  v.description(
    "Everything a run knows at one checkpoint. Absent fields take their defaults, and unknown ones are kept.",
  ),
);

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
export type CreatedRunAnswer = v.InferOutput<typeof createdRun>;
export type StartedRunAnswer = v.InferOutput<typeof startedRun>;
export type RunListAnswer = v.InferOutput<typeof runList>;
export type ResumedRunAnswer = v.InferOutput<typeof resumedRun>;
export type ReplayedRunAnswer = v.InferOutput<typeof replayedRun>;
export type ForkedRunAnswer = v.InferOutput<typeof forkedRun>;
export type CheckpointRecordAnswer = v.InferOutput<typeof checkpointRecord>;
export type CheckpointListAnswer = v.InferOutput<typeof checkpointList>;
export type CheckpointAnswer = v.InferOutput<typeof checkpoint>;
export type HistoryAnswer = v.InferOutput<typeof historyPage>;
export type FailureAnswer = v.InferOutput<typeof failureAnswer>;
