import { findClaim, findRun, writeRow } from "../tables.ts";
import { commitsInstead, saboteur } from "./saboteur.ts";

const everyWalk = ["walk.seed-1", "walk.seed-2", "walk.seed-3"];

/** Stores that are wrong only after a certain course of events. */
export const walkSaboteurs = [
  saboteur(
    "emptied-claim-stays-empty",
    "A claim that was emptied by an erasure stays empty in the hands of its next owner.",
    everyWalk,
    commitsInstead((commit, tables) => ({
      ...commit,
      claims: (commit.claims ?? []).map((claim) => {
        const old = findClaim(tables, commit.run.tenant, claim.kind, claim.key);
        return old?.body === "" ? { ...claim, body: "" } : claim;
      }),
    })),
  ),

  saboteur("createdat-refreshed", "A commit after a wait moves the run in its list.", everyWalk, (good, tables) => ({
    commit: async (commit) => {
      const old = findRun(tables, commit.run.tenant, commit.run.runId);
      const outcome = await good.commit(commit);
      const isWoken = outcome.kind === "committed" && old?.status === "waiting" && commit.run.status === "running";
      if (isWoken) writeRow(tables, { ...commit.run, createdAt: commit.now });
      return outcome;
    },
  })),
];
