import type { SnapshotRow } from "../../store.ts";
import { commitsInstead, saboteur } from "./saboteur.ts";

export const snapshotSaboteurs = [
  saboteur("range-without-end", "The range of snapshots ends before `to`.", ["snapshots.range"], (good) => ({
    getSnapshots: (tenant, runId, from, to) => good.getSnapshots(tenant, runId, from, to - 1),
  })),

  saboteur("range-without-start", "The range of snapshots begins after `from`.", ["snapshots.range"], (good) => ({
    getSnapshots: (tenant, runId, from, to) => good.getSnapshots(tenant, runId, from + 1, to),
  })),

  saboteur(
    "snapshots-never-missing",
    "Every commit with an entry has a snapshot, if an empty one.",
    ["snapshots.missing", "snapshots.gaps"],
    commitsInstead((commit) => (commit.entry ? { ...commit, entry: { snapshot: "", ...commit.entry } } : commit)),
  ),

  saboteur(
    "empty-range-throws",
    "A range of snapshots that holds no revision rejects.",
    ["snapshots.gaps"],
    (good) => ({
      getSnapshots: async (tenant, runId, from, to) => {
        if (from > to) throw new RangeError("the range ends before it begins");
        return good.getSnapshots(tenant, runId, from, to);
      },
    }),
  ),

  saboteur("one-body-for-all", "Every snapshot of a range has the body of the last.", ["snapshots.bodies"], (good) => ({
    getSnapshots: async (...range) => {
      const snapshots = await good.getSnapshots(...range);
      return snapshots.map(({ revision }) => ({ revision, body: snapshots.at(-1)?.body ?? "" }));
    },
  })),

  saboteur(
    "snapshots-of-all",
    "The range has the snapshots of every run of the tenant.",
    ["snapshots.own"],
    (_, tables) => ({
      getSnapshots: async (tenant, _runId, from, to): Promise<readonly SnapshotRow[]> =>
        tables.snapshots
          .filter((one) => one.tenant === tenant && from <= one.revision && one.revision <= to)
          .map(({ revision, body }) => ({ revision, body })),
    }),
  ),
];
