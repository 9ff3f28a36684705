import type { Snapshot } from "../codec/snapshot.ts";
import type { CheckpointId } from "../ids.ts";
import type { Json } from "../json.ts";
import type { CheckpointRecord } from "../record/checkpoint.ts";
import type { NewEvent } from "../record/event.ts";
import type { RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import type { ClaimRow, NewClaim, RunRow } from "../store.ts";

/** A run as it was read or written last: what the next commit is decided on. */
export interface Held {
  readonly row: RunRow;
  readonly record: RunRecord<Json>;
}

/** What a decision wants written. No events and no checkpoint leave no trace in the history, as a heartbeat. */
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
  /** A new id where absent. */
  readonly checkpointId?: CheckpointId;
  readonly createdAt?: string;
  readonly pendingWrites?: readonly string[];
  /** The head's snapshot, over which this one may be a delta. Without it, or over another head, it is a keyframe. */
  readonly over?: Snapshot;
}

/** A checkpoint as it stands in the store. */
export interface SavedCheckpoint {
  readonly record: CheckpointRecord;
  readonly snapshot: Snapshot;
}

export type WriteOutcome =
  /** `isLatest` is false where others have changed the run since; `held` has their changes too. */
  | {
      readonly kind: "committed";
      readonly held: Held;
      readonly isLatest: boolean;
      readonly checkpoint?: SavedCheckpoint;
    }
  /** Another commit was first; `held` is the run as it is now. */
  | { readonly kind: "conflict"; readonly held: Held | undefined }
  | { readonly kind: "claimed"; readonly claim: ClaimRow };
