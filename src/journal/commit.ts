import { storeOperations } from "../argument.ts";
import { isoTime } from "../clock.ts";
import {
  type Entry,
  readEntry,
  readRunBody,
  type WrittenSnapshot,
  writeEntryBody,
  writeRunBody,
  writeSnapshot,
  writeTombstone,
} from "../codec/bodies.ts";
import { DurableError, type ErrorCode, isDurableError } from "../errors.ts";
import { newCheckpointId, type RunId, randomHex, type TenantId } from "../ids.ts";
import { cutText, extent, getOwn, type Json, jsonText, maxDepth, present, tooLargeHint, utf8Length } from "../json.ts";
import type { CheckpointRecord } from "../record/checkpoint.ts";
import type { LiveMessage, NewEvent } from "../record/event.ts";
import { listedSource, sourceRunId } from "../record/lineage.ts";
import { dueAt, event, isTerminal, type Run, type RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import { type Commit, maxRowBytes, type RunRow } from "../store.ts";
import type { Change, Held, NewCheckpoint, SavedCheckpoint, WriteOutcome } from "./change.ts";
import type { JournalHost } from "./host.ts";

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
 * One commit over `base`, or the birth of a run if there is none. A commit whose answer was lost is recognized by its
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
 * Takes the id of a run that is not there, as a deletion does, so that no late writer can create it. False if the run is
 * there. A failure does not matter: the id is then free or taken, and the caller looks again.
 */
export async function preempt({ store, random, clock }: JournalHost, tenant: TenantId, runId: RunId): Promise<boolean> {
  const now = clock.now();
  const body = writeTombstone(randomHex(random, 12));
  const { kind } = await store.commit({ run: { tenant, runId, revision: 1, createdAt: now, body }, now });
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
  const settle = await host.admission?.admit(commit);
  try {
    const delivery = await deliver(host, commit, nonce, tries);
    settle?.(delivery.kind === "committed");
    return delivery;
  } catch (error) {
    settle?.(!isDurableError(error, ...certain));
    throw error;
  }
}

/** Announces a change of the run, or what happens in it. A notification that fails, as on a closed channel, undoes nothing. */
export function notify(
  { notifier, executor, onError }: JournalHost,
  { tenant, runId }: Pick<RunRow, "tenant" | "runId">,
  live?: LiveMessage,
): void {
  try {
    notifier.notify({ tenant, runId, executor, live });
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
      // A deletion has erased what would tell whether an earlier attempt was made.
      if (failure !== undefined && refusal === undefined && isTombstone(row)) break;
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

function isTombstone(row: RunRow): boolean {
  return row.status === undefined && !readRunBody(row.body, `run "${row.runId}"`).isImport;
}

async function isOwnEntry(host: JournalHost, { tenant, runId, revision }: RunRow, nonce: string): Promise<boolean> {
  const [entry] = await host.store.listEntries(tenant, runId, { after: revision - 1, limit: 1 });
  return entry?.revision === revision && readEntry(entry).nonce === nonce;
}

/** The run of a row; `undefined` for a tombstone. */
export function heldRow(row: RunRow): Held | undefined {
  if (row.status === undefined) return undefined;
  const { record } = readRunBody(row.body, `run "${row.runId}"`);
  if (record?.run.runId !== row.runId)
    throw new DurableError("corrupt_data", `run "${row.runId}" has no record of its own`);
  return { row, record };
}

function encode(host: JournalHost, base: Held | undefined, change: Change, nonce: string) {
  const now = host.clock.now();
  const revision = (base?.row.revision ?? 0) + 1;
  const checkpoint = change.checkpoint && saved(host, base, change.record, change.checkpoint, revision, now);
  const events = [...change.events];
  if (checkpoint !== undefined) {
    const { checkpointId, kind } = checkpoint.record;
    events.push(event("checkpoint.saved", now, { checkpoint_id: checkpointId, kind }));
  }
  const isRemembered = events.length > 0;
  const { run, ...rest } = change.record;
  const { record, body } = fitRow(base, nonce, {
    ...rest,
    run: { ...run, ...present({ checkpointHead: checkpoint?.record.checkpointId }) },
    ...(isRemembered && { entryRevision: revision }),
    ...(checkpoint && {
      headRevision: revision,
      headSize: checkpoint.snapshot.size,
      checkpointCount: rest.checkpointCount + 1,
      recoveries: 0,
    }),
  });
  const { tenantId: tenant = "", runId, traceId } = run;
  const entry = { nonce, events, ...present({ traceId, checkpoint: checkpoint?.record }) };
  // It is fixed at the birth, like the metadata in which it stands.
  const sourceRunId = base === undefined ? listedSource(run) : base.row.sourceRunId;
  const row: RunRow = {
    tenant,
    runId,
    revision,
    createdAt: base?.row.createdAt ?? Date.parse(run.createdAt),
    status: run.status,
    skillId: run.skillId,
    ...present({ sourceRunId, dueAt: dueAt(record) }),
    body,
  };
  const commit: Commit = {
    run: row,
    now,
    ...present({ before: base?.row, claims: change.claims }),
    ...(isRemembered && {
      entry: {
        body: fitEntry(runId, entry),
        ...(checkpoint && {
          checkpointId: checkpoint.record.checkpointId,
          keyframe: checkpoint.snapshot.keyframe,
          snapshot: checkpoint.body,
        }),
      },
    }),
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
): SavedCheckpoint & { readonly body: string; readonly snapshot: WrittenSnapshot } {
  const { over } = checkpoint;
  const { headRevision, headSize } = base?.record ?? {};
  const before = headSize && over && over.revision === headRevision ? { ...over, size: headSize } : undefined;
  const written = writeSnapshot(checkpoint.state, revision, before);
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

/**
 * The part of a run's row that stays free for the next writer, in bytes of UTF-8, so that every accepted run can go on, be
 * read, and end. A newborn leaves room for the largest inbox, a signal for a person's decision, a decision for the waits of
 * steps, and all of them for the end of the run: an error's message of 4,000 characters takes up to 24,000 bytes.
 */
const reserve = { newborn: 128 * 1024, signal: 64 * 1024, decision: 48 * 1024, underWay: 32 * 1024 } as const;

/** The lineage of a descendant may be this much longer than that of its source. */
const lineageBytes = 2 * 1024;
/** A row that is fuller than allowed, as older versions wrote it, may still be leased and set aside. */
const bookkeepingBytes = 256;

function reserved(base: Held | undefined, record: RunRecord<Json>): number {
  const { run, inbox } = record;
  if (isTerminal(run.status)) return 0;
  if (base === undefined) return reserve.newborn - (sourceRunId(run) === undefined ? 0 : lineageBytes);
  const before = base.record;
  if (inbox.length > before.inbox.length) return reserve.signal;
  const isDecided = run.approvalRequest?.decidedAt !== before.run.approvalRequest?.decidedAt;
  return isDecided ? reserve.decision : reserve.underWay;
}

/** A larger result is not stored in the row but read from the head. */
const maxResultBytes = 64 * 1024;

/**
 * The record as its row holds it, and the body of the row.
 *
 * @throws `too_large` if it leaves too little room for the rest of the run.
 */
function fitRow(
  base: Held | undefined,
  nonce: string,
  record: RunRecord<Json>,
): { readonly record: RunRecord<Json>; readonly body: string } {
  const { isResultInHead: wasInHead, ...rest } = record;
  const { run } = rest;
  const body = writeRunBody(nonce, rest);
  // Beside a full inbox even a small result may be too large.
  const isTooLarge = () => utf8Length(jsonText(run.result)) > maxResultBytes || bytesOf(body) > maxRowBytes;
  return run.status === "completed" && (wasInHead || isTooLarge())
    ? fitted(base, nonce, { ...rest, run: { ...run, result: null }, isResultInHead: true })
    : fitted(base, nonce, rest, body);
}

function fitted(base: Held | undefined, nonce: string, record: RunRecord<Json>, body = writeRunBody(nonce, record)) {
  const kept = base && bytesOf(base.row.body) - stepBytes(base.record) + stepBytes(record) + bookkeepingBytes;
  const most = Math.min(Math.max(maxRowBytes - reserved(base, record), kept ?? 0), maxRowBytes);
  expectFits(`the row of run "${record.run.runId}"`, body, most, "put large data into step results");
  return { record, body };
}

/** The name of the current step is no part of what fills a row: it is replaced, and may be as long as several waits. */
function stepBytes({ run }: RunRecord<Json>): number {
  return utf8Length(jsonText(run.currentStepId ?? ""));
}

/**
 * Half of the reserve of a run under way must stay free, also if an older version wrote the run.
 *
 * @throws `too_large` if an imported run could not go on.
 */
export function checkRow({ run }: RunRecord<Json>, body: string): void {
  const most = maxRowBytes - (isTerminal(run.status) ? 0 : reserve.underWay / 2);
  expectFits("the row of the run", body, most, "shorten its metadata, or let the run end first");
}

/** The fields of events that hold an error's message or a person's notes. Their whole text is stored elsewhere. */
const cuttable = ["error", "message", "notes"] as const;

/**
 * The body of a history entry. If many events do not fit into one, their messages are cut.
 *
 * @throws `too_large`.
 */
export function fitEntry(runId: RunId, entry: Omit<Entry, "revision">): string {
  const what = `a history entry of run "${runId}"`;
  let body = writeEntryBody(entry);
  for (let length = 1_000; length >= 50 && bytesOf(body) > maxRowBytes; length /= 2) {
    body = writeEntryBody({ ...entry, events: entry.events.map((event) => withShortTexts(event, length)) });
  }
  expectFits(what, body, maxRowBytes, "end fewer steps at once");
  return body;
}

function withShortTexts(event: NewEvent<Json>, length: number): NewEvent<Json> {
  const short: Record<string, Json> = {};
  for (const name of cuttable) {
    const text = getOwn(event.payload, name);
    if (typeof text === "string") short[name] = cutText(text, length);
  }
  return { ...event, payload: { ...event.payload, ...short } };
}

/** Levels that stay free around a stored value: an answer holds it a few levels deeper. */
const levelsAround = 10;
/** And more of them in a run under way, since its outputs become parts of its result. */
const levelsOfResult = 2;

/** @throws `too_large` if the state could not be read again, or exceeds the limits of its host. */
export function checkState(
  { maxStateBytes, maxStateValues }: JournalHost,
  run: Run<Json>,
  { size, depth }: { readonly size: readonly [bytes: number, values: number, ...unknown[]]; readonly depth: number },
): void {
  const levels = maxDepth - levelsAround - (isTerminal(run.status) ? 0 : levelsOfResult);
  const state = `the state of run "${run.runId}"`;
  if (depth > levels) throw new DurableError("too_large", `${state} would be nested deeper than ${levels} levels`);
  // A run at its limit must still be able to fail.
  if (run.status === "failed") return;
  const [bytes, values] = size;
  if (bytes > maxStateBytes) {
    throw new DurableError("too_large", `${state} would take more than ${maxStateBytes} bytes`);
  }
  if (values > maxStateValues) {
    throw new DurableError("too_large", `${state} would have ${values} values; at most ${maxStateValues} are allowed`, {
      hint: tooLargeHint,
    });
  }
}

/**
 * True if the state has only the data of one that is stored. A limit rejects new data: a run that failed beyond it can be
 * copied and continued.
 */
function isKept(state: ExecutionState<Json>, stored: ExecutionState<Json> | undefined): boolean {
  return (
    stored !== undefined &&
    (Object.keys(state) as (keyof typeof state)[]).every(
      (name) => typeof state[name] !== "object" || state[name] === stored[name] || name === "output",
    ) &&
    (state.output.result ?? stored.output.result) === stored.output.result
  );
}

/** @throws `too_large` if a body could not be read again in an answer that holds it. */
export function checkDepth(body: string, what: string): void {
  const levels = maxDepth - levelsAround;
  // A short text cannot hold that many pairs of brackets, so it is not scanned.
  if (body.length <= 2 * levels || extent(body).depth <= levels) return;
  throw new DurableError("too_large", `${what} would be nested deeper than ${levels} levels`);
}

/** Of UTF-8; an upper bound if the text is short enough to fit in any case. */
function bytesOf(body: string): number {
  // A UTF-16 unit is at most 3 bytes of UTF-8.
  return body.length * 3 <= maxRowBytes - reserve.newborn ? body.length * 3 : utf8Length(body);
}

/** @throws `too_large` if the body could not be read again, or takes more bytes. */
function expectFits(what: string, body: string, most: number, hint: string): void {
  checkDepth(body, what);
  const bytes = bytesOf(body);
  if (bytes <= most) return;
  throw new DurableError("too_large", `${what} would take ${bytes} bytes; at most ${most} are allowed`, { hint });
}

type Operations = Readonly<Record<(typeof storeOperations)[number], (...args: never) => Promise<unknown>>>;

/**
 * The store, with each failure typed: a promise of a store that rejects means that the medium failed, and the effect on
 * a run must not depend on what the medium throws.
 */
export function typedStore<S extends Operations & { close(): Promise<void> }>(store: S): S {
  const typed = storeOperations.map((name) => {
    const call = async (...args: never): Promise<unknown> => {
      try {
        return await store[name](...args);
      } catch (cause) {
        if (isDurableError(cause)) throw cause;
        throw new DurableError("store_failed", `the store failed at ${name}`, { cause });
      }
    };
    return [name, call] as const;
  });
  return asStore({ ...Object.fromEntries(typed), close: () => store.close() });
}

// Each operation has the type of the one that it calls.
function asStore<S>(typed: object): S {
  return typed as S;
}
