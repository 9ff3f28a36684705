import { openDB, unwrap } from "idb";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import type { ListKey, Place, Schema } from "../../adapters/indexeddb/schema.ts";
import type { Commit, RunRow, Store } from "../../src/store.ts";
import { type BareWrite, type CommitOptions, commitTimes } from "../programs/commit.ts";
import { loadCosts, takeIn } from "../programs/load.ts";
import { type Filled, pageTimes, runRows, sampleRow } from "../programs/pages.ts";

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
 * Executes one run, and then puts copies of it in the form in which the adapter stored it, many per transaction: one commit
 * each would take an hour. The writes do not wait for the disk, since only reading is measured.
 */
async function fill(name: string, runs: number): Promise<void> {
  const store = indexedDbStore({ name });
  const sample = await sampleRow(store);
  const db = await openDB<Schema>(name);
  const place = await db.get("places", [sample.tenant, sample.runId]);
  if (place === undefined) throw new Error("The run of the sample has no place.");
  for (let start = 0; start < runs; start += 10_000) {
    const tx = db.transaction(["runs", "places"], "readwrite", { durability: "relaxed" });
    // Without a promise each.
    const [into, places] = [unwrap(tx.objectStore("runs")), unwrap(tx.objectStore("places"))];
    for (const row of runRows(sample, "tenant", start, Math.min(runs, start + 10_000))) {
      into.put({ row });
      places.put(placeLike(place, row));
    }
    await tx.done;
  }
  db.close();
  await expectOurs(store, name, sample);
  await store.close();
}

/** The place of a row that has the status, skill and source of the sample. */
function placeLike(sample: Place, { tenant, runId, createdAt }: RunRow): Place {
  const listKeys = sample.listKeys.map(
    ([, status, skillId, sourceRunId]): ListKey => [tenant, status, skillId, sourceRunId, createdAt, runId],
  );
  return { ...sample, tenant, runId, listKeys };
}

/** Commits one run as the adapter does, and expects its records to be the copies that were put for the others. */
async function expectOurs(store: Store, name: string, sample: RunRow): Promise<void> {
  const [row = sample] = runRows(sample, "checked", 0, 1);
  await store.commit({ run: row, over: 0, now: 0 });
  const db = await openDB<Schema>(name);
  const records = async (tenant: string) =>
    JSON.stringify([await db.get("runs", [tenant, row.runId]), await db.get("places", [tenant, row.runId])]);
  const [ours, copied] = [await records("checked"), await records("tenant")];
  db.close();
  if (ours.replaceAll('"checked"', '"tenant"') !== copied) throw new Error(`Stored is ${ours}, and copied ${copied}.`);
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
