import { isoTime } from "../clock.ts";
import { readEntry } from "../codec/entry.ts";
import { readRunBody, writeTombstone } from "../codec/run.ts";
import { writeSnapshot } from "../codec/snapshot.ts";
import { DurableError, type ErrorCode, isDurableError } from "../errors.ts";
import { newCheckpointId, type RunId, randomFraction, randomHex } from "../ids.ts";
import type { Json } from "../json.ts";
import { present } from "../json.ts";
import type { CheckpointRecord } from "../record/checkpoint.ts";
import { listedSource } from "../record/lineage.ts";
import type { RunRecord } from "../record/run.ts";
import { dueAt } from "../record/run.ts";
import type { Commit, RunRow } from "../store.ts";
import type { Change, Held, NewCheckpoint, SavedCheckpoint, WriteOutcome } from "./change.ts";
import { getRun, heldRow } from "./held.ts";
import type { JournalHost, JournalScope } from "./host.ts";
import { checkState, fitEntry, fitRow, isKept } from "./room.ts";

/** Commit errors after which certainly nothing was written; after any other the outcome is unknown. */
const certain: readonly ErrorCode[] = [
  "too_large",
  "quota_exceeded",
  "store_blocked",
  "store_outdated",
  "unsupported",
  "invalid_request",
];
const storeTries = 3;
const longestPauseMs = 500;

/**
 * One commit over `base`, or the birth of a run if there is none. A commit whose answer was lost is recognised by its
 * nonce, so that no change is made twice and no change that was made is reported as lost.
 *
 * @throws `too_large` and, for a birth, `quota_exceeded` before anything is written; `store_failed` if the medium keeps
 * failing.
 */
export async function write(
  host: JournalHost,
  base: Held | undefined,
  change: Change,
  tries = storeTries,
): Promise<WriteOutcome> {
  const nonce = randomHex(host.random, 12);
  const { commit, record, checkpoint } = encode(host, base, change, nonce);
  const outcome = await (base === undefined ? deliverBirth : deliver)(host, commit, nonce, tries);
  if (outcome.kind !== "committed") return outcome;
  host.instrumentation?.written(change);
  return {
    kind: "committed",
    held: outcome.later ?? { row: commit.run, record },
    isLatest: outcome.later === undefined,
    ...present({ checkpoint }),
  };
}

/** Erases the run of that row: its content is removed, and a tombstone keeps its id. False if the row has changed. */
export async function erase(host: JournalHost, row: RunRow): Promise<boolean> {
  const nonce = randomHex(host.random, 12);
  const { tenant, runId, createdAt } = row;
  const run: RunRow = { tenant, runId, revision: row.revision + 1, createdAt, body: writeTombstone(nonce) };
  const { kind } = await deliver(host, { run, before: row, now: host.clock.now(), erase: true }, nonce);
  host.admission?.erased(tenant);
  return kind === "committed";
}

/**
 * Moves only the due time of a row, and keeps its body: for a row that cannot be read here, or that has no room for a
 * lease. It disturbs no executor, since the epoch stays. A failure does not matter: the row is then still due.
 */
export async function postpone(host: JournalHost, row: RunRow, dueAt: number, now: number): Promise<void> {
  await host.store.commit({ run: { ...row, revision: row.revision + 1, dueAt }, before: row, now });
}

/** `later` is the run as it is now, if another writer has changed it since. */
type Delivery =
  | { readonly kind: "committed"; readonly later?: Held | undefined }
  | Exclude<WriteOutcome, { kind: "committed" }>;

/** Sends a commit to the store until its outcome is known. */
async function deliver(host: JournalHost, commit: Commit, nonce: string, tries = storeTries): Promise<Delivery> {
  await host.ready;
  const attempt = () => tryDeliver(host, commit, nonce, tries);
  const delivery = await (host.instrumentation?.commit(attempt) ?? attempt());
  if (delivery.kind === "committed") notify(host, commit.run);
  return delivery;
}

/**
 * Sends a commit that is a birth, or a part of an import, if its tenant has room for it.
 *
 * @throws `quota_exceeded` before anything is written.
 */
export async function deliverBirth(
  host: JournalHost,
  commit: Commit,
  nonce: string,
  tries = storeTries,
): Promise<Delivery> {
  const giveBack = await host.admission?.admit(commit);
  const delivery = await deliver(host, commit, nonce, tries);
  if (delivery.kind !== "committed") giveBack?.();
  return delivery;
}

// A notification that fails, as on a closed channel, must not undo what was committed.
function notify({ notifier, executor, onError }: JournalHost, { tenant, runId }: RunRow): void {
  try {
    notifier.notify({ tenant, runId, executor });
  } catch (error) {
    onError(error);
  }
}

async function tryDeliver(host: JournalHost, commit: Commit, nonce: string, tries: number): Promise<Delivery> {
  const { tenant, runId, revision } = commit.run;
  let failure: unknown;
  let refusal: Delivery | undefined;
  for (let attempt = 0; attempt < tries; attempt++) {
    if (attempt > 0) await host.clock.sleep(Math.min(20 * 4 ** attempt, longestPauseMs));
    try {
      const outcome = await host.store.commit(commit);
      if (outcome.kind === "committed") return outcome;
      refusal = outcome.kind === "claimed" ? outcome : undefined;
      if (refusal !== undefined && failure === undefined) return refusal;
    } catch (error) {
      if (isDurableError(error, ...certain)) throw error;
      failure = error;
    }
    let row: RunRow | undefined;
    try {
      row = await host.store.getRun(tenant, runId);
    } catch (cause) {
      // Its outcome is known once the medium can be read again.
      failure ??= cause;
      continue;
    }
    if (row !== undefined && row.revision >= revision) {
      if (isOwnRow(row, nonce)) return { kind: "committed" };
      if (await isOwnEntry(host, commit.run, nonce)) return { kind: "committed", later: heldRow(row) };
      return refusal ?? { kind: "conflict", held: heldRow(row) };
    }
    if (refusal !== undefined) return refusal;
    // Without a failure in between, the row that caused the conflict has gone back: the medium breaks its contract.
    if (failure === undefined) return { kind: "conflict", held: row && heldRow(row) };
  }
  throw new DurableError("store_failed", `the outcome of a write to run "${runId}" is unknown`, { cause: failure });
}

function isOwnRow(row: RunRow, nonce: string): boolean {
  return readRunBody(row.body, `run "${row.runId}"`).nonce === nonce;
}

async function isOwnEntry(host: JournalHost, { tenant, runId, revision }: RunRow, nonce: string): Promise<boolean> {
  const [entry] = await host.store.listEntries(tenant, runId, { after: revision - 1, limit: 1 });
  return entry?.revision === revision && readEntry(entry).nonce === nonce;
}

function encode(host: JournalHost, base: Held | undefined, change: Change, nonce: string) {
  const now = host.clock.now();
  const revision = (base?.row.revision ?? 0) + 1;
  const checkpoint = change.checkpoint && saved(host, base, change.record, change.checkpoint, revision, now);
  const events = [...change.events];
  if (checkpoint !== undefined) {
    const { checkpointId, kind } = checkpoint.record;
    events.push({ type: "checkpoint.saved", at: isoTime(now), payload: { checkpoint_id: checkpointId, kind } });
  }
  const isRemembered = events.length > 0;
  const { run, ...rest } = change.record;
  const fitted = fitRow(base, nonce, {
    ...rest,
    run: checkpoint === undefined ? run : { ...run, checkpointHead: checkpoint.record.checkpointId },
    ...(isRemembered ? { entryRevision: revision } : {}),
    ...(checkpoint === undefined
      ? {}
      : { headRevision: revision, checkpointCount: rest.checkpointCount + 1, recoveries: 0 }),
  });
  const { record } = fitted;
  const { tenantId: tenant = "", runId, traceId } = run;
  const entry = { nonce, events, ...present({ traceId, checkpoint: checkpoint?.record }) };
  const due = dueAt(record);
  // It is fixed at the birth, like the metadata in which it stands.
  const sourceRunId = base === undefined ? listedSource(run) : base.row.sourceRunId;
  const row: RunRow = {
    tenant,
    runId,
    revision,
    createdAt: base?.row.createdAt ?? Date.parse(run.createdAt),
    status: run.status,
    skillId: run.skillId,
    ...present({ sourceRunId, dueAt: due }),
    body: fitted.body,
  };
  const commit: Commit = {
    run: row,
    now,
    ...present({ before: base?.row, claims: change.claims }),
    ...(isRemembered
      ? {
          entry: {
            body: fitEntry(runId, entry),
            ...(checkpoint === undefined
              ? {}
              : {
                  checkpointId: checkpoint.record.checkpointId,
                  keyframe: checkpoint.snapshot.keyframe,
                  snapshot: checkpoint.body,
                }),
          },
        }
      : {}),
  };
  return { commit, record, checkpoint };
}

function saved(
  host: JournalHost,
  base: Held | undefined,
  record: RunRecord<Json>,
  checkpoint: NewCheckpoint,
  revision: number,
  now: number,
): SavedCheckpoint & { readonly body: string } {
  const { over } = checkpoint;
  const head = base?.record.headRevision;
  const written = writeSnapshot(checkpoint.state, revision, over?.revision === head ? over : undefined);
  if (!isKept(checkpoint.state, over?.state)) checkState(host, record.run, written.snapshot);
  return { record: checkpointRecord(host, record, checkpoint, now), ...written };
}

function checkpointRecord(
  host: JournalHost,
  { run }: RunRecord<Json>,
  checkpoint: NewCheckpoint,
  now: number,
): CheckpointRecord {
  const { checkpointId, stepId, kind, createdAt, pendingWrites } = checkpoint;
  return {
    checkpointId: checkpointId ?? newCheckpointId(host.random),
    runId: run.runId,
    ...present({ stepId }),
    kind,
    createdAt: createdAt ?? isoTime(now),
    pendingWrites: pendingWrites ?? [],
  };
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
        throw new DurableError("conflict", `a claim of run "${runId}" is held by run "${outcome.claim.runId}"`);
      case "conflict":
        // A row that was read before the pause is stale after it, and then every try would fail while others write.
        await host.clock.sleep(randomFraction(host.random) * Math.min(5 * 2 ** attempt, 500));
        base = await getRun(scope, runId);
    }
  }
  throw new DurableError("conflict", `too many concurrent changes of run "${runId}"`, { retryAfterMs: 1_000 });
}
