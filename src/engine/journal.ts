import type { Checkpoint, CheckpointRecord } from "../checkpoint.ts";
import { readEntry, writeEntryBody } from "../codec/entry.ts";
import { readRunBody, writeRunBody } from "../codec/run.ts";
import { readSnapshots, writeKeyframe } from "../codec/snapshot.ts";
import { DurableError, type ErrorCode, isDurableError, notFound } from "../errors.ts";
import type { NewEvent } from "../event.ts";
import type { ExecutionState } from "../execution-state.ts";
import { type CheckpointId, newCheckpointId, type RunId, randomHex, type TenantId } from "../ids.ts";
import { type Json, utf8Length } from "../json.ts";
import { sourceRunId } from "../lineage.ts";
import { dueAt, type RunRecord } from "../run.ts";
import { type ClaimRow, type Commit, maxRowBytes, type NewClaim, type RunRow } from "../store.ts";
import { type Host, isoTime, randomFraction } from "./host.ts";

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
}

export type WriteOutcome =
  | { readonly kind: "committed"; readonly held: Held; readonly checkpoint?: CheckpointRecord }
  /** Somebody else was first; `held` is the run as it is now. */
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
  return record === undefined ? undefined : { row, record };
}

/** @throws `not_found` that names the run. */
export async function getRun(host: Host, tenant: TenantId, runId: RunId): Promise<Held> {
  return (await readRun(host, tenant, runId)) ?? missingRun(runId);
}

export function missingRun(runId: RunId): never {
  throw notFound("run", `there is no run "${runId}"`);
}

/** @throws `not_found` that names the checkpoint, or its state where only that is gone. */
export async function getCheckpoint(
  host: Host,
  tenant: TenantId,
  runId: RunId,
  checkpointId: CheckpointId,
): Promise<Checkpoint<Json>> {
  const row = await host.store.getEntry(tenant, runId, checkpointId);
  if (row === undefined) throw notFound("checkpoint", `run "${runId}" has no checkpoint "${checkpointId}"`);
  const place = `checkpoint "${checkpointId}" of run "${runId}"`;
  const record = readEntry(row).checkpoint;
  if (record === undefined) throw new DurableError("corrupt_data", `${place} has no record`);
  const snapshots = await host.store.getSnapshots(tenant, runId, row.keyframe ?? row.revision, row.revision);
  if (snapshots.at(-1)?.revision !== row.revision) throw notFound("state", `the state of ${place} is gone`);
  return { record, state: readSnapshots(snapshots, place) };
}

/** Commit errors after which nothing was written for certain; any other leaves the outcome open. */
const certain: readonly ErrorCode[] = ["too_large", "quota_exceeded", "store_blocked", "invalid_request"];
const storeTries = 3;

/**
 * One commit over `base`, or the birth of a run where there is none. A commit whose answer was lost is recognised by
 * its nonce, so that no change is made twice and none is reported lost that was made.
 *
 * @throws `too_large` before anything is written; `store_failed` where the medium keeps failing.
 */
export async function write(host: Host, base: Held | undefined, change: Change): Promise<WriteOutcome> {
  await host.ready;
  const outcome = await commit(host, base, change);
  if (outcome.kind === "committed") {
    const { tenant, runId } = outcome.held.row;
    host.notifier.notify({ tenant, runId });
  }
  return outcome;
}

async function commit(host: Host, base: Held | undefined, change: Change): Promise<WriteOutcome> {
  const nonce = randomHex(host.random, 12);
  const { commit: write, record, checkpoint } = encode(host, base, change, nonce);
  const { tenant, runId } = write.run;
  const committed: WriteOutcome = {
    kind: "committed",
    held: { row: write.run, record },
    ...(checkpoint === undefined ? {} : { checkpoint }),
  };
  let failure: unknown;
  let refusal: WriteOutcome | undefined;
  for (let attempt = 0; attempt < storeTries; attempt++) {
    if (attempt > 0) await host.clock.sleep(20 * 4 ** attempt);
    try {
      const outcome = await host.store.commit(write);
      if (outcome.kind === "committed") return committed;
      refusal = outcome.kind === "claimed" ? outcome : undefined;
      if (refusal !== undefined && failure === undefined) return refusal;
    } catch (error) {
      if (certain.some((code) => isDurableError(error, code))) throw error;
      failure = error;
    }
    const row = await readBack(host, tenant, runId, failure);
    if (row !== undefined && row.revision >= write.run.revision) {
      if (isOwnRow(row, nonce)) return committed;
      if (await isOwnEntry(host, write.run, nonce)) return { ...committed, held: heldRow(row) ?? committed.held };
      return refusal ?? { kind: "conflict", held: heldRow(row) };
    }
    if (refusal !== undefined) return refusal;
    // Without a failure in between, the row that refused ours has gone back: the medium breaks its contract.
    if (failure === undefined) return { kind: "conflict", held: row && heldRow(row) };
  }
  throw new DurableError("store_failed", `run "${runId}" could not be written`, { cause: failure });
}

async function readBack(host: Host, tenant: string, runId: string, failure: unknown): Promise<RunRow | undefined> {
  try {
    return await host.store.getRun(tenant, runId);
  } catch (cause) {
    if (failure === undefined) throw cause;
    throw new DurableError("store_failed", `the outcome of a write to run "${runId}" is unknown`, { cause: failure });
  }
}

function isOwnRow(row: RunRow, nonce: string): boolean {
  return readRunBody(row.body, `run "${row.runId}"`).nonce === nonce;
}

async function isOwnEntry(host: Host, { tenant, runId, revision }: RunRow, nonce: string): Promise<boolean> {
  const [entry] = await host.store.listEntries(tenant, runId, { after: revision - 1, limit: 1 });
  return entry?.revision === revision && readEntry(entry).nonce === nonce;
}

function encode(host: Host, base: Held | undefined, change: Change, nonce: string) {
  const now = host.clock.now();
  const revision = (base?.row.revision ?? 0) + 1;
  const checkpoint = change.checkpoint && checkpointRecord(host, change.record, change.checkpoint, now);
  const saved: NewEvent<Json>[] = [];
  if (checkpoint !== undefined) {
    const payload = { checkpoint_id: checkpoint.checkpointId, kind: checkpoint.kind };
    saved.push({ type: "checkpoint.saved", at: isoTime(now), payload });
  }
  const events = [...change.events, ...saved];
  const isRemembered = events.length > 0;
  const { run, ...rest } = change.record;
  const record: RunRecord<Json> = withoutLargeResult({
    ...rest,
    run: checkpoint === undefined ? run : { ...run, checkpointHead: checkpoint.checkpointId },
    ...(isRemembered ? { entryRevision: revision } : {}),
    ...(checkpoint === undefined
      ? {}
      : { headRevision: revision, checkpointCount: rest.checkpointCount + 1, recoveries: 0 }),
  });
  const { tenantId: tenant = "", runId, traceId } = run;
  const entryBody = writeEntryBody({
    nonce,
    events,
    ...(traceId === undefined ? {} : { traceId }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
  });
  const due = dueAt(record);
  const source = sourceRunId(run);
  const row: RunRow = {
    tenant,
    runId,
    revision,
    createdAt: base?.row.createdAt ?? Date.parse(run.createdAt),
    status: run.status,
    skillId: run.skillId,
    ...(source === undefined ? {} : { sourceRunId: source }),
    ...(due === undefined ? {} : { dueAt: due }),
    body: writeRunBody(nonce, record),
  };
  checkSize(row.body, `run "${runId}"`);
  checkSize(entryBody, `a history entry of run "${runId}"`);
  const commit: Commit = {
    run: row,
    now,
    ...(change.claims === undefined ? {} : { claims: change.claims }),
    ...(isRemembered
      ? {
          entry: {
            body: entryBody,
            ...(checkpoint === undefined || change.checkpoint === undefined
              ? {}
              : {
                  checkpointId: checkpoint.checkpointId,
                  keyframe: revision,
                  snapshot: writeKeyframe(change.checkpoint.state),
                }),
          },
        }
      : {}),
  };
  return { commit, record, checkpoint };
}

const maxResultLength = 64 * 1024;

function withoutLargeResult(record: RunRecord<Json>): RunRecord<Json> {
  const { isResultInHead: _, ...rest } = record;
  if (record.run.status !== "completed" || record.isResultInHead) return record;
  if (JSON.stringify(record.run.result).length <= maxResultLength) return rest;
  return { ...rest, run: { ...record.run, result: null }, isResultInHead: true };
}

function checkpointRecord(
  host: Host,
  { run }: RunRecord<Json>,
  checkpoint: NewCheckpoint,
  now: number,
): CheckpointRecord {
  const { checkpointId, stepId, kind, createdAt, pendingWrites } = checkpoint;
  return {
    checkpointId: checkpointId ?? newCheckpointId(host.random),
    runId: run.runId,
    ...(stepId === undefined ? {} : { stepId }),
    kind,
    createdAt: createdAt ?? isoTime(now),
    pendingWrites: pendingWrites ?? [],
  };
}

function checkSize(body: string, what: string): void {
  // A UTF-16 unit is at most 3 bytes of UTF-8, so that a short body need not be counted.
  if (body.length * 3 <= maxRowBytes) return;
  const size = utf8Length(body);
  if (size <= maxRowBytes) return;
  throw new DurableError("too_large", `${what} would take ${size} bytes; at most ${maxRowBytes} fit`, {
    hint: "put large data into inputs or step results, which are kept in checkpoints",
  });
}

/** What a decision answers, with what it wants written, if anything. */
export interface Decided<T> {
  readonly change?: Change;
  readonly answer: T;
}

export interface Changed<T> {
  readonly held: Held;
  readonly answer: T;
  readonly checkpoint?: CheckpointRecord;
}

const decideTries = 100;

/**
 * Reads a run, decides, commits, and decides again over the new row where somebody else was first. That is safe since
 * deciding changes nothing: a refusal is thrown, and then nothing was written.
 *
 * @throws `not_found` where the run is missing, `conflict` where the race goes on for too long.
 */
export async function change<T>(
  host: Host,
  tenant: TenantId,
  runId: RunId,
  decide: (held: Held, now: number) => Decided<T> | Promise<Decided<T>>,
): Promise<Changed<T>> {
  let base: Held | undefined = await getRun(host, tenant, runId);
  for (let attempt = 1; attempt <= decideTries; attempt++) {
    if (base === undefined) missingRun(runId);
    const { change, answer } = await decide(base, host.clock.now());
    if (change === undefined) return { held: base, answer };
    const outcome = await write(host, base, change);
    switch (outcome.kind) {
      case "committed":
        return { ...outcome, answer };
      case "claimed":
        throw new DurableError("conflict", `a claim of run "${runId}" is held by run "${outcome.claim.runId}"`);
      case "conflict":
        base = outcome.held;
        await host.clock.sleep(randomFraction(host.random) * Math.min(2 ** attempt, 50));
    }
  }
  throw new DurableError("conflict", `run "${runId}" is changed too often at the moment`, { retryAfterMs: 1_000 });
}
