import type { CheckpointId, RunId } from "../ids.ts";
import type { ExecutionState } from "./state.ts";

/** Kinds that the runtime writes. Callers who save checkpoints may use others. */
export const checkpointKinds = [
  "run_created",
  "run_started",
  "step_started",
  "step_completed",
  "run_waiting_for_human",
  "waiting_for_signal",
  "run_resumed",
  "run_finished",
  "run_failed",
  "state_edited",
] as const;

/** One of `checkpointKinds`. */
export type CheckpointKind = (typeof checkpointKinds)[number];

/** The record of a checkpoint. It never changes once it is saved. */
export interface CheckpointRecord {
  readonly checkpointId: CheckpointId;
  readonly runId: RunId;
  readonly stepId?: string;
  readonly kind: string;
  readonly createdAt: string;
  readonly pendingWrites: readonly string[];
}

/** A checkpoint as lists and histories show it. */
export interface ListedCheckpoint extends CheckpointRecord {
  /**
   * True if its entry cannot be read, because it is damaged or of a newer version. Only its ids are known: its kind is
   * `damaged`, and its time is that of the run's birth.
   */
  readonly isDamaged?: true;
}

/** A checkpoint with the state from which a run continues. */
export interface Checkpoint<V = unknown> {
  readonly record: CheckpointRecord;
  readonly state: ExecutionState<V>;
}

/**
 * `checkpoint://<run>/<checkpoint>`, the name by which a record refers to its state.
 */
export function stateSnapshotRef(record: Pick<CheckpointRecord, "runId" | "checkpointId">): string {
  return `checkpoint://${record.runId}/${record.checkpointId}`;
}
