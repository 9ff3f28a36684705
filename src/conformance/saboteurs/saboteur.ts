import type { Commit, NewEntry, Store } from "../../store.ts";
import type { StoreHarness } from "../case.ts";
import { modelStore } from "../model.ts";
import { emptyTables, type Tables, type verdict, write } from "../tables.ts";

/** A good store with one clause of the contract broken on purpose, to test the suite with. */
export interface Saboteur {
  readonly id: string;
  /** What it does wrong, as a sentence. */
  readonly harm: string;
  /** The ids of the cases that must fail on it. */
  readonly caughtBy: readonly string[];
  /** A harness whose every medium is broken in this way. */
  readonly harness: StoreHarness;
}

/** Methods to put in the place of a good store's. Called once for each handle, over the tables of its medium. */
export type Spoil = (good: Store, tables: Tables) => Partial<Store>;

export function saboteur(id: string, harm: string, caughtBy: readonly string[], spoil: Spoil): Saboteur {
  const fresh = async () => {
    const tables = emptyTables();
    const open = async () => {
      const good = modelStore(tables);
      return { ...good, ...spoil(good, tables) };
    };
    return { open };
  };
  return { id, harm, caughtBy, harness: { fresh } };
}

/** Passes on another commit than it was called with. */
export function commitsInstead(change: (commit: Commit, tables: Tables) => Commit): Spoil {
  return (good, tables) => ({ commit: async (commit) => good.commit(change(commit, tables)) });
}

/** Decides by the rules, and then does more than it should before it answers. */
export function commitsAnd(
  more: (outcome: "committed" | "conflict" | "claimed", commit: Commit, tables: Tables) => void,
): Spoil {
  return (good, tables) => ({
    commit: async (commit) => {
      const outcome = await good.commit(commit);
      more(outcome.kind, commit, tables);
      return outcome;
    },
  });
}

/** Decides by another rule, and writes if that rule says "committed". */
export function decidesBy(rule: typeof verdict): Spoil {
  return (_good, tables) => ({
    commit: async (commit) => {
      const outcome = rule(tables, commit);
      if (outcome.kind === "committed") write(tables, commit);
      return outcome;
    },
  });
}

/** Time for all others to go on. */
export function pause(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The commit with every body of it changed. */
export function withBodies(commit: Commit, change: (body: string) => string): Commit {
  const { run, earlier, entry, claims } = commit;
  return {
    ...commit,
    run: { ...run, body: change(run.body) },
    ...(earlier && { earlier: earlier.map((one) => withEntryBodies(one, change)) }),
    ...(entry && { entry: withEntryBodies(entry, change) }),
    ...(claims && { claims: claims.map((claim) => ({ ...claim, body: change(claim.body) })) }),
  };
}

function withEntryBodies<T extends NewEntry>(entry: T, change: (body: string) => string): T {
  const snapshot = entry.snapshot === undefined ? {} : { snapshot: change(entry.snapshot) };
  return { ...entry, body: change(entry.body), ...snapshot };
}
