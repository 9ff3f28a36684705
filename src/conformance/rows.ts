import type { ClaimRow, Commit, CommitOutcome, NewClaim, RunRow, Store } from "../store.ts";
import { expectEqual } from "./expect.ts";

/** The time of a commit that names none. Cases use small times, years before any real clock. */
const someTime = 1_000;

/** The largest limit a case asks for: all there is. */
export const all = 1_000;

/** The last time that a Date can hold. */
export const endOfTime = 8_640_000_000_000_000;

/** A row at revision 1 with these changes. */
export function row(tenant: string, runId: string, over: Partial<RunRow> = {}): RunRow {
  const revision = over.revision ?? 1;
  return { tenant, runId, revision, createdAt: someTime, status: "running", body: `${runId} at ${revision}`, ...over };
}

/** The row without a status that an erasing commit brings. */
export function tombstone(tenant: string, runId: string, revision: number, over: Partial<RunRow> = {}): RunRow {
  return { tenant, runId, revision, createdAt: someTime, body: "erased", ...over };
}

/** A claim of `runId` as a store returns it. */
export function claimRow(tenant: string, runId: string, claim: NewClaim): ClaimRow {
  return { tenant, runId, ...claim };
}

/** What a commit has beside its row. */
export type Beside = Partial<Omit<Commit, "run">>;

export function put(store: Store, run: RunRow, beside: Beside = {}): Promise<CommitOutcome> {
  return store.commit({ now: someTime, ...beside, run });
}

export async function expectCommitted(store: Store, run: RunRow, beside: Beside = {}): Promise<void> {
  expectEqual(await put(store, run, beside), { kind: "committed" }, `commit of ${run.runId} at ${run.revision}`);
}

export async function expectConflict(store: Store, run: RunRow, beside: Beside = {}): Promise<void> {
  expectEqual(await put(store, run, beside), { kind: "conflict" }, `commit of ${run.runId} at ${run.revision}`);
}

export async function expectClaimed(store: Store, claim: ClaimRow, run: RunRow, beside: Beside): Promise<void> {
  expectEqual(await put(store, run, beside), { kind: "claimed", claim }, `commit of ${run.runId} at ${run.revision}`);
}

/** Everything that a store returns about some runs of a tenant. Compare two of them to see that nothing was written. */
export async function contents(store: Store, tenant: string, runIds: readonly string[]): Promise<object> {
  const runs = [];
  for (const runId of runIds) {
    runs.push({
      row: await store.getRun(tenant, runId),
      entries: await store.listEntries(tenant, runId, { limit: all }),
      snapshots: await store.getSnapshots(tenant, runId, 0, all),
      claims: await store.listClaims(tenant, runId, { limit: all }),
    });
  }
  const listed = await store.listRuns(tenant, { limit: all, order: "ascending" });
  const due = await store.dueRuns({ tenant, now: endOfTime, limit: all });
  return { runs, listed, due, count: await store.countRuns(tenant, {}), usage: await store.usage(tenant) };
}

/** The run ids of rows, in their order. */
export function runIds(rows: readonly RunRow[]): readonly string[] {
  return rows.map((row) => row.runId);
}

/** By code unit, as every medium must sort ids. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
