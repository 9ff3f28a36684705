import { isPlainText, readEntry, readSnapshot, type Snapshot } from "../codec/bodies.ts";
import { DurableError, notFound } from "../errors.ts";
import { type CheckpointId, type RunId, randomFraction } from "../ids.ts";
import { type Json, present } from "../json.ts";
import type { Checkpoint } from "../record/checkpoint.ts";
import type { ClaimQuery, ClaimRow } from "../store.ts";
import type { Change, Held, SavedCheckpoint } from "./change.ts";
import { heldRow, write } from "./commit.ts";
import type { JournalScope } from "./host.ts";

const pageSize = 200;

/** The run, or `undefined` if there is none or it was deleted. */
export async function readRun(scope: JournalScope, runId: RunId): Promise<Held | undefined> {
  const { host, tenant } = scope;
  const row = await host.store.getRun(tenant, runId);
  return row === undefined ? undefined : heldRow(row);
}

/** @throws `not_found` that names the run. */
export async function getRun(scope: JournalScope, runId: RunId): Promise<Held> {
  return (await readRun(scope, runId)) ?? missingRun(runId);
}

export function missingRun(runId: RunId): never {
  throw notFound("run", `there is no run "${runId}"`);
}

/** The claims of the run in their order, read page by page. */
export async function* claimsOf(
  { host, tenant }: JournalScope,
  runId: RunId,
  from?: ClaimQuery["after"],
): AsyncGenerator<ClaimRow, void, undefined> {
  for (let after = from; ; ) {
    const page = await host.store.listClaims(tenant, runId, { limit: pageSize, ...present({ after }) });
    yield* page;
    after = page.at(-1);
    if (page.length < pageSize) return;
  }
}

/** A checkpoint as it was read, with its snapshot chain. */
export interface LoadedCheckpoint extends Checkpoint<Json> {
  readonly snapshot: Snapshot;
  /** True if each value in the state stands for itself, so that it need not be decoded. */
  readonly isPlain: boolean;
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
  return { record, state: snapshot.state, snapshot, isPlain: snapshots.every(({ body }) => isPlainText(body)) };
}

/** The answer of a decision, and the change that it wants to write, if any. */
export interface Decided<T> {
  readonly change?: Change;
  readonly answer: T;
}

export interface Changed<T> {
  readonly held: Held;
  readonly answer: T;
  readonly checkpoint?: SavedCheckpoint;
}

const decideTries = 100;

/**
 * Reads a run, decides, commits, and decides again over the new row if another writer came first. That is safe, since
 * deciding changes nothing: a rejected call throws, and then nothing was written.
 *
 * @throws `not_found` if the run is missing, `conflict` if the race goes on for too long.
 */
export async function change<T>(
  scope: JournalScope,
  runId: RunId,
  decide: (held: Held, now: number) => Decided<T> | Promise<Decided<T>>,
): Promise<Changed<T>> {
  const { host } = scope;
  let base = await getRun(scope, runId);
  for (let attempt = 1; attempt <= decideTries; attempt++) {
    const { change, answer } = await decide(base, host.clock.now());
    if (change === undefined) return { held: base, answer };
    const outcome = await write(host, base, change);
    switch (outcome.kind) {
      case "committed":
        return { ...outcome, answer };
      case "claimed":
        throw claimHeld(runId, outcome.claim);
      case "conflict":
        // A row that was read before the pause is stale after it, and then every try would fail while others write.
        await host.clock.sleep(randomFraction(host.random) * Math.min(5 * 2 ** attempt, 500));
        base = await getRun(scope, runId);
    }
  }
  throw changedTooOften(runId);
}

/** A claim that the run needs is held by another run. */
export function claimHeld(runId: string, holder: ClaimRow): DurableError {
  return new DurableError("conflict", `a claim of run "${runId}" is held by run "${holder.runId}"`);
}

/** Others changed the run at each try. */
export function changedTooOften(runId: string): DurableError {
  return new DurableError("conflict", `too many concurrent changes of run "${runId}"`, { retryAfterMs: 1_000 });
}
