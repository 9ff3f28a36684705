import { openDB } from "idb";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import type { ListKey, Schema } from "../../adapters/indexeddb/schema.ts";
import type { Commit } from "../../src/store.ts";
import { type BareWrite, type CommitOptions, commitTimes } from "../programs/commit.ts";
import { loadCosts, takeIn } from "../programs/load.ts";
import { type Filled, pageTimes, runRows } from "../programs/pages.ts";

/** The measurements inside Chromium. */
const programs = {
  async commitTimes({ durability, ...options }: CommitOptions & { durability: "strict" | "relaxed" }) {
    const store = indexedDbStore({ name: `commits ${durability}`, durability });
    const bare = await bareWrites(durability);
    return commitTimes({ durable: store }, bare, options);
  },

  async loadCosts({ lines, rounds }: { lines: readonly string[]; rounds: number }) {
    // The import does not wait for the disk, and is not measured.
    const filler = indexedDbStore({ name: "loads", durability: "relaxed" });
    const runId = await takeIn(filler, lines);
    await filler.close();
    return loadCosts(indexedDbStore({ name: "loads" }), runId, rounds);
  },

  async pageTimes({ sizes, rounds }: { sizes: readonly number[]; rounds: number }) {
    const filled: Filled[] = [];
    for (const runs of sizes) {
      const name = `of ${runs} runs`;
      await fill(name, runs);
      filled.push({ store: indexedDbStore({ name }), tenant: "tenant", runs });
    }
    return pageTimes(filled, rounds);
  },
};

export type PagePrograms = typeof programs;

declare global {
  interface Window {
    readonly programs: PagePrograms;
  }
}

/**
 * Commits the first run, and then puts copies of it in the form in which the adapter stored it, many per transaction: one
 * commit each would take minutes. The writes do not wait for the disk, since only reading is measured.
 */
async function fill(name: string, runs: number): Promise<void> {
  const [first, ...others] = runRows("tenant", runs);
  if (first === undefined) return;
  const store = indexedDbStore({ name });
  await store.commit({ run: first, now: 0 });
  await store.close();
  const db = await openDB<Schema>(name);
  const place = await db.get("places", [first.tenant, first.runId]);
  if (place === undefined) throw new Error("The first run is missing.");
  for (let start = 0; start < others.length; start += 10_000) {
    const tx = db.transaction(["runs", "places"], "readwrite", { durability: "relaxed" });
    for (const row of others.slice(start, start + 10_000)) {
      const listKeys = place.listKeys.map(
        ([tenant, status, skillId, sourceRunId]): ListKey => [
          tenant,
          status,
          skillId,
          sourceRunId,
          row.createdAt,
          row.runId,
        ],
      );
      tx.objectStore("runs").put({ row });
      tx.objectStore("places").put({ ...place, runId: row.runId, listKeys });
    }
    await tx.done;
  }
  db.close();
}

/** The same bodies written with idb: as three rows in three object stores, as the adapter stores them, and as one row. */
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
