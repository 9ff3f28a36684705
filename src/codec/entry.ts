import { DurableError } from "../errors.ts";
import { parseCheckpointId, parseRunId, type RunId } from "../ids.ts";
import { type Json, type JsonObject, located, present } from "../json.ts";
import { type CheckpointRecord, stateSnapshotRef } from "../record/checkpoint.ts";
import { eventTypes, type NewEvent, type RunEvent } from "../record/event.ts";
import type { EntryRow } from "../store.ts";
import { id, list, optionalText, record, requiredText, sparse, textList, values, word } from "./fields.ts";
import { bodyFormat, readBody } from "./run.ts";
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
const newEvents = list(newEvent);
const traceIdField = sparse(requiredText);
const sparseCheckpoint = sparse(checkpointRecord);

/** One commit of a run's history. */
export interface Entry {
  readonly revision: number;
  readonly nonce: string;
  readonly traceId?: string;
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: CheckpointRecord;
}

/** The body of an entry's row. */
export function writeEntryBody(entry: Omit<Entry, "revision">): string {
  const { nonce, traceId, events, checkpoint } = entry;
  return JSON.stringify({
    format: bodyFormat,
    nonce,
    trace_id: located("trace_id", (path) => traceIdField.write(traceId, path)),
    events: located("events", (path) => newEvents.write(events as readonly NewEvent[], path)) ?? [],
    checkpoint: located("checkpoint", (path) => sparseCheckpoint.write(checkpoint, path)),
  });
}

/** @throws `corrupt_data`, `unsupported_version`. */
export function readEntry(row: EntryRow): Entry {
  const place = `entry ${row.revision} of run "${row.runId}"`;
  return readBody(row.body, place, ({ nonce, trace_id, events, checkpoint }) => ({
    revision: row.revision,
    nonce: nonce as string,
    events: newEvents.read(events, "events") as readonly NewEvent<Json>[],
    ...present({
      traceId: traceIdField.read(trace_id, "trace_id"),
      checkpoint: sparseCheckpoint.read(checkpoint, "checkpoint"),
    }),
  }));
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
  try {
    return decodeValue(payload, "payload") as RunEvent["payload"];
  } catch (cause) {
    throw new DurableError("corrupt_data", `${place} cannot be read`, { cause });
  }
}
