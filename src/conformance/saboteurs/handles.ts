import type { CommitOutcome, RunRow, Store } from "../../store.ts";
import { modelStore } from "../model.ts";
import { emptyTables, type Tables, verdict, write } from "../tables.ts";
import { pause, saboteur } from "./saboteur.ts";

export const handleSaboteurs = [
  saboteur("reads-cached", "A handle remembers the rows that it read.", ["handles.read-after-commit"], (good) => {
    const seen = new Map<string, RunRow>();
    return {
      getRun: async (tenant, runId) => {
        const run = seen.get(runId) ?? (await good.getRun(tenant, runId));
        if (run !== undefined) seen.set(runId, run);
        return run;
      },
    };
  }),

  saboteur("counts-cached", "A handle remembers what it counted.", ["handles.read-after-commit"], (good) => {
    const seen = new Map<string, number>();
    return {
      countRuns: async (tenant, filter) => {
        const key = JSON.stringify([tenant, filter]);
        const count = seen.get(key) ?? (await good.countRuns(tenant, filter));
        seen.set(key, count);
        return count;
      },
    };
  }),

  saboteur(
    "written-later",
    "A commit resolves before it is written; the handle itself waits for that, others do not.",
    ["handles.resolved-is-written", "handles.read-after-commit", "fence.other-handle"],
    (good, tables) => {
      let written: Promise<unknown> = Promise.resolve();
      const afterwards =
        <Args extends unknown[], T>(call: (...args: Args) => Promise<T>) =>
        async (...args: Args): Promise<T> => {
          await written;
          return call(...args);
        };
      return {
        getRun: afterwards(good.getRun),
        listRuns: afterwards(good.listRuns),
        countRuns: afterwards(good.countRuns),
        usage: afterwards(good.usage),
        dueRuns: afterwards(good.dueRuns),
        getEntry: afterwards(good.getEntry),
        listEntries: afterwards(good.listEntries),
        getSnapshots: afterwards(good.getSnapshots),
        getClaim: afterwards(good.getClaim),
        listClaims: afterwards(good.listClaims),
        commit: afterwards(async (commit): Promise<CommitOutcome> => {
          const outcome = verdict(tables, commit);
          if (outcome.kind === "committed") written = pause(2).then(() => write(tables, commit));
          return outcome;
        }),
      };
    },
  ),

  saboteur(
    "each-handle-alone",
    "What a handle wrote goes when it goes.",
    ["handles.reopened", "handles.resolved-is-written"],
    () => modelStore(emptyTables()),
  ),

  saboteur(
    "long-snapshots-in-memory",
    "A long snapshot lives in the handle, not on the medium.",
    ["handles.reopened"],
    (good) => {
      const long = new Map<number, string>();
      return {
        commit: async (commit) => {
          const { snapshot } = commit.entry ?? {};
          if (commit.entry === undefined || snapshot === undefined || snapshot.length < 100_000)
            return good.commit(commit);
          const outcome = await good.commit({ ...commit, entry: { ...commit.entry, snapshot: "elsewhere" } });
          if (outcome.kind === "committed") long.set(commit.run.revision, snapshot);
          return outcome;
        },
        getSnapshots: async (...range) =>
          (await good.getSnapshots(...range)).map((one) => ({ ...one, body: long.get(one.revision) ?? one.body })),
      };
    },
  ),

  saboteur(
    "never-closed",
    "A closed handle goes on as if it were open.",
    ["handles.closed", "handles.closed-writes-nothing"],
    () => ({
      close: async () => undefined,
    }),
  ),

  saboteur("closed-without-code", "A closed handle rejects with an error of no code.", ["handles.closed"], (good) => {
    let closed = false;
    return {
      close: async () => {
        closed = true;
      },
      countRuns: async (tenant, filter) => {
        if (closed) throw new TypeError("cannot read properties of undefined");
        return good.countRuns(tenant, filter);
      },
    };
  }),

  saboteur("closed-throws", "A closed handle throws before it returns a promise.", ["handles.closed"], (good) => {
    let closed = false;
    return {
      close: async () => {
        closed = true;
        return good.close();
      },
      getEntry: (...key) => {
        if (closed) throw new TypeError("closed");
        return good.getEntry(...key);
      },
    };
  }),

  saboteur(
    "closed-writes",
    "A commit after `close` rejects and is written.",
    ["handles.closed-writes-nothing"],
    (good, tables) => ({
      commit: async (commit) => {
        try {
          return await good.commit(commit);
        } catch (fault) {
          if (verdict(tables, commit).kind === "committed") write(tables, commit);
          throw fault;
        }
      },
    }),
  ),

  saboteur("closes-once", "Closing twice rejects.", ["handles.closed-twice"], (good) => {
    let closed = false;
    return {
      close: async () => {
        if (closed) throw new Error("closed already");
        closed = true;
        await good.close();
      },
    };
  }),

  saboteur(
    "closes-all",
    "Closing one handle closes every handle on the medium.",
    ["handles.closed-alone"],
    (good, tables) => {
      const open = handlesOf(tables);
      open.push(good);
      return {
        close: async () => {
          for (const handle of open) await handle.close();
        },
      };
    },
  ),
];

const handles = new WeakMap<Tables, Store[]>();

function handlesOf(tables: Tables): Store[] {
  const found = handles.get(tables) ?? [];
  handles.set(tables, found);
  return found;
}
