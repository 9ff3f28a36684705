import { erase } from "../engine/commit.ts";
import type { Executor } from "../engine/executor.ts";
import { heldRow, missingRun } from "../engine/held.ts";
import type { Host } from "../engine/host.ts";
import { isLeaseLive } from "../engine/lease.ts";
import { DurableError, invalidRequest, isDurableError } from "../errors.ts";
import type { RunId, TenantId } from "../ids.ts";
import type { Json } from "../json.ts";
import { present } from "../present.ts";
import { isTerminal, type RunRecord, type RunStatus, terminalStatuses } from "../run.ts";
import type { RunPosition, RunRow } from "../store.ts";
import { demand, type Precondition } from "./precondition.ts";

const tries = 20;

/**
 * Deletes a run: its history, states and effects are gone, its id stays taken, and no late write brings it back. What
 * descends from it owns what it stands on and goes on. A run that is damaged can be deleted too.
 *
 * @throws `conflict` while the run is being executed.
 */
export async function deleteRun(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  precondition: Precondition,
): Promise<void> {
  const isDeleted = await eraseWhere(host, executor, tenant, runId, (row, now) => {
    const record = readableRecord(row);
    if (record !== undefined) demand(record, precondition);
    // Of a damaged run nobody can say at which revision it is.
    else if (precondition.expectedRevision !== undefined) {
      throw new DurableError("precondition_failed", `run "${runId}" cannot be read`, {
        hint: "delete it without If-Match",
      });
    }
    if (!isExecuted(record, now)) return true;
    throw new DurableError("conflict", `run "${runId}" is being executed`, {
      retryAfterMs: (record?.lease?.endsAt ?? now) - now,
      hint: "cancel it first",
    });
  });
  if (!isDeleted) missingRun(runId);
}

/** Erases a run as long as its row, in whatever form it is found, may be erased. False where it may not, or is gone. */
async function eraseWhere(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  runId: RunId,
  mayErase: (row: RunRow, now: number) => boolean,
): Promise<boolean> {
  for (let attempt = 0; attempt < tries; attempt++) {
    const row = await host.store.getRun(tenant, runId);
    if (row?.status === undefined || !mayErase(row, host.clock.now())) return false;
    if (await erase(host, row)) {
      executor.interrupt({ row }, "the run was deleted");
      return true;
    }
  }
  throw new DurableError("conflict", `run "${runId}" is changed too often at the moment`, { retryAfterMs: 1_000 });
}

// A row that cannot be read says of nobody that he executes it.
function isExecuted(record: RunRecord<Json> | undefined, now: number): boolean {
  return record !== undefined && isLeaseLive(record, now);
}

function readableRecord(row: RunRow): RunRecord<Json> | undefined {
  try {
    return heldRow(row)?.record;
  } catch (error) {
    if (isDurableError(error, "corrupt_data")) return undefined;
    throw error;
  }
}

export interface PruneRequest {
  /** Runs that were created before this time. */
  readonly olderThan: Date;
  /** Which of them; terminal statuses only, all of these where absent. */
  readonly status?: readonly RunStatus[];
  /** How many of the newest terminal runs stay in any case. Default 0. */
  readonly keep?: number;
  /** The most runs to delete in this call. Default 100. */
  readonly limit?: number;
}

export interface Pruned {
  readonly deleted: number;
  /** True where the limit was reached: call again. */
  readonly isMore: boolean;
}

const pageSize = 100;

/**
 * Deletes old runs that have ended, oldest first, in batches of bounded size. A run that goes on meanwhile is spared.
 *
 * @throws `invalid_request` that names the field.
 */
export async function pruneRuns(
  host: Host,
  executor: Executor,
  tenant: TenantId,
  { olderThan, status = terminalStatuses, keep = 0, limit = 100 }: PruneRequest,
): Promise<Pruned> {
  const before = olderThan.getTime();
  if (Number.isNaN(before)) throw invalidRequest("olderThan", "this is not a time");
  const live = status.find((one) => !isTerminal(one));
  if (live !== undefined) throw invalidRequest("status", `a run that is ${live} has not ended`);
  if (!Number.isSafeInteger(keep) || keep < 0) throw invalidRequest("keep", "expected a whole number of at least 0");
  if (!Number.isSafeInteger(limit) || limit < 1) throw invalidRequest("limit", "expected a whole number of at least 1");
  const kept = await newest(host, tenant, keep);
  let deleted = 0;
  for await (const { runId, createdAt } of endedRuns(host, tenant, status, "ascending")) {
    if (createdAt >= before) break;
    if (kept.has(runId)) continue;
    if (deleted === limit) return { deleted, isMore: true };
    const isDeleted = await eraseWhere(
      host,
      executor,
      tenant,
      runId as RunId,
      (row, now) => status.some((one) => one === row.status) && !isExecuted(readableRecord(row), now),
    );
    if (isDeleted) deleted++;
  }
  return { deleted, isMore: false };
}

async function newest(host: Host, tenant: TenantId, keep: number): Promise<ReadonlySet<string>> {
  const kept = new Set<string>();
  if (keep === 0) return kept;
  for await (const { runId } of endedRuns(host, tenant, terminalStatuses, "descending")) {
    kept.add(runId);
    if (kept.size === keep) break;
  }
  return kept;
}

/** The runs of those statuses by birth. Read status by status, so that those that have not ended cost nothing. */
async function* endedRuns(
  host: Host,
  tenant: TenantId,
  statuses: readonly RunStatus[],
  order: "ascending" | "descending",
): AsyncGenerator<RunRow, void, undefined> {
  const sign = order === "ascending" ? 1 : -1;
  for (let after: RunPosition | undefined; ; ) {
    const query = { order, limit: pageSize, ...present({ after }) };
    const pages = await Promise.all(
      [...new Set(statuses)].map((status) => host.store.listRuns(tenant, { ...query, status })),
    );
    const rows = pages.flat().sort((a, b) => sign * (a.createdAt - b.createdAt || (a.runId < b.runId ? -1 : 1)));
    yield* rows.slice(0, pageSize);
    const last = rows[pageSize - 1];
    if (last === undefined) return;
    after = { createdAt: last.createdAt, runId: last.runId };
  }
}
