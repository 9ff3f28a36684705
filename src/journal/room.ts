import { type Entry, writeEntryBody } from "../codec/entry.ts";
import { writeRunBody } from "../codec/run.ts";
import type { WrittenSnapshot } from "../codec/snapshot.ts";
import { DurableError } from "../errors.ts";
import type { RunId } from "../ids.ts";
import { extent, getOwn, type Json, jsonText, maxDepth, tooLargeHint, utf8Length } from "../json.ts";
import type { NewEvent } from "../record/event.ts";
import { sourceRunId } from "../record/lineage.ts";
import { isTerminal, type Run, type RunRecord } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import { maxRowBytes } from "../store.ts";
import type { Held } from "./change.ts";
import type { JournalHost } from "./host.ts";

// Bounds each commit, so that every accepted run can go on, be read, and end.

/**
 * The part of a run's row that stays free for the next writer, in bytes of UTF-8. A newborn leaves room for the largest
 * inbox, a signal for a person's decision, a decision for the waits of steps, and all of them for the end of the run:
 * an error's message of 4,000 characters takes up to 24,000 bytes.
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

/** The longest error message in the row; the whole message is in the state of the checkpoint. */
const longestMessage = 4_000;

function withShortError(record: RunRecord<Json>): RunRecord<Json> {
  const { error } = record.run;
  if (error === undefined || error.message.length <= longestMessage) return record;
  const message = `${error.message.slice(0, longestMessage)}…`;
  return { ...record, run: { ...record.run, error: { ...error, message } } };
}

/** A larger result is not stored in the row but read from the head. */
const maxResultBytes = 64 * 1024;

/**
 * The record as its row holds it, and the body of the row.
 *
 * @throws `too_large` if it leaves too little room for the rest of the run.
 */
export function fitRow(
  base: Held | undefined,
  nonce: string,
  record: RunRecord<Json>,
): { readonly record: RunRecord<Json>; readonly body: string } {
  const { isResultInHead: wasInHead, ...rest } = withShortError(record);
  const isCompleted = rest.run.status === "completed";
  const inHead: RunRecord<Json> = { ...rest, run: { ...rest.run, result: null }, isResultInHead: true };
  if (isCompleted && (wasInHead || utf8Length(jsonText(rest.run.result)) > maxResultBytes)) {
    return fitted(base, nonce, inHead);
  }
  const body = writeRunBody(nonce, rest);
  // Beside a full inbox even a small result may be too large.
  if (isCompleted && bytesOf(body) > maxRowBytes) return fitted(base, nonce, inHead);
  return fitted(base, nonce, rest, body);
}

function fitted(base: Held | undefined, nonce: string, record: RunRecord<Json>, body = writeRunBody(nonce, record)) {
  const what = `run "${record.run.runId}"`;
  checkDepth(body, what);
  const bytes = bytesOf(body);
  const most = maxRowBytes - reserved(base, record);
  const isBookkeeping =
    base !== undefined && bytes <= maxRowBytes && bytes <= bytesOf(base.row.body) + bookkeepingBytes;
  if (bytes <= most || isBookkeeping) return { record, body };
  throw tooLarge(`the row of ${what}`, bytes, most, "put large data into inputs or step results");
}

/**
 * Half of the reserve of a run under way must stay free, also if an older version wrote the run.
 *
 * @throws `too_large` if an imported run could not go on.
 */
export function checkRow({ run }: RunRecord<Json>, body: string): void {
  checkDepth(body, "the row of the run");
  const bytes = bytesOf(body);
  const most = maxRowBytes - (isTerminal(run.status) ? 0 : reserve.underWay / 2);
  if (bytes > most)
    throw tooLarge("the row of the run", bytes, most, "shorten its metadata, or let the run end before it is moved");
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
  checkDepth(body, what);
  const bytes = bytesOf(body);
  if (bytes <= maxRowBytes) return body;
  throw tooLarge(what, bytes, maxRowBytes, "let fewer steps end at once, or shorten their names");
}

function withShortTexts(event: NewEvent<Json>, length: number): NewEvent<Json> {
  const short: Record<string, Json> = {};
  for (const name of cuttable) {
    const text = getOwn(event.payload, name);
    if (typeof text === "string" && text.length > length) short[name] = `${text.slice(0, length)}…`;
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
  { size, depth }: Pick<WrittenSnapshot, "size" | "depth">,
): void {
  const levels = maxDepth - levelsAround - (isTerminal(run.status) ? 0 : levelsOfResult);
  const state = `the state of run "${run.runId}"`;
  if (depth > levels) throw new DurableError("too_large", `${state} would be nested deeper than ${levels} levels`);
  // A run at its limit must still be able to fail.
  if (run.status === "failed") return;
  if (size.bytes > maxStateBytes) {
    throw new DurableError("too_large", `${state} would take more than ${maxStateBytes} bytes`);
  }
  if (size.values > maxStateValues) {
    throw new DurableError(
      "too_large",
      `${state} would have ${size.values} values; at most ${maxStateValues} are allowed`,
      { hint: tooLargeHint },
    );
  }
}

/**
 * True if the state has only the data of one that is stored. A limit rejects new data: a run that failed beyond it can be
 * copied and continued.
 */
export function isKept(state: ExecutionState<Json>, stored: ExecutionState<Json> | undefined): boolean {
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

function tooLarge(what: string, bytes: number, most: number, hint: string): DurableError {
  return new DurableError("too_large", `${what} would take ${bytes} bytes; at most ${most} are allowed`, { hint });
}
