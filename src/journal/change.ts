import type { Snapshot } from "../codec/bodies.ts";
import type { CheckpointId } from "../ids.ts";
import type { Json } from "../json.ts";
import type { CheckpointRecord } from "../record/checkpoint.ts";
import type { NewEvent } from "../record/event.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { ClaimRow, NewClaim, RunRow } from "../store.ts";

/** A run as it was last read or written: the basis of the decision about the next commit. */
export interface Held {
  readonly row: RunRow;
  readonly record: RunRecord<Json>;
}

/**
 * What a decision wants to write. Without events and a checkpoint it leaves no trace in the history, like a heartbeat.
 */
export interface Change {
  readonly record: RunRecord<Json>;
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: NewCheckpoint;
  readonly claims?: readonly NewClaim[];
}

export interface NewCheckpoint {
  readonly kind: string;
  readonly state: ExecutionState<Json>;
  readonly stepId?: string;
  /** Default: a new id. */
  readonly checkpointId?: CheckpointId;
  readonly createdAt?: string;
  readonly pendingWrites?: readonly string[];
  /**
   * The snapshot on which this one is based. Over the run's head it may be a delta; without it, or over another one, it is a
   * keyframe.
   */
  readonly over?: Snapshot;
}

/** A checkpoint as it is stored. */
export interface SavedCheckpoint {
  readonly record: CheckpointRecord;
  readonly snapshot: Snapshot;
}

export type WriteOutcome =
  /** `isLatest` is false if others have changed the run since; `held` includes their changes. */
  | {
      readonly kind: "committed";
      readonly held: Held;
      readonly isLatest: boolean;
      readonly checkpoint?: SavedCheckpoint;
    }
  /** Another commit came first; `held` is the run as it is now. */
  | { readonly kind: "conflict"; readonly held: Held | undefined }
  | { readonly kind: "claimed"; readonly claim: ClaimRow };
