import { DurableError } from "../errors.ts";
import { utf8Length } from "../json.ts";
import type { Store } from "../store.ts";
import {
  byBirth,
  byDue,
  byKey,
  byRevision,
  findClaim,
  findRun,
  isOf,
  liveRuns,
  type Tables,
  verdict,
  write,
} from "./tables.ts";

/**
 * The Store contract as the plainest program that keeps it: four arrays, searched from end to end. The suite holds
 * other stores against it, and saboteurs are this store with one clause broken.
 */
export function modelStore(tables: Tables): Store {
  let closed = false;
  const answer = async <T>(give: () => T): Promise<T> => {
    if (closed) throw new DurableError("store_failed", "The store is closed.");
    return structuredClone(give());
  };
  return {
    getRun: (tenant, runId) => answer(() => findRun(tables, tenant, runId)),
    listRuns: (tenant, { after, offset = 0, limit, order, ...filter }) =>
      answer(() => {
        const sign = order === "ascending" ? 1 : -1;
        return liveRuns(tables, tenant, filter)
          .sort((a, b) => sign * byBirth(a, b))
          .filter((run) => after === undefined || sign * byBirth(run, after) > 0)
          .slice(offset, offset + limit);
      }),
    countRuns: (tenant, filter) => answer(() => liveRuns(tables, tenant, filter).length),
    usage: (tenant) =>
      answer(() => {
        const rows = [tables.runs, tables.entries, tables.snapshots, tables.claims].flat();
        const bodies = rows.filter((one) => one.tenant === tenant).map(({ body }) => body);
        return { runs: liveRuns(tables, tenant, {}).length, bytes: utf8Length(bodies.join("")) };
      }),
    dueRuns: ({ now, limit, tenant, exceptTenants = [], after }) =>
      answer(() =>
        tables.runs
          .filter((run) => (tenant === undefined || run.tenant === tenant) && run.status !== undefined)
          .filter((run) => !exceptTenants.includes(run.tenant))
          .filter((run) => run.dueAt !== undefined && run.dueAt <= now)
          .filter((run) => after === undefined || byDue(run, after) > 0)
          .sort(byDue)
          .slice(0, limit),
      ),
    getEntry: (tenant, runId, checkpointId) =>
      answer(() => tables.entries.find((entry) => isOf(entry, tenant, runId) && entry.checkpointId === checkpointId)),
    listEntries: (tenant, runId, { after = 0, limit, checkpointsOnly = false }) =>
      answer(() =>
        tables.entries
          .filter((entry) => isOf(entry, tenant, runId) && entry.revision > after)
          .filter((entry) => !checkpointsOnly || entry.checkpointId !== undefined)
          .sort(byRevision)
          .slice(0, limit),
      ),
    getSnapshots: (tenant, runId, from, to) =>
      answer(() =>
        tables.snapshots
          .filter((one) => isOf(one, tenant, runId) && from <= one.revision && one.revision <= to)
          .sort(byRevision)
          .map(({ revision, body }) => ({ revision, body })),
      ),
    getClaim: (tenant, kind, key) => answer(() => findClaim(tables, tenant, kind, key)),
    listClaims: (tenant, runId, { after, limit }) =>
      answer(() =>
        tables.claims
          .filter((claim) => isOf(claim, tenant, runId) && (after === undefined || byKey(claim, after) > 0))
          .sort(byKey)
          .slice(0, limit),
      ),
    commit: (commit) =>
      answer(() => {
        const outcome = verdict(tables, commit);
        if (outcome.kind === "committed") write(tables, commit);
        return outcome;
      }),
    close: async () => {
      closed = true;
    },
  };
}
