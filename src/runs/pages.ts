import { parseRunId } from "../ids.ts";
import { getRun } from "../journal/held.ts";
import { entryPage, type HistoryEntry, shownEntry } from "./checkpoints.ts";
import { type EventPage, eventsAfter, parsePosition } from "./events.ts";
import type { Runs } from "./runs.ts";
import { scopeOf } from "./scope.ts";

/**
 * A page of what happened to the run: at most `limit` entries, and fewer where they take more than some megabytes.
 *
 * @throws `not_found`.
 */
export async function readHistoryPage(
  runs: Runs,
  runId: string,
  query: { readonly after: number; readonly limit: number },
): Promise<{ readonly entries: readonly HistoryEntry[]; readonly isMore: boolean }> {
  const scope = scopeOf(runs);
  const id = parseRunId(runId);
  const { run } = (await getRun(scope, id)).record;
  const { rows, isMore } = await entryPage(scope, id, query, false);
  return { entries: rows.map((row) => shownEntry(row, run.createdAt)), isMore };
}

/**
 * A page of the run's events: at most `limit`, and fewer where they take more than some megabytes.
 *
 * @throws `not_found`, and `invalid_request` where `after` names no event of the run.
 */
export async function readEventPage(
  runs: Runs,
  runId: string,
  { after, limit }: { readonly after?: string; readonly limit: number },
): Promise<EventPage> {
  const scope = scopeOf(runs);
  const id = parseRunId(runId);
  const position = after === undefined ? undefined : parsePosition(id, after);
  const { run } = (await getRun(scope, id)).record;
  return eventsAfter(scope, run, position, limit);
}
