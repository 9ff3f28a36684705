import { erase, findClaim, verdict, writeClaims, writeEntry, writeRow } from "../tables.ts";
import { commitsAnd, commitsInstead, saboteur } from "./saboteur.ts";

export const atomicSaboteurs = [
  saboteur(
    "one-claim-of-several",
    "Only the first claim of a commit is written.",
    ["atomic.all", "claims.free"],
    commitsInstead((commit) => (commit.claims ? { ...commit, claims: commit.claims.slice(0, 1) } : commit)),
  ),

  saboteur(
    "conflict-writes-entry",
    "A commit that conflicts leaves its entry behind.",
    ["atomic.stale", "atomic.skipped", "erase.late-write"],
    commitsAnd((outcome, commit, tables) => {
      if (outcome === "conflict") writeEntry(tables, commit);
    }),
  ),

  saboteur(
    "conflict-writes-claims",
    "A commit that conflicts has its claims all the same.",
    ["atomic.stale", "atomic.skipped", "claims.stale-owner", "races.eight-writers", "erase.late-write"],
    commitsAnd((outcome, commit, tables) => {
      if (outcome === "conflict") writeClaims(tables, commit);
    }),
  ),

  saboteur(
    "conflict-writes-snapshot",
    "A commit that conflicts leaves its snapshot behind.",
    ["atomic.stale", "atomic.skipped", "atomic.long-snapshot"],
    commitsAnd((outcome, { run, entry }, tables) => {
      if (outcome !== "conflict" || entry?.snapshot === undefined) return;
      const { tenant, runId, revision } = run;
      tables.snapshots = [...tables.snapshots, { tenant, runId, revision, body: entry.snapshot }];
    }),
  ),

  saboteur(
    "claims-one-by-one",
    "Claims are taken one after the other up to the one that is held.",
    ["atomic.held-claim", "atomic.held-birth"],
    commitsAnd((outcome, commit, tables) => {
      if (outcome !== "claimed") return;
      const { tenant, runId } = commit.run;
      const isFree = ({ kind, key }: { kind: string; key: string }) =>
        (findClaim(tables, tenant, kind, key)?.runId ?? runId) === runId;
      const claims = commit.claims ?? [];
      const held = claims.findIndex((claim) => !isFree(claim));
      writeClaims(tables, { ...commit, claims: claims.slice(0, held) });
    }),
  ),

  saboteur(
    "claimed-writes-row",
    "A commit whose claim is held writes its row and entry.",
    ["atomic.held-claim", "atomic.held-birth"],
    commitsAnd((outcome, commit, tables) => {
      if (outcome !== "claimed") return;
      writeRow(tables, commit.run);
      writeEntry(tables, commit);
    }),
  ),

  saboteur(
    "row-before-duplicate",
    "A repeated checkpoint id rejects when the row is already written.",
    ["atomic.duplicate-checkpoint", "entries.duplicate-rejects"],
    (good, tables) => ({
      commit: async (commit) => {
        try {
          return await good.commit(commit);
        } catch (fault) {
          writeRow(tables, commit.run);
          throw fault;
        }
      },
    }),
  ),

  saboteur("erases-first", "The store erases before it asks the fence.", ["atomic.stale-erase"], (good, tables) => ({
    commit: async (commit) => {
      if (commit.erase === true) erase(tables, commit.run);
      return good.commit(commit);
    },
  })),

  saboteur(
    "long-snapshot-first",
    "A long snapshot is written before the rest is decided.",
    ["atomic.long-snapshot"],
    (good, tables) => ({
      commit: async (commit) => {
        const { run, entry } = commit;
        const body = entry?.snapshot ?? "";
        if (body.length > 1_000_000 && verdict(tables, commit).kind !== "committed") {
          const { tenant, runId, revision } = run;
          tables.snapshots = [...tables.snapshots, { tenant, runId, revision, body }];
        }
        return good.commit(commit);
      },
    }),
  ),
];
