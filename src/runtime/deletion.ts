import { erase } from "../engine/commit.ts";
import type { Executor } from "../engine/executor.ts";
import { getRun, type Held, heldRow, missingRun } from "../engine/held.ts";
import type { Host } from "../engine/host.ts";
import { isLeaseLive } from "../engine/lease.ts";
import { DurableError, invalidRequest } from "../errors.ts";
import type { RunId, TenantId } from "../ids.ts";
import { present } from "../present.ts";
import { isTerminal, type RunStatus, terminalStatuses } from "../run.ts";
import type { RunPosition } from "../store.ts";

const tries = 20;

/**
 * Deletes a run: its history, states and effects are gone, its id stays taken, and no late write brings it back. What
 * descends from it owns what it stands on and goes on.
 *
 * @throws `conflict` while the run is being executed.
 */
export async function deleteRun(host: Host, executor: Executor, tenant: TenantId, runId: RunId): Promise<void> {
  let held: Held | undefined = await getRun(host, tenant, runId);
  for (let attempt = 0; attempt < tries; attempt++) {
    if (held === undefined) missingRun(runId);
    const { lease } = held.record;
    const now = host.clock.now();
    if (lease !== undefined && isLeaseLive(held.record, now)) {
      throw new DurableError("conflict", `run "${runId}" is being executed`, {
        retryAfterMs: lease.endsAt - now,
        hint: "cancel it first",
      });
    }
    const outcome = await erase(host, held);
    if (outcome.kind === "committed") {
      executor.interrupt(held, "the run was deleted");
      return;
    }
    held = outcome.kind === "conflict" ? outcome.held : held;
  }
  throw new DurableError("conflict", `run "${runId}" is changed too often at the moment`, { retryAfterMs: 1_000 });
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

/** Deletes old runs that have ended, oldest first, in batches of bounded size. */
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
  const kept = await newest(host, tenant, keep);
  let deleted = 0;
  for (let after: RunPosition | undefined; ; ) {
    const query = { order: "ascending" as const, limit: pageSize, ...present({ after }) };
    const page = await host.store.listRuns(tenant, query);
    for (const row of page) {
      if (row.createdAt >= before) return { deleted, isMore: false };
      const run = heldRow(row)?.record.run;
      if (run === undefined || !status.includes(run.status) || kept.has(run.runId)) continue;
      if (deleted === limit) return { deleted, isMore: true };
      await deleteRun(host, executor, tenant, run.runId);
      deleted++;
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return { deleted, isMore: false };
    after = { createdAt: last.createdAt, runId: last.runId };
  }
}

async function newest(host: Host, tenant: TenantId, keep: number): Promise<ReadonlySet<string>> {
  const kept = new Set<string>();
  for (let after: RunPosition | undefined; kept.size < keep; ) {
    const query = { order: "descending" as const, limit: pageSize, ...present({ after }) };
    const page = await host.store.listRuns(tenant, query);
    for (const row of page) {
      if (kept.size < keep && isTerminal(row.status as RunStatus)) kept.add(row.runId);
    }
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) break;
    after = { createdAt: last.createdAt, runId: last.runId };
  }
  return kept;
}
