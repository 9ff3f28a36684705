import { aTimestamp, given, type Kinds, needed } from "../argument.ts";
import type { RunId } from "../ids.ts";
import { aCount, type Kind, present } from "../json.ts";
import { isLeaseLive, isTerminal, isTold, type RunStatus, terminalStatuses } from "../record/run.ts";
import type { RunPosition, RunRow } from "../store.ts";
import { eraseWhere, readableRecord } from "./deletion.ts";
import { positionOf, type Runs } from "./runs.ts";
import { type Scope, scopeOf } from "./scope.ts";

/** The options of `pruneRuns`. */
export interface PruneRequest {
  /** Runs that were created before this time: a Date, or milliseconds since 1970. */
  readonly olderThan: Date | number;
  /** The statuses to delete; terminal statuses only. Default: all of these. */
  readonly status?: readonly RunStatus[];
  /** How many of the newest terminal runs stay in any case. Default 0. */
  readonly keep?: number;
  /** The most runs to delete in this call. Default 100. */
  readonly limit?: number;
}

/** The result of `pruneRuns`. */
export interface Pruned {
  readonly deleted: number;
  /** True if runs may be left, since the limit was reached or the platform allows little more work: call again. */
  readonly isMore: boolean;
}

const pageSize = 100;

const ended: Kind = [
  `an array of ${terminalStatuses.join(", ")}`,
  (value) => (value as readonly RunStatus[]).every(isTerminal),
];
const kinds: Kinds<PruneRequest> = { olderThan: needed(aTimestamp), status: ended, keep: aCount(0), limit: aCount(1) };

/**
 * Deletes old runs that have ended, oldest first, in batches of bounded size. A run that is resumed meanwhile is
 * not deleted.
 *
 * @throws `invalid_request` that names the field.
 * @example
 * ```ts
 * import { pruneRuns, type Runs } from "orca-durable";
 *
 * export function keepAMonth(runs: Runs) {
 *   const aMonthAgo = new Date(Date.now() - 30 * 24 * 3_600_000);
 *   return pruneRuns(runs, { olderThan: aMonthAgo });
 * }
 * ```
 */
export async function pruneRuns(runs: Runs, request: PruneRequest): Promise<Pruned> {
  const scope = scopeOf(runs);
  const { olderThan, status = terminalStatuses, keep = 0, limit = 100 } = given(request, kinds, "request");
  const before = Number(olderThan);
  const kept = await firstKept(scope, keep);
  let deleted = 0;
  for await (const ended of endedRuns(scope, status, 1)) {
    const { runId, createdAt } = ended;
    if (createdAt >= before || byBirth(ended, kept) >= 0) break;
    if (deleted === limit || (deleted > 0 && scope.host.isSpent?.())) return { deleted, isMore: true };
    const isDeleted = await eraseWhere(
      scope,
      runId as RunId,
      async (row, now) => status.some((one) => one === row.status) && !(await isNeeded(scope, row, now)),
    );
    if (isDeleted) deleted++;
  }
  return { deleted, isMore: false };
}

/**
 * The place from which on all runs stay. A run there that ends while others are deleted is one of the newest too, so
 * names of runs would not do.
 */
async function firstKept(scope: Scope, keep: number): Promise<RunPosition> {
  let left = keep;
  if (left > 0) for await (const run of endedRuns(scope, terminalStatuses, -1)) if (--left === 0) return run;
  return { createdAt: left === 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY, runId: "" };
}

function byBirth(a: RunPosition, b: RunPosition): number {
  return a.createdAt - b.createdAt || (a.runId < b.runId ? -1 : 1);
}

/**
 * The runs of those statuses by birth. They are read status by status, so that runs that have not ended cost nothing.
 */
async function* endedRuns(
  scope: Scope,
  statuses: readonly RunStatus[],
  sign: 1 | -1,
): AsyncGenerator<RunRow, void, undefined> {
  const { host, tenant } = scope;
  for (let after: RunPosition | undefined; ; ) {
    const order = sign === 1 ? "ascending" : "descending";
    const query = { order, limit: pageSize, ...present({ after }) } as const;
    const pages = await Promise.all(
      [...new Set(statuses)].map((status) => host.store.listRuns(tenant, { ...query, status })),
    );
    const rows = pages.flat().sort((a, b) => sign * byBirth(a, b));
    yield* rows.slice(0, pageSize);
    const last = rows[pageSize - 1];
    if (last === undefined) return;
    after = positionOf(last);
  }
}

/**
 * True for a run that is executed, that its family does not know to have ended, or whose parent has not ended and may still
 * read its result. A row that cannot be read names none.
 */
async function isNeeded({ host, tenant }: Scope, row: RunRow, now: number): Promise<boolean> {
  const record = readableRecord(row);
  if (record === undefined) return false;
  if (isLeaseLive(record, now) || !isTold(record)) return true;
  const { parentRunId, parentStepId } = record.run;
  // No step waits for a run of a schedule.
  if (parentStepId === undefined) return false;
  const parent = parentRunId && (await host.store.getRun(tenant, parentRunId));
  return parent?.status !== undefined && !isTerminal(parent.status as RunStatus);
}
