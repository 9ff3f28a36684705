import type { RunRow } from "../../store.ts";
import { findRun, isOf } from "../tables.ts";
import { commitsAnd, commitsInstead, saboteur } from "./saboteur.ts";

export const rowSaboteurs = [
  saboteur("null-run", "A missing run is null.", ["rows.missing"], (good) => ({
    getRun: async (tenant, runId) => (await good.getRun(tenant, runId)) ?? (null as unknown as undefined),
  })),

  saboteur(
    "born-now",
    "The store sets createdAt itself, to the time of the commit.",
    ["rows.every-field", "lists.backward-clock"],
    commitsInstead((commit) => ({ ...commit, run: { ...commit.run, createdAt: commit.now } })),
  ),

  saboteur(
    "source-lost",
    "The source run is not kept.",
    ["rows.every-field", "filters.source"],
    commitsInstead(({ run: { sourceRunId: _lost, ...run }, ...commit }) => ({ ...commit, run })),
  ),

  saboteur("nulls", "Absent fields come back as null.", ["rows.absent-fields"], (good) => ({
    getRun: async (tenant, runId) => {
      const run = await good.getRun(tenant, runId);
      return run && ({ status: null, skillId: null, sourceRunId: null, dueAt: null, ...run } as unknown as RunRow);
    },
  })),

  saboteur(
    "fields-stick",
    "A field that the new row lacks keeps its old value.",
    ["rows.replaced-whole", "due.cleared", "filters.latest", "erase.tombstone"],
    commitsInstead((commit, tables) => {
      const old = findRun(tables, commit.run.tenant, commit.run.runId);
      return { ...commit, run: { ...old, ...commit.run } };
    }),
  ),

  saboteur(
    "all-rows-updated",
    "An update sets the status of every run of the tenant.",
    ["rows.neighbors"],
    commitsAnd((outcome, { run }, tables) => {
      if (outcome !== "committed" || run.status === undefined) return;
      const { tenant, status } = run;
      tables.runs = tables.runs.map((row) => (row.tenant === tenant ? { ...row, status } : row));
    }),
  ),

  saboteur(
    "input-kept",
    "The store keeps the caller's own objects.",
    ["rows.input-mutated"],
    commitsAnd((outcome, { run }, tables) => {
      if (outcome !== "committed") return;
      tables.runs = [...tables.runs.filter((row) => !isOf(row, run.tenant, run.runId)), run];
    }),
  ),

  saboteur("output-shared", "The caller gets the stored objects themselves.", ["rows.output-mutated"], (_, tables) => ({
    getRun: async (tenant, runId) => findRun(tables, tenant, runId),
  })),
];
