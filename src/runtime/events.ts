import { readEntry, runEvents } from "../codec/entry.ts";
import { getRun } from "../engine/held.ts";
import type { Host } from "../engine/host.ts";
import { invalidRequest } from "../errors.ts";
import type { RunEvent } from "../event.ts";
import type { RunId, TenantId } from "../ids.ts";
import { isTerminal } from "../run.ts";

/** A place in a run's events. */
export interface EventQuery {
  /** After this event, by its id or its place `<revision>-<index>`; from the first where absent. */
  readonly after?: string;
  /** At most so many events; default 1,000. */
  readonly limit?: number;
}

export interface WatchOptions {
  /** After this event, as in {@link EventQuery}. */
  readonly after?: string;
  /** Ends the watch. */
  readonly signal?: AbortSignal;
  /** How often to look where nobody tells, in milliseconds. Default 1,000. */
  readonly pollMs?: number;
}

interface Position {
  readonly revision: number;
  readonly index: number;
}

const pageSize = 200;

/** The place of an event in its run, `<revision>-<index>`: what a stream's `Last-Event-ID` is. */
export function eventPosition(event: RunEvent): string {
  const { revision, index } = parsePosition(event.eventId);
  return `${revision}-${index}`;
}

function parsePosition(after: string): Position {
  const found = /(?:^|:)(\d{1,15})[:-](\d{1,15})$/.exec(after);
  if (found === null) throw invalidRequest("after", "expected the id of an event, or <revision>-<index>");
  return { revision: Number(found[1]), index: Number(found[2]) };
}

/** The run's events after a place, in order. */
export async function readEvents(
  host: Host,
  tenant: TenantId,
  runId: RunId,
  { after, limit = 1_000 }: EventQuery,
): Promise<readonly RunEvent[]> {
  await getRun(host, tenant, runId);
  return eventsAfter(host, tenant, runId, after === undefined ? undefined : parsePosition(after), limit);
}

async function eventsAfter(
  host: Host,
  tenant: TenantId,
  runId: RunId,
  position: Position | undefined,
  limit: number,
): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  // The entry of the position itself may have more events behind it.
  for (let after = position === undefined ? 0 : position.revision - 1; ; ) {
    const rows = await host.store.listEntries(tenant, runId, { after, limit: pageSize });
    for (const row of rows) {
      const entry = readEntry(row);
      const own = runEvents(runId, entry);
      events.push(...(entry.revision === position?.revision ? own.slice(position.index + 1) : own));
      if (events.length >= limit) return events.slice(0, limit);
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return events;
    after = last.revision;
  }
}

/** The run's events as they happen, each once and in order, until the run has ended. */
export async function* watchRun(
  host: Host,
  tenant: TenantId,
  runId: RunId,
  { after, signal, pollMs = 1_000 }: WatchOptions,
): AsyncGenerator<RunEvent, void, undefined> {
  let position = after === undefined ? undefined : parsePosition(after);
  let told = new AbortController();
  const unsubscribe = host.notifier.subscribe((changed) => {
    if (changed.runId === runId && changed.tenant === tenant) told.abort();
  });
  const wake = () => told.abort();
  signal?.addEventListener("abort", wake);
  try {
    while (!signal?.aborted) {
      told = new AbortController();
      // The status first: whatever is read after it contains all that led to it.
      const { record } = await getRun(host, tenant, runId);
      const events = await eventsAfter(host, tenant, runId, position, pageSize);
      for (const event of events) {
        yield event;
        position = parsePosition(event.eventId);
        if (signal?.aborted) return;
      }
      if (events.length > 0) continue;
      if (isTerminal(record.run.status)) return;
      await host.clock.sleep(pollMs, told.signal);
    }
  } finally {
    unsubscribe();
    signal?.removeEventListener("abort", wake);
  }
}
