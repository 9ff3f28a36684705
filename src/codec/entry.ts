import { parseCheckpointId, parseRunId, type RunId } from "../ids.ts";
import { type Json, type JsonObject, located, present } from "../json.ts";
import { type CheckpointRecord, stateSnapshotRef } from "../record/checkpoint.ts";
import { eventTypes, type NewEvent, type RunEvent } from "../record/event.ts";
import type { EntryRow } from "../store.ts";
import { anyJson, applyDelta, changeOf } from "./delta.ts";
import {
  type Field,
  id,
  list,
  optionalText,
  record,
  requiredText,
  sparse,
  text,
  textList,
  values,
  word,
} from "./fields.ts";
import { bodyFormat, readBody, readStored } from "./run.ts";
import { decodeValue } from "./values.ts";

const checkpointRecord = record<CheckpointRecord>("required", {
  checkpointId: id(parseCheckpointId),
  runId: id(parseRunId),
  stepId: optionalText,
  kind: requiredText,
  createdAt: requiredText,
  pendingWrites: textList,
});

const newEvent = record<NewEvent>("required", {
  type: word(eventTypes),
  at: requiredText,
  payload: values,
});
/** One commit of a run's history. */
export interface Entry {
  readonly revision: number;
  readonly nonce: string;
  readonly traceId?: string;
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: CheckpointRecord;
}

/** All but the revision, which is in the row's key. */
const storedEntry = record<Omit<Entry, "revision">>("required", {
  nonce: text(""),
  traceId: sparse(requiredText),
  events: list(newEvent) as Field<Entry["events"]>,
  checkpoint: sparse(checkpointRecord),
});

/**
 * The body of an entry's row: what its parts have in common, and how it differs from the usual entry with these parts. So
 * what follows from the checkpoint is not written twice: that it was saved, and that its step started and completed.
 */
export function writeEntryBody(value: Omit<Entry, "revision">): string {
  const whole = located("", (path) => storedEntry.write(value, path)) as JsonObject;
  const { nonce, trace_id, ...entry } = whole as JsonObject & EntryJson;
  const { checkpoint, events } = entry;
  const { checkpoint_id, kind, created_at, step_id, run_id } = checkpoint ?? {};
  const [first] = events;
  const { uses, attempt } = first?.payload ?? {};
  const { latency_ms } = events.at(-2)?.payload ?? {};
  const parts = [checkpoint_id, kind, created_at, step_id, uses, attempt, latency_ms, first?.at];
  const common = checkpoint && parts.map((part = null) => part);
  const delta = changeOf(anyJson, usualEntry(run_id as string, common), entry)?.delta;
  return JSON.stringify({ format: bodyFormat, nonce, trace_id, common, delta });
}

interface EntryJson {
  readonly events: readonly { readonly at: string; readonly payload: JsonObject }[];
  readonly checkpoint?: JsonObject;
}

/** Fresh at every call. */
function usualEntry(run_id: string, common: readonly Json[] | undefined): Json {
  if (common === undefined) return { events: [] };
  const [checkpoint_id, kind, created_at, step_id, uses, attempt, latency_ms, at] = common as Json[];
  const event = (type: string, at: unknown, payload: unknown) => ({ type, at, payload });
  const ended = { step_id, uses, status: "completed", attempts: attempt, latency_ms };
  return {
    events: [
      ...(kind === "step_completed"
        ? [event("step.started", at, { step_id, uses, attempt }), event("step.completed", created_at, ended)]
        : []),
      event("checkpoint.saved", created_at, { checkpoint_id, kind }),
    ],
    checkpoint: { checkpoint_id, run_id, step_id, kind, created_at, pending_writes: [] },
  } as Json;
}

/** @throws `corrupt_data`, `unsupported_version`. */
export function readEntry({ runId, revision, body }: EntryRow): Entry {
  return readBody(body, `entry ${revision} of run "${runId}"`, ({ format, common, delta, ...rest }) => {
    const entry = usualEntry(runId, common as readonly Json[] | undefined);
    const whole = delta === undefined ? entry : applyDelta(entry, delta);
    const { nonce, traceId, events, checkpoint } = storedEntry.read({ ...(whole as JsonObject), ...rest }, "");
    return { revision, nonce, events, ...present({ traceId, checkpoint }) };
  });
}

/**
 * A checkpoint's record on the wire, with the reference to its state.
 */
export function writeCheckpointRecord(value: CheckpointRecord): JsonObject {
  return { ...(checkpointRecord.write(value) as JsonObject), state_snapshot_ref: stateSnapshotRef(value) };
}

/**
 * The events of an entry in their order, with their values live.
 *
 * @throws `corrupt_data`.
 */
export function runEvents(runId: RunId, entry: Entry): readonly RunEvent[] {
  const { revision, traceId } = entry;
  return entry.events.map((event, index) => ({
    eventId: `${runId}:${revision}:${index}`,
    eventVersion: 1,
    eventType: event.type,
    occurredAt: event.at,
    runId,
    ...present({ traceId }),
    payload: payloadOf(event, `entry ${revision} of run "${runId}"`),
  }));
}

function payloadOf({ payload }: NewEvent<Json>, place: string): RunEvent["payload"] {
  return readStored(place, () => decodeValue(payload, "payload") as RunEvent["payload"]);
}
