import { readEntry } from "../codec/entry.ts";
import { readRunBody } from "../codec/run.ts";
import { readSnapshot, type Snapshot } from "../codec/snapshot.ts";
import type { Host } from "../engine/host.ts";
import { DurableError, notFound } from "../errors.ts";
import type { CheckpointId, RunId, TenantId } from "../ids.ts";
import type { Json } from "../json.ts";
import type { Checkpoint, CheckpointRecord } from "../record/checkpoint.ts";
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

/** The run, or `undefined` where there is none or it was deleted. */
export async function readRun(host: Host, tenant: TenantId, runId: RunId): Promise<Held | undefined> {
  const row = await host.store.getRun(tenant, runId);
  return row === undefined ? undefined : heldRow(row);
}

/** The run of a row; `undefined` for a tombstone. */
export function heldRow(row: RunRow): Held | undefined {
  if (row.status === undefined) return undefined;
  const { record } = readRunBody(row.body, `run "${row.runId}"`);
  if (record === undefined) throw new DurableError("corrupt_data", `run "${row.runId}" has no record`);
  return { row, record };
}

/** @throws `not_found` that names the run. */
export async function getRun(host: Host, tenant: TenantId, runId: RunId): Promise<Held> {
  return (await readRun(host, tenant, runId)) ?? missingRun(runId);
}

export function missingRun(runId: RunId): never {
  throw notFound("run", `there is no run "${runId}"`);
}

/** A checkpoint as it was read, with what it stands on. */
export interface LoadedCheckpoint extends Checkpoint<Json> {
  readonly snapshot: Snapshot;
}

/** @throws `not_found` that names the checkpoint, or its state where only that is gone. */
export async function getCheckpoint(
  host: Host,
  tenant: TenantId,
  runId: RunId,
  checkpointId: CheckpointId,
): Promise<LoadedCheckpoint> {
  const row = await host.store.getEntry(tenant, runId, checkpointId);
  if (row === undefined) throw notFound("checkpoint", `run "${runId}" has no checkpoint "${checkpointId}"`);
  const place = `checkpoint "${checkpointId}" of run "${runId}"`;
  const record = readEntry(row).checkpoint;
  if (record === undefined) throw new DurableError("corrupt_data", `${place} has no record`);
  const snapshots = await host.store.getSnapshots(tenant, runId, row.keyframe ?? row.revision, row.revision);
  if (snapshots.at(-1)?.revision !== row.revision) throw notFound("state", `the state of ${place} is gone`);
  const snapshot = readSnapshot(snapshots, place);
  return { record, state: snapshot.state, snapshot };
}
