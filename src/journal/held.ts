import { readEntry } from "../codec/entry.ts";
import { readRunBody } from "../codec/run.ts";
import { readSnapshot, type Snapshot } from "../codec/snapshot.ts";
import { DurableError, notFound } from "../errors.ts";
import type { CheckpointId, RunId } from "../ids.ts";
import type { Json } from "../json.ts";
import type { Checkpoint } from "../record/checkpoint.ts";
import type { RunRow } from "../store.ts";
import type { Held } from "./change.ts";
import type { JournalScope } from "./host.ts";

/** The run, or `undefined` if there is none or it was deleted. */
export async function readRun(scope: JournalScope, runId: RunId): Promise<Held | undefined> {
  const { host, tenant } = scope;
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
export async function getRun(scope: JournalScope, runId: RunId): Promise<Held> {
  return (await readRun(scope, runId)) ?? missingRun(runId);
}

export function missingRun(runId: RunId): never {
  throw notFound("run", `there is no run "${runId}"`);
}

/** A checkpoint as it was read, with its snapshot chain. */
export interface LoadedCheckpoint extends Checkpoint<Json> {
  readonly snapshot: Snapshot;
}

/** @throws `not_found` that names the checkpoint, or its state if only that is missing. */
export async function getCheckpoint(
  scope: JournalScope,
  runId: RunId,
  checkpointId: CheckpointId,
): Promise<LoadedCheckpoint> {
  const { host, tenant } = scope;
  const row = await host.store.getEntry(tenant, runId, checkpointId);
  if (row === undefined) throw notFound("checkpoint", `run "${runId}" has no checkpoint "${checkpointId}"`);
  const place = `checkpoint "${checkpointId}" of run "${runId}"`;
  const record = readEntry(row).checkpoint;
  if (record === undefined) throw new DurableError("corrupt_data", `${place} has no record`);
  const snapshots = await host.store.getSnapshots(tenant, runId, row.keyframe ?? row.revision, row.revision);
  if (snapshots.at(-1)?.revision !== row.revision) throw notFound("state", `the state of ${place} is missing`);
  const snapshot = readSnapshot(snapshots, place);
  return { record, state: snapshot.state, snapshot };
}
