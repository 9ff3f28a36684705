import type { EntryRow, SnapshotRow } from "../../store.ts";
import { all, compareText } from "../rows.ts";
import { byKey, isOf, repeatsCheckpoint, verdict } from "../tables.ts";
import { commitsAnd, commitsInstead, decidesBy, saboteur } from "./saboteur.ts";

/** Against claim lists, entries and snapshots: what is read of one run. */
export const historySaboteurs = [
  saboteur(
    "unknown-run-throws",
    "Reading of a run that is not there rejects.",
    ["claim-lists.empty", "entries.missing", "snapshots.missing"],
    (good) => {
      const demand = async (tenant: string, runId: string) => {
        if ((await good.getRun(tenant, runId)) === undefined) throw new Error("no such run");
      };
      return {
        listClaims: (tenant, runId, query) => demand(tenant, runId).then(() => good.listClaims(tenant, runId, query)),
        listEntries: (tenant, runId, query) => demand(tenant, runId).then(() => good.listEntries(tenant, runId, query)),
        getSnapshots: (...range) => demand(range[0], range[1]).then(() => good.getSnapshots(...range)),
      };
    },
  ),

  saboteur("claims-of-all", "The claims of every run of the tenant are listed.", ["claim-lists.own"], (_, tables) => ({
    listClaims: async (tenant) => tables.claims.filter((claim) => claim.tenant === tenant).sort(byKey),
  })),

  saboteur("claims-by-key", "Claims are sorted by key alone.", ["claim-lists.order"], (good) => ({
    listClaims: async (tenant, runId, query) =>
      [...(await good.listClaims(tenant, runId, query))].sort((a, b) => compareText(a.key, b.key)),
  })),

  saboteur(
    "claims-by-joined-text",
    "Claims are sorted by kind and key as one text.",
    ["claim-lists.order"],
    (good) => ({
      listClaims: async (tenant, runId, query) =>
        [...(await good.listClaims(tenant, runId, query))].sort((a, b) => compareText(a.kind + a.key, b.kind + b.key)),
    }),
  ),

  saboteur("claims-from", "`after` is inclusive in lists of claims.", ["claim-lists.after"], (_, tables) => ({
    listClaims: async (tenant, runId, { after, limit }) =>
      tables.claims
        .filter((claim) => isOf(claim, tenant, runId) && (after === undefined || byKey(claim, after) >= 0))
        .sort(byKey)
        .slice(0, limit),
  })),

  saboteur(
    "claims-after-both",
    "`after` wants a greater kind and a greater key.",
    ["claim-lists.after"],
    (_, tables) => ({
      listClaims: async (tenant, runId, { after, limit }) =>
        tables.claims
          .filter((claim) => isOf(claim, tenant, runId))
          .filter(({ kind, key }) => after === undefined || (kind >= after.kind && key > after.key))
          .sort(byKey)
          .slice(0, limit),
    }),
  ),

  saboteur("claims-unlimited", "Lists of claims ignore their limit.", ["claim-lists.limit"], (good) => ({
    listClaims: (tenant, runId, query) => good.listClaims(tenant, runId, { ...query, limit: all }),
  })),

  saboteur("null-entry", "A missing checkpoint is null.", ["entries.missing"], (good) => ({
    getEntry: async (...key) => (await good.getEntry(...key)) ?? (null as unknown as undefined),
  })),

  saboteur("snapshot-in-entry", "Entries are listed with their snapshots.", ["entries.every-field"], (good) => ({
    listEntries: async (tenant, runId, query) => {
      const entries = await good.listEntries(tenant, runId, query);
      const snapshots = await good.getSnapshots(tenant, runId, 0, all);
      const bodyAt = new Map(snapshots.map(({ revision, body }) => [revision, body]));
      return entries.map((entry) => ({ ...entry, snapshot: bodyAt.get(entry.revision) }));
    },
  })),

  saboteur(
    "entries-counted",
    "An entry has its place in the history, not its row's revision.",
    ["entries.every-field", "entries.gaps"],
    (good) => ({
      listEntries: async (tenant, runId, query) =>
        (await good.listEntries(tenant, runId, query)).map((entry, index) => ({ ...entry, revision: index + 1 })),
    }),
  ),

  saboteur(
    "own-keyframe",
    "Every checkpoint names itself as its keyframe.",
    ["entries.keyframe"],
    commitsInstead((commit) => {
      if (commit.entry?.keyframe === undefined) return commit;
      return { ...commit, entry: { ...commit.entry, keyframe: commit.run.revision } };
    }),
  ),

  saboteur(
    "revisions-as-text",
    "Entries and snapshots are sorted by revision as text.",
    ["entries.order", "snapshots.order"],
    (good) => ({
      listEntries: async (tenant, runId, query) => (await good.listEntries(tenant, runId, query)).toSorted(byText),
      getSnapshots: async (...range) => (await good.getSnapshots(...range)).toSorted(byText),
    }),
  ),

  saboteur("newest-first", "Entries and snapshots come descending.", ["entries.order", "snapshots.order"], (good) => ({
    listEntries: async (tenant, runId, query) => (await good.listEntries(tenant, runId, query)).toReversed(),
    getSnapshots: async (...range) => (await good.getSnapshots(...range)).toReversed(),
  })),

  saboteur(
    "entry-always",
    "A commit without an entry writes an empty one.",
    ["entries.gaps"],
    commitsInstead((commit) => ({ ...commit, entry: commit.entry ?? { body: "" } })),
  ),

  saboteur("entries-from", "`after` is inclusive in lists of entries.", ["entries.after"], (good) => ({
    listEntries: (tenant, runId, { after = 1, ...query }) =>
      good.listEntries(tenant, runId, { ...query, after: after - 1 }),
  })),

  saboteur("entries-unlimited", "Lists of entries ignore their limit.", ["entries.limit"], (good) => ({
    listEntries: (tenant, runId, query) => good.listEntries(tenant, runId, { ...query, limit: all }),
  })),

  saboteur("checkpoints-and-others", "`checkpointsOnly` is ignored.", ["entries.checkpoints-only"], (good) => ({
    listEntries: (tenant, runId, { checkpointsOnly: _ignored, ...query }) => good.listEntries(tenant, runId, query),
  })),

  saboteur(
    "checkpoints-of-a-page",
    "`checkpointsOnly` thins a page that was cut before.",
    ["entries.checkpoints-only"],
    (good) => ({
      listEntries: async (tenant, runId, { checkpointsOnly, ...query }) =>
        (await good.listEntries(tenant, runId, query)).filter(
          (entry) => !checkpointsOnly || entry.checkpointId !== undefined,
        ),
    }),
  ),

  saboteur(
    "last-checkpoint",
    "Any checkpoint id finds the run's last checkpoint.",
    ["entries.by-checkpoint"],
    (good) => ({
      getEntry: async (tenant, runId, checkpointId) => {
        if ((await good.getEntry(tenant, runId, checkpointId)) === undefined) return undefined;
        return (await good.listEntries(tenant, runId, { limit: all, checkpointsOnly: true })).at(-1);
      },
    }),
  ),

  saboteur(
    "duplicate-replaces",
    "A repeated checkpoint id replaces the older entry.",
    ["entries.duplicate-rejects", "atomic.duplicate-checkpoint"],
    (good, tables) => ({
      commit: async (commit) => {
        if (repeatsCheckpoint(tables, commit)) {
          const { tenant, runId } = commit.run;
          const { checkpointId } = commit.entry ?? {};
          tables.entries = tables.entries.filter(
            (entry) => !isOf(entry, tenant, runId) || entry.checkpointId !== checkpointId,
          );
        }
        return good.commit(commit);
      },
    }),
  ),

  saboteur(
    "unique-everywhere",
    "A checkpoint id is taken when any run of the tenant has it.",
    ["entries.unique-within-run"],
    decidesBy((tables, commit) => {
      const outcome = verdict(tables, commit);
      const { checkpointId } = commit.entry ?? {};
      const isTaken = tables.entries.some(
        (entry) =>
          entry.tenant === commit.run.tenant && checkpointId !== undefined && entry.checkpointId === checkpointId,
      );
      if (isTaken) throw new Error("duplicate");
      return outcome;
    }),
  ),

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

  saboteur(
    "entries-capped",
    "A history keeps its last eight entries.",
    ["entries.order", "entries.by-checkpoint"],
    commitsAnd((_outcome, { run }, tables) => {
      const own = tables.entries.filter((entry: EntryRow) => isOf(entry, run.tenant, run.runId));
      tables.entries = tables.entries.filter((entry) => !own.slice(0, -8).includes(entry));
    }),
  ),
];

function byText(a: { readonly revision: number }, b: { readonly revision: number }): number {
  return compareText(String(a.revision), String(b.revision));
}
