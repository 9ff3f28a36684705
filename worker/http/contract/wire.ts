import { encodeRun, writeCheckpointRecord, writeRun } from "../../../src/codec/bodies.ts";
import { encodeValue } from "../../../src/codec/values.ts";
import type { CurrentRun, RunEvent } from "../../../src/index.ts";
import { type Json, type JsonObject, present } from "../../../src/json.ts";
import type { LiveMessage } from "../../../src/record/event.ts";
import type { LastError, Waiting } from "../../../src/record/waiting.ts";
import type { ChildRun } from "../../../src/runs/children.ts";
import type { LiveEvent } from "../../../src/runs/live.ts";
import type { OutputChunk } from "../../../src/runs/output.ts";
import type { StoredRun } from "../../../src/runs/stored.ts";
import { whyWaiting } from "../../../src/runs/why.ts";
import type {
  Comparison,
  HistoryEntry,
  Lineage,
  LineageNode,
  ListedCheckpoint,
  ListedSkill,
  Run,
} from "../../../src/types.ts";
import type { ComparisonAnswer } from "./checkpoints.ts";
import type {
  ChildPageAnswer,
  HistoryAnswer,
  LineageAnswer,
  LineageNodeAnswer,
  OutputPageAnswer,
  TraceAnswer,
} from "./histories.ts";
import type { CheckpointRecordAnswer, EventAnswer, RunAnswer } from "./records.ts";
import type { SkillListAnswer } from "./service.ts";

// The wire form of the core's records. The core writes it; the functions here add the types of the answers, which tests check
// against the schemas.

export function runAnswer(run: CurrentRun): RunAnswer {
  const { revision, isDamaged } = run;
  const answer = { ...writeRun(encodeRun(run)), ...waitingAnswer(whyWaiting(run)), revision };
  return asAnswer({ ...answer, ...(isDamaged ? { is_damaged: true } : {}) });
}

/** {@link runAnswer} of a run whose values are still encoded. */
export function storedRunAnswer({ run, revision, waiting }: StoredRun): RunAnswer {
  return asAnswer({ ...writeRun(run), ...waitingAnswer(waiting), revision });
}

type WaitingAnswer = Pick<RunAnswer, "waiting_on" | "waiting_for" | "next_at" | "last_error">;

function waitingAnswer(waiting: Waiting | undefined): WaitingAnswer {
  const { on = null, stepId, signal = null, childRunId = null, nextAt = null, lastError } = waiting ?? {};
  return {
    waiting_on: on,
    waiting_for: stepId === undefined ? null : { step_id: stepId, signal, child_run_id: childRunId },
    next_at: nextAt,
    last_error: lastError === undefined ? null : lastErrorAnswer(lastError),
  };
}

function lastErrorAnswer({ code, message, stepId, attempt }: LastError): NonNullable<WaitingAnswer["last_error"]> {
  return { code, message, step_id: stepId, attempt };
}

/** Marks an answer to a call that was already made with the same idempotency key. */
export function replayMark({ isRepeat }: { readonly isRepeat?: boolean }): { idempotent_replay?: true } {
  return isRepeat ? { idempotent_replay: true } : {};
}

export function checkpointRecordAnswer(record: ListedCheckpoint): CheckpointRecordAnswer {
  return asAnswer({ ...writeCheckpointRecord(record), ...(record.isDamaged ? { is_damaged: true } : {}) });
}

export function historyEntryAnswer({
  revision,
  events,
  checkpoint,
  isDamaged,
}: HistoryEntry): HistoryAnswer["history"][number] {
  return {
    revision,
    events: events.map(eventAnswer),
    checkpoint: checkpoint === undefined ? null : checkpointRecordAnswer(checkpoint),
    ...(isDamaged ? { is_damaged: true } : {}),
  };
}

export function eventAnswer(event: RunEvent): EventAnswer {
  return {
    event_id: event.eventId,
    event_version: event.eventVersion,
    event_type: event.eventType,
    occurred_at: event.occurredAt,
    run_id: event.runId,
    trace_id: event.traceId ?? null,
    payload: encodeValue(event.payload, "payload") as JsonObject,
  };
}

/** A live message of a stream: the form in which a notifier carries it. */
export function liveAnswer({ eventType, occurredAt, payload }: LiveEvent): LiveMessage {
  return { type: eventType, at: occurredAt, payload: encodeValue(payload, "payload") as JsonObject };
}

export function outputChunkAnswer({ offset, part, at, chunk }: OutputChunk): OutputPageAnswer["chunks"][number] {
  return { offset, part, at, chunk: encodeValue(chunk, "chunk") };
}

export function lineageAnswer({ run, ancestors, descendants, isMore }: Lineage): LineageAnswer {
  return {
    run: lineageNodeAnswer(run),
    ancestors: ancestors.map(lineageNodeAnswer),
    descendants: descendants.map(lineageNodeAnswer),
    has_more: isMore,
  };
}

function lineageNodeAnswer(node: LineageNode): LineageNodeAnswer {
  const known = node.isMissing ? undefined : node;
  return {
    run_id: node.runId,
    source_run_id: known?.sourceRunId ?? null,
    checkpoint_id: known?.checkpointId ?? null,
    kind: known?.kind ?? null,
    ...present({ parent_run_id: known?.parentRunId, parent_step_id: known?.parentStepId }),
    skill_id: known?.skillId ?? null,
    status: known?.status ?? null,
    created_at: known?.createdAt ?? null,
    ...(node.isMissing ? { is_missing: true } : {}),
  };
}

export function childAnswer(child: ChildRun): ChildPageAnswer["children"][number] {
  const { runId, stepId, isDetached, isMissing, skillId, status, createdAt } = child;
  return {
    run_id: runId,
    step_id: stepId,
    is_detached: isDetached,
    skill_id: skillId ?? null,
    status: status ?? null,
    created_at: createdAt ?? null,
    ...(isMissing ? { is_missing: true } : {}),
  };
}

export function comparisonAnswer(runId: string, { from, to, changes }: Comparison): ComparisonAnswer {
  return { run_id: runId, from: from ?? null, to, changes: [...changes] };
}

export function traceAnswer(
  { runId, traceId, status }: Pick<Run, "runId" | "traceId" | "status">,
  trace: Json | undefined,
): TraceAnswer {
  const { steps, metrics } = trace as unknown as Pick<TraceAnswer, "steps" | "metrics">;
  return { run_id: runId, trace_id: traceId ?? null, status, steps, metrics };
}

export function skillListAnswer(skills: readonly ListedSkill[]): SkillListAnswer {
  return {
    skills: skills.map(({ skillId, versions, description, form, steps }) => ({
      skill_id: skillId,
      versions: [...versions],
      description: description ?? null,
      form,
      ...(steps && { steps: steps.map(({ stepId, dependsOn }) => ({ step_id: stepId, depends_on: [...dependsOn] })) }),
    })),
  };
}

// Tests check every answer against its schema, so what the core writes has the type of the answer.
function asAnswer<T>(json: JsonObject): T {
  return json as T;
}
