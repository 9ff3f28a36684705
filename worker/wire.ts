import {
  type Checkpoint,
  type CheckpointRecord,
  encodeRun,
  encodeState,
  encodeValue,
  type HistoryEntry,
  type JsonObject,
  type Run,
  writeCheckpointRecord,
  writeRun,
  writeState,
} from "../src/index.ts";
import type { CheckpointAnswer, CheckpointRecordAnswer, HistoryAnswer, RunAnswer } from "./answers.ts";

// How the core's records look on the wire. The core writes them; here they get the types of the answers, which the
// tests hold against the schemas.

export function runAnswer(run: Run): RunAnswer {
  return asAnswer(writeRun(encodeRun(run)));
}

export function checkpointRecordAnswer(record: CheckpointRecord): CheckpointRecordAnswer {
  return asAnswer(writeCheckpointRecord(record));
}

export function checkpointAnswer({ record, state }: Checkpoint): CheckpointAnswer {
  return { record: checkpointRecordAnswer(record), state: writeState(encodeState(state)) };
}

export function historyEntryAnswer({ revision, events, checkpoint }: HistoryEntry): HistoryAnswer["history"][number] {
  return {
    revision,
    events: events.map((event) => ({
      event_id: event.eventId,
      event_version: event.eventVersion,
      event_type: event.eventType,
      occurred_at: event.occurredAt,
      run_id: event.runId,
      trace_id: event.traceId ?? null,
      payload: encodeValue(event.payload, "payload") as JsonObject,
    })),
    checkpoint: checkpoint === undefined ? null : checkpointRecordAnswer(checkpoint),
  };
}

// The tests hold every answer against its schema, so that what the core writes is of the answer's type.
function asAnswer<T>(json: JsonObject): T {
  return json as T;
}
