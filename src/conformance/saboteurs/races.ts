import type { CommitOutcome, Store } from "../../store.ts";
import { verdict, write, writeClaims, writeEntry, writeRow } from "../tables.ts";
import { pause, saboteur } from "./saboteur.ts";

const everyRace = [
  "races.two-writers",
  "races.eight-writers",
  "races.one-handle",
  "races.one-claim",
  "races.lapsed-claim",
  "races.crossing-claims",
  "races.erase",
];

export const raceSaboteurs = [
  saboteur("read-then-write", "The store decides, lets others go on, and then writes.", everyRace, (_, tables) => ({
    commit: async (commit) => {
      const outcome = verdict(tables, commit);
      await pause();
      if (outcome.kind === "committed") write(tables, commit);
      return outcome;
    },
  })),

  saboteur(
    "queue-per-handle",
    "Commits wait for each other on one handle, and not across handles.",
    ["races.two-writers", "races.eight-writers", "races.one-claim"],
    (_, tables) => {
      let queue: Promise<unknown> = Promise.resolve();
      return {
        commit: (commit) => {
          const turn = queue.then(async (): Promise<CommitOutcome> => {
            const outcome = verdict(tables, commit);
            await pause();
            if (outcome.kind === "committed") write(tables, commit);
            return outcome;
          });
          queue = turn.catch(() => undefined);
          return turn;
        },
      };
    },
  ),

  saboteur(
    "claims-decided-early",
    "The fence is atomic, and the claims were looked at before.",
    ["races.one-claim", "races.lapsed-claim", "races.crossing-claims"],
    (good, tables) => ({
      commit: async (commit) => {
        const early = verdict(tables, commit);
        if (early.kind === "claimed") return early;
        await pause();
        const { claims: _seen, ...rest } = commit;
        const outcome = await good.commit(rest);
        if (outcome.kind === "committed") writeClaims(tables, commit);
        return outcome;
      },
    }),
  ),

  saboteur("one-at-a-time", "A commit during another one is refused.", ["races.different-runs"], (good) => {
    let busy = false;
    const commit: Store["commit"] = async (one) => {
      if (busy) return { kind: "conflict" };
      busy = true;
      await pause();
      busy = false;
      return good.commit(one);
    };
    return { commit };
  }),

  saboteur("row-before-entry", "The row can be read before its entry.", ["atomic.no-torn-read"], (_, tables) => ({
    commit: async (commit) => {
      const outcome = verdict(tables, commit);
      if (outcome.kind !== "committed") return outcome;
      writeRow(tables, commit.run);
      writeClaims(tables, commit);
      await pause();
      writeEntry(tables, commit);
      return outcome;
    },
  })),

  saboteur("entry-before-row", "The entry can be read before its row.", ["atomic.no-torn-read"], (_, tables) => ({
    commit: async (commit) => {
      const outcome = verdict(tables, commit);
      if (outcome.kind !== "committed") return outcome;
      writeEntry(tables, commit);
      writeClaims(tables, commit);
      await pause();
      writeRow(tables, commit.run);
      return outcome;
    },
  })),
];
