import { aFunction, aLength, aLimit, aSignal, given, type Kinds } from "../argument.ts";
import { onAbort } from "../clock.ts";
import { invalidRequest } from "../errors.ts";
import type { RunId } from "../ids.ts";
import { getRun } from "../journal/held.ts";
import { aText, type Json, present } from "../json.ts";
import type { LiveMessage, RunEvent } from "../record/event.ts";
import { eventPosition, type Position, positionOf } from "../record/event.ts";
import { isTerminal, type Run, type RunStatus } from "../record/run.ts";
import { entryPage, shownEntry } from "./checkpoints.ts";
import type { Page } from "./page.ts";
import type { Scope } from "./scope.ts";

/** A place in a run's events. */
export interface EventQuery {
  /** Events after this one, identified by its id or its place `<revision>-<index>`. Default: from the first. */
  readonly after?: string;
  /** The most events, and fewer if they take more than some megabytes. Default: all. */
  readonly limit?: number;
}

/** Where a watch of a run's events begins, and what ends it. */
export interface WatchOptions {
  /** After this event, by its id or its place `<revision>-<index>`; from the first if absent. */
  readonly after?: string;
  /** Ends the watch. */
  readonly signal?: AbortSignal;
  /**
   * Called at once with what steps show while they work and do not record; it may miss some. It must not throw. `watchLive`
   * returns the same among the events.
   */
  readonly onLive?: (message: LiveMessage) => void;
}

/** How to watch a run by reading it. */
export interface PolledWatchOptions extends WatchOptions {
  /** How often to read if no notification comes, in milliseconds. Default 1,000. */
  readonly pollMs?: number;
  /** As long as nothing happens, the pause between two reads doubles, up to this. Default {@link pollMs}. */
  readonly maxPollMs?: number;
}

/** Of {@link PolledWatchOptions}. */
export const watchKinds: Kinds<PolledWatchOptions> = {
  after: aText,
  signal: aSignal,
  onLive: aFunction,
  pollMs: aLength,
  maxPollMs: aLength,
};

const pageSize = 200;

/** A place as callers name it: by the whole id of an event of this run, or by `<revision>-<index>`. Default: before the first. */
function parsePosition(runId: RunId, after = "0-0"): Position {
  const prefix = `${runId}:`;
  const place = after.startsWith(prefix) ? after.slice(prefix.length).replace(":", "-") : after;
  const found = /^(\d{1,15})-(\d{1,15})$/.exec(place);
  if (found === null) throw invalidRequest("after", "expected the id of an event of this run, or <revision>-<index>");
  return { revision: Number(found[1]), index: Number(found[2]) };
}

/** The run's events after a place, in order: all of them, or a page if there is a limit. */
export async function readEvents(scope: Scope, runId: RunId, query: EventQuery): Promise<Page<RunEvent>> {
  const { after, limit = Number.POSITIVE_INFINITY } = given(query, { after: aText, limit: aLimit }, "query");
  const position = parsePosition(runId, after);
  const { run } = (await getRun(scope, runId)).record;
  const items: RunEvent[] = [];
  for (let from = position; ; ) {
    const { events, isMore } = await eventsAfter(scope, run, from, limit);
    items.push(...events);
    const last = isMore ? items.at(-1) : undefined;
    if (last === undefined || Number.isFinite(limit))
      return { items, ...present({ next: last && eventPosition(last) }) };
    from = positionOf(last);
  }
}

/** Events from a place on. */
interface FoundEvents {
  readonly events: readonly RunEvent[];
  /** True if more events follow. */
  readonly isMore: boolean;
}

/** Events up to a limit, and fewer if they are large. */
async function eventsAfter(
  scope: Scope,
  { runId, createdAt: bornAt }: Pick<Run<Json>, "runId" | "createdAt">,
  position: Position,
  limit: number,
): Promise<FoundEvents> {
  for (let after = position.revision - 1; ; ) {
    // Each entry has at least one event. The entry of the position itself may have further events, or none.
    const { rows, isMore } = await entryPage(scope, runId, { after, limit: limit + 1 });
    const found = rows.flatMap((row) => {
      const own = shownEntry(row, bornAt).events;
      return row.revision === position.revision ? own.slice(position.index + 1) : own;
    });
    const events = found.slice(0, limit);
    const last = events.at(-1);
    if (last !== undefined || !isMore) {
      return { events, isMore: isMore || found.length > limit };
    }
    after = rows.at(-1)?.revision ?? after;
  }
}

/**
 * The run's events as they happen, each once and in order, until the run has ended. It returns the status with which
 * the run ended, or nothing if the watch ended before: its signal aborted, or the platform soon allows no more queries.
 */
export async function* watchRun(
  scope: Scope,
  runId: RunId,
  { after, signal, onLive, pollMs = 1_000, maxPollMs = pollMs }: PolledWatchOptions,
): AsyncGenerator<RunEvent, RunStatus | undefined, undefined> {
  const { host, tenant } = scope;
  let position = parsePosition(runId, after);
  // The last entry of the run, once all entries up to it were read: as long as it is the last, there is nothing to
  // read.
  let readUpTo: number | undefined;
  let pauseMs = pollMs;
  let woken = new AbortController();
  const unsubscribe = host.notifier.subscribe((changed) => {
    if (changed.runId === runId && changed.tenant === tenant) {
      if (changed.live) onLive?.(changed.live);
      else woken.abort();
    }
  });
  const release = onAbort(signal, () => woken.abort());
  try {
    while (!signal?.aborted && !host.isSpent?.()) {
      woken = new AbortController();
      // The status first: a later read contains every event that led to it.
      const { record } = await getRun(scope, runId);
      if (record.entryRevision !== readUpTo) {
        const { events, isMore } = await eventsAfter(scope, record.run, position, pageSize);
        if (!isMore) readUpTo = record.entryRevision;
        for (const event of events) {
          yield event;
          position = positionOf(event);
          if (signal?.aborted) return undefined;
        }
        if (events.length > 0) {
          pauseMs = pollMs;
          continue;
        }
      }
      if (isTerminal(record.run.status)) return record.run.status;
      await host.clock.sleep(pauseMs, woken.signal);
      pauseMs = Math.min(pauseMs * 2, Math.max(pollMs, maxPollMs));
    }
    return undefined;
  } finally {
    unsubscribe();
    release();
  }
}
