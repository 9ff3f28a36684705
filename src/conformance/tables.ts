import { DurableError } from "../errors.ts";
import type { ClaimRow, Commit, CommitOutcome, EntryRow, RunFilter, RunRow, SnapshotRow } from "../store.ts";
import { compareText } from "./rows.ts";

/** The rows of a medium in the plainest form. */
export interface Tables {
  runs: RunRow[];
  entries: EntryRow[];
  snapshots: OwnedSnapshot[];
  claims: ClaimRow[];
}

export type OwnedSnapshot = SnapshotRow & Pick<RunRow, "tenant" | "runId">;

export function emptyTables(): Tables {
  return { runs: [], entries: [], snapshots: [], claims: [] };
}

/** The outcome of a commit. Throws if it brings a checkpoint id that the run already has. */
export function verdict(tables: Tables, commit: Commit): CommitOutcome {
  const held = heldClaim(tables, commit);
  if (held !== undefined) return { kind: "claimed", claim: held };
  if (!passesFence(tables, commit)) return { kind: "conflict" };
  if (repeatsCheckpoint(tables, commit)) throw new DurableError("store_failed", "The run has that checkpoint id.");
  return { kind: "committed" };
}

export function heldClaim(tables: Tables, { run, claims = [], now }: Commit): ClaimRow | undefined {
  return claims
    .map(({ kind, key }) => findClaim(tables, run.tenant, kind, key))
    .find((claim) => claim !== undefined && claim.runId !== run.runId && isInForce(claim, now));
}

export function passesFence(tables: Tables, { run, over = run.revision - 1 }: Commit): boolean {
  return (findRun(tables, run.tenant, run.runId)?.revision ?? 0) === over;
}

export function repeatsCheckpoint(tables: Tables, { run, earlier = [], entry, erase }: Commit): boolean {
  const ids = [...earlier, ...(entry === undefined ? [] : [entry])].flatMap(({ checkpointId }) => checkpointId ?? []);
  if (new Set(ids).size < ids.length) return true;
  if (erase === true) return false;
  return tables.entries.some((old) => isOf(old, run.tenant, run.runId) && ids.includes(old.checkpointId ?? ""));
}

/** Puts all of a commit, without asking whether it may. */
export function write(tables: Tables, commit: Commit): void {
  if (commit.erase === true) erase(tables, commit.run);
  writeRow(tables, commit.run);
  writeEntry(tables, commit);
  writeClaims(tables, commit);
}

export function erase(tables: Tables, { tenant, runId }: Pick<RunRow, "tenant" | "runId">): void {
  tables.entries = tables.entries.filter((entry) => !isOf(entry, tenant, runId));
  tables.snapshots = tables.snapshots.filter((snapshot) => !isOf(snapshot, tenant, runId));
  tables.claims = tables.claims
    .filter((claim) => !isOf(claim, tenant, runId) || claim.lapsesAt !== undefined)
    .map((claim) => (isOf(claim, tenant, runId) ? { ...claim, body: "" } : claim));
}

export function writeRow(tables: Tables, run: RunRow): void {
  tables.runs = [...tables.runs.filter((old) => !isOf(old, run.tenant, run.runId)), { ...run }];
}

/** The entries of a commit, each with its revision. */
export function writeEntry(tables: Tables, { run, earlier = [], entry }: Commit): void {
  const { tenant, runId } = run;
  for (const one of [...earlier, ...(entry === undefined ? [] : [{ ...entry, revision: run.revision }])]) {
    const { snapshot, ...row } = one;
    const { revision } = row;
    tables.entries = [...tables.entries, { tenant, runId, ...row }];
    if (snapshot !== undefined) tables.snapshots = [...tables.snapshots, { tenant, runId, revision, body: snapshot }];
  }
}

export function writeClaims(tables: Tables, { run, claims = [] }: Commit): void {
  const { tenant, runId } = run;
  for (const claim of claims) {
    const others = tables.claims.filter((old) => old.tenant !== tenant || byKey(old, claim) !== 0);
    tables.claims = [...others, { tenant, runId, ...claim }];
  }
}

export function findRun(tables: Tables, tenant: string, runId: string): RunRow | undefined {
  return tables.runs.find((run) => isOf(run, tenant, runId));
}

export function findClaim(tables: Tables, tenant: string, kind: string, key: string): ClaimRow | undefined {
  return tables.claims.find((claim) => claim.tenant === tenant && claim.kind === kind && claim.key === key);
}

export function isInForce({ lapsesAt }: ClaimRow, now: number): boolean {
  return lapsesAt === undefined || lapsesAt > now;
}

export function liveRuns(tables: Tables, tenant: string, filter: RunFilter): RunRow[] {
  return tables.runs.filter(
    (run) =>
      run.tenant === tenant &&
      run.status !== undefined &&
      (filter.status === undefined || run.status === filter.status) &&
      (filter.skillId === undefined || run.skillId === filter.skillId) &&
      (filter.sourceRunId === undefined || run.sourceRunId === filter.sourceRunId),
  );
}

export function isOf(owned: Pick<RunRow, "tenant" | "runId">, tenant: string, runId: string): boolean {
  return owned.tenant === tenant && owned.runId === runId;
}

export function byBirth(a: Pick<RunRow, "createdAt" | "runId">, b: Pick<RunRow, "createdAt" | "runId">): number {
  return a.createdAt - b.createdAt || compareText(a.runId, b.runId);
}

export function byDue(a: Due, b: Due): number {
  return (a.dueAt ?? 0) - (b.dueAt ?? 0) || compareText(a.runId, b.runId) || compareText(a.tenant, b.tenant);
}

type Due = Pick<RunRow, "dueAt" | "runId" | "tenant">;

export function byKey(a: Pick<ClaimRow, "kind" | "key">, b: Pick<ClaimRow, "kind" | "key">): number {
  return compareText(a.kind, b.kind) || compareText(a.key, b.key);
}

export function byRevision(a: { readonly revision: number }, b: { readonly revision: number }): number {
  return a.revision - b.revision;
}
