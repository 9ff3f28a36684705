import type { Commit, CommitOutcome } from "../../store.ts";
import { findRun, heldClaim, passesFence, repeatsCheckpoint, type Tables, verdict, writeEntry } from "../tables.ts";
import { commitsAnd, commitsInstead, decidesBy, type Spoil, saboteur } from "./saboteur.ts";

export const fenceSaboteurs = [
  saboteur(
    "no-fence",
    "Every revision is written.",
    ["fence.stale-revision", "fence.old-revision", "fence.skipped-revision", "fence.nothing-underneath"],
    fencedBy(() => true),
  ),

  saboteur(
    "updates-only",
    "A birth is refused, since there is no row to update.",
    ["fence.birth"],
    fencedBy(({ run }) => run.revision !== 1),
  ),

  saboteur(
    "births-replace",
    "A birth replaces the row that is there.",
    ["fence.birth-over-existing", "erase.id-taken"],
    fencedBy(({ run }, current) => current === run.revision - 1 || run.revision === 1),
  ),

  saboteur(
    "same-revision-accepted",
    "A row is written also over one of its own revision.",
    ["fence.stale-revision", "fence.same-again", "fence.other-handle", "races.two-writers"],
    fencedBy(({ run }, current) => current === run.revision - 1 || current === run.revision),
  ),

  saboteur(
    "older-accepted",
    "A row is written over any newer one.",
    ["fence.old-revision"],
    fencedBy(({ run }, current) => current === run.revision - 1 || current > run.revision),
  ),

  saboteur(
    "newer-accepted",
    "A row is written over any older one.",
    ["fence.skipped-revision", "fence.nothing-underneath"],
    fencedBy(({ run }, current) => current < run.revision),
  ),

  saboteur(
    "believes-before",
    "A row is written if the commit brings the row below it, whatever is there.",
    ["fence.before"],
    fencedBy(({ run, before }, current) => (before?.revision ?? current) === run.revision - 1),
  ),

  ...(["status", "dueAt"] as const).map((field) =>
    saboteur(
      `keeps-${field.toLowerCase()}-before`,
      `Of a commit that brings the row below it, \`${field}\` is not moved.`,
      ["fence.before"],
      commitsInstead(({ run, ...commit }) => {
        if (commit.before === undefined) return { run, ...commit };
        const { [field]: _, ...rest } = run;
        const kept = commit.before[field];
        return { ...commit, run: { ...rest, ...(kept !== undefined && { [field]: kept }) } };
      }),
    ),
  ),

  saboteur(
    "first-at-any-revision",
    "Where there is no row, one of any revision is written.",
    ["fence.nothing-underneath"],
    fencedBy(({ run }, current) => current === run.revision - 1 || current === 0),
  ),

  saboteur(
    "text-revisions",
    "Revisions are compared as text.",
    ["fence.successor"],
    fencedBy(({ run }, current) => current === run.revision - 1 && String(current) < String(run.revision)),
  ),

  saboteur(
    "steps-only",
    "Only a row of the next revision is written, whatever the commit stands over.",
    ["fence.over", "fence.earlier"],
    fencedBy(({ run }, current) => current === run.revision - 1),
  ),

  saboteur(
    "over-ignored",
    "A commit that names what it stands over is written over anything older.",
    ["fence.over-another", "fence.earlier-atomic"],
    fencedBy(({ run, over }, current) => (over === undefined ? current === run.revision - 1 : current < run.revision)),
  ),

  saboteur(
    "over-only",
    "A commit that would fit is written, whatever it says that it stands over.",
    ["fence.over-another"],
    fencedBy(({ run, over = run.revision - 1 }, current) => current === over || current === run.revision - 1),
  ),

  saboteur(
    "earlier-dropped",
    "Entries of revisions in between are left out.",
    ["fence.earlier"],
    commitsInstead(({ earlier: _, ...commit }) => commit),
  ),

  saboteur(
    "earlier-at-row",
    "The last entry of a revision in between gets the revision of its row.",
    ["fence.earlier"],
    commitsInstead(({ earlier = [], ...commit }) => {
      const last = earlier.at(-1);
      if (last === undefined || commit.entry !== undefined) return { ...commit, earlier };
      const { revision: _, ...entry } = last;
      return { ...commit, earlier: earlier.slice(0, -1), entry };
    }),
  ),

  saboteur(
    "earlier-before-fence",
    "Entries of revisions in between are written before the fence has spoken.",
    ["fence.earlier-atomic"],
    commitsAnd((outcome, { run, earlier = [] }, tables) => {
      if (outcome === "conflict") writeEntry(tables, { run, earlier, now: 0 });
    }),
  ),

  saboteur(
    "again-is-fine",
    "A commit that changes nothing is called committed.",
    ["fence.same-again"],
    (good, tables) => ({
      commit: async (commit) => {
        const current = findRun(tables, commit.run.tenant, commit.run.runId);
        const isSame = JSON.stringify(current) === JSON.stringify(commit.run);
        return isSame ? { kind: "committed" } : good.commit(commit);
      },
    }),
  ),

  saboteur("latest-time-wins", "A commit is stale when its time is.", ["fence.no-clock"], (good) => {
    let latest = 0;
    return {
      commit: async (commit) => {
        if (commit.now < latest) return { kind: "conflict" };
        latest = commit.now;
        return good.commit(commit);
      },
    };
  }),

  saboteur(
    "one-revision-for-all",
    "The fence looks at the highest revision of any run of the tenant.",
    ["fence.per-run"],
    (good, tables) => ({
      commit: async (commit) => {
        const revisions = tables.runs.filter((row) => row.tenant === commit.run.tenant).map((row) => row.revision);
        return Math.max(0, ...revisions) === commit.run.revision - 1 ? good.commit(commit) : { kind: "conflict" };
      },
    }),
  ),

  saboteur(
    "remembered-revision",
    "A handle trusts the revision it saw last.",
    ["fence.other-handle"],
    (good, tables) => {
      const seen = new Map<string, number>();
      const { commit } = fencedBy(({ run }, current) => (seen.get(run.runId) ?? current) === run.revision - 1)(
        good,
        tables,
      );
      return {
        getRun: async (tenant, runId) => {
          const run = await good.getRun(tenant, runId);
          if (run !== undefined) seen.set(runId, run.revision);
          return run;
        },
        ...(commit && { commit }),
      };
    },
  ),

  saboteur(
    "duplicate-before-fence",
    "A repeated checkpoint id rejects before the fence has spoken.",
    ["fence.duplicate-is-conflict"],
    decidesBy((tables, commit) => {
      if (repeatsCheckpoint(tables, commit)) throw new Error("duplicate");
      return verdict(tables, commit);
    }),
  ),
];

/** Another fence, between the same rules for claims and for checkpoint ids. */
function fencedBy(passes: (commit: Commit, current: number) => boolean): Spoil {
  return decidesBy((tables: Tables, commit: Commit): CommitOutcome => {
    const current = findRun(tables, commit.run.tenant, commit.run.runId)?.revision ?? 0;
    const claim = heldClaim(tables, commit);
    if (claim !== undefined) return { kind: "claimed", claim };
    if (!passes(commit, current)) return { kind: "conflict" };
    if (passesFence(tables, commit)) return verdict(tables, commit);
    return { kind: "committed" };
  });
}
