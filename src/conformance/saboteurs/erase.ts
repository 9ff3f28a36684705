import type { ClaimRow } from "../../store.ts";
import {
  byBirth,
  byKey,
  erase,
  findClaim,
  findRun,
  isOf,
  type Tables,
  verdict,
  write,
  writeClaims,
} from "../tables.ts";
import { commitsAnd, commitsInstead, type Spoil, saboteur } from "./saboteur.ts";

export const eraseSaboteurs = [
  saboteur("tombstone-unread", "`getRun` does not give a tombstone.", ["erase.tombstone"], (good) => ({
    getRun: async (tenant, runId) => {
      const run = await good.getRun(tenant, runId);
      return run?.status === undefined ? undefined : run;
    },
  })),

  saboteur(
    "erases-nothing",
    "An erasing commit writes its row and erases nothing.",
    ["erase.entries", "erase.snapshots", "erase.lasting-claims", "erase.lapsing-claims"],
    commitsInstead(({ erase: _ignored, ...commit }) => commit),
  ),

  saboteur("entries-outlive", "Erasing forgets the entries.", ["erase.entries"], keepsOnErase("entries")),

  saboteur("snapshots-outlive", "Erasing forgets the snapshots.", ["erase.snapshots"], keepsOnErase("snapshots")),

  saboteur(
    "claims-outlive",
    "Erasing forgets the claims.",
    ["erase.lasting-claims", "erase.lapsing-claims"],
    keepsOnErase("claims"),
  ),

  saboteur(
    "lapsing-claims-erased",
    "Erasing takes the lapsing claims too.",
    ["erase.lapsing-claims", "erase.claims-in-force", "erase.comes-first"],
    commitsAnd((outcome, commit, tables) => {
      if (outcome !== "committed" || commit.erase !== true) return;
      const { tenant, runId } = commit.run;
      tables.claims = tables.claims.filter((claim) => !isOf(claim, tenant, runId));
      writeClaims(tables, commit);
    }),
  ),

  saboteur(
    "lapse-lost",
    "A lapsing claim of an erased run lasts for ever.",
    ["erase.lapsing-claims", "erase.claims-in-force"],
    commitsAnd((outcome, { run, erase: isErasing }, tables) => {
      if (outcome !== "committed" || isErasing !== true) return;
      tables.claims = tables.claims.map((claim) => {
        if (!isOf(claim, run.tenant, run.runId)) return claim;
        const { lapsesAt: _lost, ...lasting } = claim;
        return lasting;
      });
    }),
  ),

  saboteur("lists-tombstones", "Tombstones are listed.", ["erase.unlisted", "erase.paged-over"], (_, tables) => ({
    listRuns: async (tenant, { limit }) =>
      tables.runs
        .filter((run) => run.tenant === tenant)
        .sort(byBirth)
        .slice(0, limit),
  })),

  saboteur("counts-tombstones", "Tombstones are counted.", ["erase.unlisted"], (_, tables) => ({
    countRuns: async (tenant, { skillId }) =>
      tables.runs.filter((run) => run.tenant === tenant && (skillId === undefined || run.skillId === skillId)).length,
  })),

  saboteur("tombstones-due", "Tombstones are due.", ["erase.unlisted"], (_, tables) => ({
    dueRuns: async ({ now, limit }) => tables.runs.filter((run) => (run.dueAt ?? now + 1) <= now).slice(0, limit),
  })),

  saboteur(
    "tombstones-in-page",
    "Tombstones are taken out of a page that was cut before.",
    ["erase.paged-over"],
    (_, tables) => ({
      listRuns: async (tenant, { limit, offset = 0 }) =>
        tables.runs
          .filter((run) => run.tenant === tenant)
          .sort(byBirth)
          .slice(offset, offset + limit)
          .filter((run) => run.status !== undefined),
    }),
  ),

  saboteur(
    "tombstone-overwritten",
    "A tombstone gives way to any row.",
    ["erase.late-write", "erase.id-taken"],
    (good, tables) => ({
      commit: async (commit) => {
        const { tenant, runId } = commit.run;
        const current = findRun(tables, tenant, runId);
        if (current === undefined || current.status !== undefined) return good.commit(commit);
        write(tables, commit);
        return { kind: "committed" };
      },
    }),
  ),

  saboteur(
    "row-erased",
    "Erasing takes the row as well, so that the id is free.",
    ["erase.id-taken", "erase.tombstone"],
    commitsAnd((outcome, { run, erase: isErasing }, tables) => {
      if (outcome !== "committed" || isErasing !== true) return;
      tables.runs = tables.runs.filter((row) => !isOf(row, run.tenant, run.runId));
    }),
  ),

  saboteur(
    "erases-by-prefix",
    "Erasing takes every run whose id begins alike.",
    ["erase.neighbors"],
    commitsAnd((outcome, { run, erase: isErasing }, tables) => {
      if (outcome !== "committed" || isErasing !== true) return;
      const alike = tables.runs.filter((row) => row.tenant === run.tenant && row.runId.startsWith(run.runId));
      for (const row of alike) erase(tables, row);
    }),
  ),

  saboteur(
    "erases-former-claims",
    "Erasing takes claims that were the run's once.",
    ["erase.claims-given-up"],
    (good, tables) => {
      const former: ClaimRow[] = [];
      return {
        commit: async (commit) => {
          const { run, claims = [] } = commit;
          const outcome = await good.commit(commit);
          if (outcome.kind !== "committed") return outcome;
          former.push(...claims.map((claim) => ({ ...claim, tenant: run.tenant, runId: run.runId })));
          if (commit.erase !== true) return outcome;
          const own = former.filter((claim) => isOf(claim, run.tenant, run.runId));
          const now = own.map(({ kind, key }) => findClaim(tables, run.tenant, kind, key));
          const taken = now.filter((claim) => claim !== undefined && claim.runId !== run.runId);
          tables.claims = tables.claims.filter(
            (claim) => !taken.some((one) => one !== undefined && byKey(one, claim) === 0),
          );
          return outcome;
        },
      };
    },
  ),

  saboteur(
    "former-claims-back",
    "Erasing a run puts the claims back that the run had taken over.",
    ["erase.claims-taken-over"],
    (good, tables) => {
      const replaced: { readonly by: string; readonly claim: ClaimRow }[] = [];
      return {
        commit: async (commit) => {
          const { run, claims = [] } = commit;
          const before = claims.map(({ kind, key }) => findClaim(tables, run.tenant, kind, key));
          const outcome = await good.commit(commit);
          if (outcome.kind !== "committed") return outcome;
          for (const claim of before) {
            if (claim !== undefined && claim.runId !== run.runId) replaced.push({ by: run.runId, claim });
          }
          if (commit.erase !== true) return outcome;
          const back = replaced.filter(({ by, claim }) => by === run.runId && claim.tenant === run.tenant);
          tables.claims = [...tables.claims, ...back.map(({ claim }) => claim)];
          return outcome;
        },
      };
    },
  ),

  saboteur("erases-last", "Erasing comes after the rest of its commit.", ["erase.comes-first"], (_, tables) => ({
    commit: async (commit) => {
      const outcome = verdict(tables, commit);
      if (outcome.kind === "committed") write(tables, commit);
      if (outcome.kind === "committed" && commit.erase === true) erase(tables, commit.run);
      return outcome;
    },
  })),
];

/** Erases, and then puts one table back as it was. */
function keepsOnErase(table: Exclude<keyof Tables, "runs">): Spoil {
  return (good, tables) => ({
    commit: async (commit) => {
      const kept = { [table]: tables[table] };
      const outcome = await good.commit(commit);
      if (outcome.kind === "committed" && commit.erase === true) Object.assign(tables, kept);
      return outcome;
    },
  });
}
