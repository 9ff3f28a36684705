import { DurableError } from "../../src/index.ts";
import type {
  ClaimRow,
  Commit,
  CommitOutcome,
  EntryRow,
  RunFilter,
  RunRow,
  SnapshotRow,
  Store,
} from "../../src/store.ts";
import { folderLog, type Log } from "./log.ts";

/** A run in memory, and the numbers of its commits in the log. */
type StoredRun = { row: RunRow; entries: EntryRow[]; snapshots: SnapshotRow[]; numbers: number[] };

type Logged = Omit<Commit, "before"> & { readonly owned: readonly ClaimRow[] };

/**
 * A store in a folder, for Node: a log of commits. Each handle has the rows in memory, and before each call it applies the
 * commits that are new. A commit is decided over all of the log, and appended only if the log has not grown since.
 */
export function logStore(folder: string): Store {
  const runs = new Map<string, StoredRun>();
  const claims = new Map<string, ClaimRow>();
  let log: Log | undefined;
  let isClosed = false;

  /** The outcome of a commit over the whole log. An exception means that nothing is written. */
  function decide(commit: Commit): CommitOutcome {
    const { run, over = commit.run.revision - 1, earlier = [], entry, claims: brought = [], now, erase } = commit;
    for (const { kind, key } of brought) {
      const claim = claims.get(keyOf(run.tenant, kind, key));
      const isInForce = claim !== undefined && (claim.lapsesAt === undefined || claim.lapsesAt > now);
      if (isInForce && claim.runId !== run.runId) return { kind: "claimed", claim };
    }
    const before = runs.get(keyOf(run.tenant, run.runId));
    if (over !== (before?.row.revision ?? 0)) return { kind: "conflict" };

    const entries = [...((!erase && before?.entries) || []), ...earlier, ...(entry ? [entry] : [])];
    const ids = entries.flatMap(({ checkpointId }) => checkpointId ?? []);
    if (new Set(ids).size < ids.length) throw new Error(`a checkpoint of that id is in ${run.runId} already`);
    return { kind: "committed" };
  }

  /**
   * A commit as the log holds it. One that erases names the claims that the run has, without their bodies: the commits that
   * made them will be empty, and claims of other runs that they replaced must not be back then.
   */
  function logged({ before: _, ...commit }: Commit): Logged {
    const owned = commit.erase ? claimsOf(commit.run).map((claim) => ({ ...claim, body: "" })) : [];
    return { ...commit, owned };
  }

  function apply({ run, earlier = [], entry, claims: brought = [], erase, owned }: Logged, number: number): void {
    const { tenant, runId, revision } = run;
    const stored = runs.get(keyOf(tenant, runId)) ?? { row: run, entries: [], snapshots: [], numbers: [] };
    if (erase) {
      log?.empty(stored.numbers);
      for (const claim of owned) {
        const key = keyOf(tenant, claim.kind, claim.key);
        if (claim.lapsesAt === undefined) claims.delete(key);
        else claims.set(key, claim);
      }
      Object.assign(stored, { entries: [], snapshots: [], numbers: [] });
    }
    stored.row = run;
    stored.numbers.push(number);
    for (const { snapshot, ...row } of [...earlier, ...(entry ? [{ ...entry, revision }] : [])]) {
      stored.entries.push(Object.freeze({ ...row, tenant, runId }));
      if (snapshot !== undefined) stored.snapshots.push(Object.freeze({ revision: row.revision, body: snapshot }));
    }
    for (const claim of brought) {
      claims.set(keyOf(tenant, claim.kind, claim.key), Object.freeze({ ...claim, tenant, runId }));
    }
    runs.set(keyOf(tenant, runId), stored);
  }

  /** Opens the log for the first call, and applies what is new in it. */
  function caughtUp(): Log {
    if (isClosed) throw new Error("this store is closed");
    log ??= folderLog(folder);
    // Frozen, since every caller that reads a row shares it.
    log.catchUp((text, number) => apply(JSON.parse(text, (_, value) => Object.freeze(value)) as Logged, number));
    return log;
  }

  /** Answers a call. What the medium throws is a rejection, with its cause. */
  async function answer<T>(operation: string, give: (log: Log) => T): Promise<T> {
    try {
      return give(caughtUp());
    } catch (cause) {
      throw new DurableError("store_failed", `${operation} in ${folder}: ${(cause as Error).message}`, { cause });
    }
  }

  /** Rows without tombstones, which have no status. Of a filter only the known names count. */
  function listed({ tenant, status, skillId, sourceRunId }: RunFilter & { readonly tenant?: string | undefined }) {
    const wanted = Object.entries({ tenant, status, skillId, sourceRunId }).filter(([, value]) => value !== undefined);
    const rows = [...runs.values()].map(({ row }) => row).filter((row) => row.status !== undefined);
    return rows.filter((row) => wanted.every(([name, value]) => row[name as keyof RunRow] === value));
  }

  const claimsOf = ({ tenant, runId }: Pick<ClaimRow, "tenant" | "runId">) =>
    [...claims.values()].filter((claim) => claim.tenant === tenant && claim.runId === runId);

  return {
    getRun: (tenant, runId) => answer("getRun", () => runs.get(keyOf(tenant, runId))?.row),

    listRuns: (tenant, { after, offset = 0, limit, order, ...filter }) =>
      answer("listRuns", () => {
        const sign = order === "ascending" ? 1 : -1;
        const rows = listed({ ...filter, tenant }).filter((row) => !after || sign * byBirth(row, after) > 0);
        return rows.sort((a, b) => sign * byBirth(a, b)).slice(offset, offset + limit);
      }),

    countRuns: (tenant, filter) => answer("countRuns", () => listed({ ...filter, tenant }).length),

    usage: (tenant) =>
      answer("usage", () => {
        const ofRuns = [...runs.values()].filter(({ row }) => row.tenant === tenant);
        const ofClaims = [...claims.values()].filter((claim) => claim.tenant === tenant);
        const rows = [...ofRuns.flatMap(({ row, entries, snapshots }) => [row, ...entries, ...snapshots]), ...ofClaims];
        const bytes = rows.reduce((sum, { body }) => sum + Buffer.byteLength(body), 0);
        return { runs: listed({ tenant }).length, bytes };
      }),

    dueRuns: ({ now, limit, tenant, exceptTenants = [], after }) =>
      answer("dueRuns", () => {
        const rows = listed({ tenant }).filter((row) => !exceptTenants.includes(row.tenant));
        const due = rows.filter(({ dueAt }) => dueAt !== undefined && dueAt <= now);
        return due
          .filter((row) => !after || byDue(row, after) > 0)
          .sort(byDue)
          .slice(0, limit);
      }),

    getEntry: (tenant, runId, checkpointId) =>
      answer("getEntry", () => {
        const { entries = [] } = runs.get(keyOf(tenant, runId)) ?? {};
        return entries.find((entry) => entry.checkpointId === checkpointId);
      }),

    listEntries: (tenant, runId, { after = 0, limit, checkpointsOnly = false }) =>
      answer("listEntries", () => {
        const { entries = [] } = runs.get(keyOf(tenant, runId)) ?? {};
        const listed = entries.filter(({ checkpointId }) => !checkpointsOnly || checkpointId !== undefined);
        return listed.filter(({ revision }) => revision > after).slice(0, limit);
      }),

    getSnapshots: (tenant, runId, from, to) =>
      answer("getSnapshots", () => {
        const { snapshots = [] } = runs.get(keyOf(tenant, runId)) ?? {};
        return snapshots.filter(({ revision }) => from <= revision && revision <= to);
      }),

    getClaim: (tenant, kind, key) => answer("getClaim", () => claims.get(keyOf(tenant, kind, key))),

    listClaims: (tenant, runId, { after, limit }) =>
      answer("listClaims", () => {
        const rows = claimsOf({ tenant, runId }).filter((claim) => !after || byName(claim, after) > 0);
        return rows.sort(byName).slice(0, limit);
      }),

    commit: (commit) =>
      answer("commit", (log) => {
        for (;;) {
          const outcome = decide(commit);
          const isDone = outcome.kind !== "committed" || log.append(JSON.stringify(logged(commit)));
          // Applies this commit, or that of a handle that was faster: then this one is decided again, over that.
          caughtUp();
          if (isDone) return outcome;
        }
      }),

    close: async () => {
      isClosed = true;
      log?.close();
      log = undefined;
    },
  };
}

/** U+0000 cannot occur in an id, so no two rows have the same key. */
const keyOf = (...ids: readonly string[]) => ids.join("\0");

/** Compares rows by these fields in turn: numbers by size, ids by code unit. */
function by<Name extends string>(...names: readonly Name[]) {
  type Row = { readonly [name in Name]?: string | number };
  return (a: Row, b: Row) => {
    const name = names.find((name) => a[name] !== b[name]);
    return name === undefined ? 0 : (a[name] as string) < (b[name] as string) ? -1 : 1;
  };
}
const byBirth = by("createdAt", "runId");
const byDue = by("dueAt", "runId", "tenant");
const byName = by("kind", "key");
