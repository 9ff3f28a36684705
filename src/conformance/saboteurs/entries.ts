import type { EntryRow } from "../../store.ts";
import { all } from "../rows.ts";
import { isOf, repeatsCheckpoint, verdict } from "../tables.ts";
import { commitsAnd, commitsInstead, decidesBy, saboteur } from "./saboteur.ts";

export const entrySaboteurs = [
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
