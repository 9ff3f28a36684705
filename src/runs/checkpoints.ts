import { aLimit, given } from "../argument.ts";
import { readEntry, runEvents } from "../codec/bodies.ts";
import { decodeState } from "../codec/state.ts";
import { isUnreadableData, notFound } from "../errors.ts";
import { type CheckpointId, parseCheckpointId, type RunId } from "../ids.ts";
import { getCheckpoint, getRun } from "../journal/held.ts";
import { aCount, aText, present } from "../json.ts";
import type { Checkpoint, ListedCheckpoint } from "../record/checkpoint.ts";
import { damagedEntry, type RunEvent } from "../record/event.ts";
import type { EntryQuery, EntryRow } from "../store.ts";
import { type Page, type RowPage, readPage } from "./page.ts";
import type { Scope } from "./scope.ts";

/** One commit of a run's history. */
export interface HistoryEntry {
  /** The order within the run. Not every number occurs. */
  readonly revision: number;
  readonly events: readonly RunEvent[];
  readonly checkpoint?: ListedCheckpoint;
  /**
   * True if the entry cannot be read, because it is damaged or of a newer version. Its one event, `entry.damaged`,
   * describes the fault, and the ids of a checkpoint are known.
   */
  readonly isDamaged?: true;
}

/** A part of a run's history. */
export interface HistoryQuery {
  /** The revision after which the page begins; from the first entry if absent. */
  readonly after?: number;
  /** The most entries, and fewer if they take more than some megabytes. Default: all. */
  readonly limit?: number;
}

/** @throws `not_found` that names the run, the checkpoint or its state. */
export async function loadCheckpoint(scope: Scope, runId: RunId, checkpointId: string): Promise<Checkpoint> {
  const id = parseCheckpointId(checkpointId);
  await getRun(scope, runId);
  const { record, state, isPlain } = await getCheckpoint(scope, runId, id);
  // Nothing else has the state that was read, so the caller may own it.
  return { record, state: isPlain ? state : decodeState(state) };
}

/** A part of a run's checkpoints. */
export interface CheckpointQuery {
  /** The checkpoint after which the page begins. Default: from the first. */
  readonly after?: string;
  /** The most checkpoints, and fewer if they take more than some megabytes. Default: all. */
  readonly limit?: number;
}

/** A page of checkpoint records. */
export interface CheckpointPage extends Page<ListedCheckpoint> {
  /** The id of the run's head; absent if the run has no checkpoint. */
  readonly head?: string;
  /** How many checkpoints the run has. */
  readonly total: number;
}

/** The run's checkpoints in the order in which they were written. */
export async function listCheckpoints(scope: Scope, runId: RunId, query: CheckpointQuery): Promise<CheckpointPage> {
  const { host, tenant } = scope;
  const { after, limit = Number.POSITIVE_INFINITY } = given(query, { after: aText, limit: aLimit }, "query");
  const afterId = after === undefined ? undefined : parseCheckpointId(after, "after");
  const { record } = await getRun(scope, runId);
  const place = afterId === undefined ? undefined : await host.store.getEntry(tenant, runId, afterId);
  if (afterId !== undefined && place === undefined) {
    throw notFound("checkpoint", `run "${runId}" has no checkpoint "${afterId}"`);
  }
  const { rows, isMore } = await entries(scope, runId, { after: place?.revision ?? 0, limit, checkpointsOnly: true });
  const items = rows.flatMap((row) => shownEntry(row, record.run.createdAt).checkpoint ?? []);
  const { checkpointHead: head } = record.run;
  // A page may be newer than the run that was read before it.
  const total = Math.max(record.checkpointCount, items.length);
  const next = isMore ? items.at(-1)?.checkpointId : undefined;
  return { items, total, ...present({ head, next }) };
}

/** The history of the run, in order. */
export async function readHistory(
  scope: Scope,
  runId: RunId,
  query: HistoryQuery,
): Promise<Page<HistoryEntry, number>> {
  const kinds = { after: aCount(0), limit: aLimit };
  const { after = 0, limit = Number.POSITIVE_INFINITY } = given(query, kinds, "query");
  const { run } = (await getRun(scope, runId)).record;
  const { rows, isMore } = await entries(scope, runId, { after, limit });
  const items = rows.map((row) => shownEntry(row, run.createdAt));
  return { items, ...present({ next: isMore ? items.at(-1)?.revision : undefined }) };
}

/**
 * An entry as it is shown. An entry that cannot be read does not affect the others: it is shown with the data that is
 * known.
 */
export function shownEntry(row: EntryRow, bornAt: string): HistoryEntry {
  const runId = row.runId as RunId;
  try {
    const entry = readEntry(row);
    const { revision, checkpoint } = entry;
    return { revision, events: runEvents(runId, entry), ...present({ checkpoint }) };
  } catch (error) {
    if (!isUnreadableData(error)) throw error;
    const { revision, checkpointId } = row;
    const { code, message } = error;
    const event: RunEvent = {
      eventId: `${runId}:${revision}:0`,
      eventVersion: 1,
      eventType: damagedEntry,
      occurredAt: bornAt,
      runId,
      payload: { code, message },
    };
    const damaged = { runId, kind: "damaged", createdAt: bornAt, pendingWrites: [], isDamaged: true } as const;
    const checkpoint =
      checkpointId === undefined ? undefined : { checkpointId: checkpointId as CheckpointId, ...damaged };
    return { revision, events: [event], ...present({ checkpoint }), isDamaged: true };
  }
}

/** A page of entries if there is a limit; otherwise all of them, of any size. */
function entries(scope: Scope, runId: RunId, query: EntryQuery): Promise<RowPage<EntryRow>> {
  return entryPage(scope, runId, query, Number.isFinite(query.limit) ? undefined : Number.POSITIVE_INFINITY);
}

/** Entries up to a limit, and fewer if they are large. */
export function entryPage(
  { host, tenant }: Scope,
  runId: RunId,
  query: EntryQuery,
  mostLength?: number,
): Promise<RowPage<EntryRow>> {
  const read = (last: EntryRow | undefined, limit: number) =>
    host.store.listEntries(tenant, runId, { ...query, after: last?.revision ?? query.after ?? 0, limit });
  return readPage(query.limit, read, mostLength);
}
