import { type CheckpointRecord, stateSnapshotRef } from "../checkpoint.ts";
import { eventTypes, type NewEvent, type RunEvent } from "../event.ts";
import { parseCheckpointId, parseRunId, type RunId } from "../ids.ts";
import type { Json, JsonObject } from "../json.ts";
import { present } from "../present.ts";
import type { EntryRow } from "../store.ts";
import { id, list, optionalText, record, requiredText, textList, values, word } from "./fields.ts";
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

/** One remembered commit of a run. */
export interface Entry {
  readonly revision: number;
  readonly nonce: string;
  readonly traceId?: string;
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: CheckpointRecord;
}

/** The body of an entry's row. */
export function writeEntryBody(entry: Omit<Entry, "revision">): string {
  return JSON.stringify({
    format: bodyFormat,
    nonce: entry.nonce,
    trace_id: entry.traceId,
    events: newEvents.write(entry.events as readonly NewEvent[]) ?? [],
    checkpoint: entry.checkpoint === undefined ? undefined : checkpointRecord.write(entry.checkpoint),
  });
}

/** @throws `corrupt_data`, `unsupported_version`. */
export function readEntry(row: EntryRow): Entry {
  const place = `entry ${row.revision} of run "${row.runId}"`;
  return readBody(row.body, place, ({ nonce, trace_id, events, checkpoint }) => ({
    revision: row.revision,
    nonce: nonce as string,
    ...(trace_id === undefined ? {} : { traceId: trace_id as string }),
    events: newEvents.read(events, "events") as readonly NewEvent<Json>[],
    ...(checkpoint === undefined ? {} : { checkpoint: checkpointRecord.read(checkpoint, "checkpoint") }),
  }));
}

/** A checkpoint's record on the wire, with the reference to its state. */
export function writeCheckpointRecord(value: CheckpointRecord): JsonObject {
  return { ...(checkpointRecord.write(value) as JsonObject), state_snapshot_ref: stateSnapshotRef(value) };
}

/** The events of an entry in their order, as everybody sees them. */
export function runEvents(runId: RunId, entry: Entry): readonly RunEvent[] {
  return entry.events.map((event, index) => ({
    eventId: `${runId}:${entry.revision}:${index}`,
    eventVersion: 1,
    eventType: event.type,
    occurredAt: event.at,
    runId,
    ...present({ traceId: entry.traceId }),
    payload: decodeValue(event.payload, "payload") as RunEvent["payload"],
  }));
}
