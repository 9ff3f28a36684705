import { openDB } from "idb";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import type { Commit } from "../../src/index.ts";
import { type BareWrite, type CommitOptions, commitTimes } from "../programs/commit.ts";
import { importRun, loadCosts } from "../programs/load.ts";
import { fill, pageTimes } from "../programs/pages.ts";

/** What is measured inside Chromium. */
const programs = {
  async commitTimes({ durability, ...options }: CommitOptions & { durability: "strict" | "relaxed" }) {
    const store = indexedDbStore({ name: `commits ${durability}`, durability });
    const bare = await bareWrites(durability);
    return commitTimes({ durable: store }, bare, options);
  },

  async loadCosts({ lines, rounds }: { lines: readonly string[]; rounds: number }) {
    // Taken in without waiting for the disk, which is not measured.
    const filler = indexedDbStore({ name: "loads", durability: "relaxed" });
    const runId = await importRun(filler, lines);
    await filler.close();
    return loadCosts(indexedDbStore({ name: "loads" }), runId, rounds);
  },

  async pageTimes({ runs, rounds }: { runs: number; rounds: number }) {
    const name = `of ${runs} runs`;
    // Filled without waiting for the disk; only the reading is measured.
    const filler = indexedDbStore({ name, durability: "relaxed" });
    await fill(filler, "tenant", runs);
    await filler.close();
    return pageTimes(indexedDbStore({ name }), "tenant", rounds);
  },
};

export type PagePrograms = typeof programs;

declare global {
  interface Window {
    readonly programs: PagePrograms;
  }
}

/** The same bodies by idb: as three rows of three object stores, as the adapter has them, and all in one row. */
async function bareWrites(durability: "strict" | "relaxed"): Promise<Record<string, BareWrite>> {
  const names = ["runs", "entries", "snapshots"];
  const db = await openDB(`bare ${durability}`, 1, {
    upgrade: (upgrading) => {
      for (const name of names) if (!upgrading.objectStoreNames.contains(name)) upgrading.createObjectStore(name);
    },
  });
  const key = ({ run }: Commit) => [run.tenant, run.runId, run.revision];
  return {
    async bare({ run, ...commit }) {
      const { snapshot, ...entry } = commit.entry ?? { body: "" };
      const tx = db.transaction(names, "readwrite", { durability });
      tx.objectStore("runs").put(run, [run.tenant, run.runId]);
      tx.objectStore("entries").put(entry, key({ run, ...commit }));
      tx.objectStore("snapshots").put({ body: snapshot }, key({ run, ...commit }));
      await tx.done;
    },
    async oneRow(commit) {
      const tx = db.transaction("entries", "readwrite", { durability });
      tx.objectStore("entries").put({ run: commit.run, entry: commit.entry }, key(commit));
      await tx.done;
    },
  };
}

Object.assign(window, { programs });
