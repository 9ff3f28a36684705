import { openDB } from "idb";
import { expect, test } from "vitest";
import { connect } from "../../adapters/indexeddb/connection.ts";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { migrations, type Schema } from "../../adapters/indexeddb/schema.ts";
import { type IndexedDbDump, storedCases, storedVersions } from "../support/upgrade/cases.ts";

let number = 0;

function freshName(): string {
  number += 1;
  return `upgrade ${number} ${Date.now()}`;
}

/** The database as that release left it. */
async function restored(name: string, { version, stores }: IndexedDbDump): Promise<void> {
  const db = await openDB(name, version, {
    upgrade: (db) => {
      for (const { name, keyPath, autoIncrement, indexes } of stores) {
        const store = db.createObjectStore(name, { keyPath, autoIncrement });
        for (const { name, keyPath, unique, multiEntry } of indexes)
          store.createIndex(name, keyPath, { unique, multiEntry });
      }
    },
  });
  for (const { name, records } of stores) {
    const transaction = db.transaction(name, "readwrite");
    for (const record of records) await transaction.store.put(record);
    await transaction.done;
  }
  db.close();
}

async function shapeOf(name: string): Promise<unknown> {
  const db = await openDB(name);
  const stores = [...db.objectStoreNames].map((name) => {
    const { store } = db.transaction(name);
    const { keyPath, autoIncrement, indexNames } = store;
    const indexes = [...indexNames].map((name) => {
      const { keyPath, unique, multiEntry } = store.index(name);
      return { name, keyPath, unique, multiEntry };
    });
    return { name, keyPath, autoIncrement, indexes };
  });
  const shape = { version: db.version, stores };
  db.close();
  return shape;
}

for (const stored of storedVersions) {
  storedCases(stored, "IndexedDB", async () => {
    const name = freshName();
    await restored(name, stored.indexedDb);
    return indexedDbStore({ name });
  });

  test(`a database of ${stored.version} becomes one like any that is made now`, async () => {
    const [old, fresh] = [freshName(), freshName()];
    await restored(old, stored.indexedDb);
    for (const name of [old, fresh]) {
      const store = indexedDbStore({ name });
      await store.getRun("t", "r");
      await store.close();
    }
    expect(await shapeOf(old)).toEqual(await shapeOf(fresh));
  });

  test(`what ${stored.version} deleted stays deleted`, async () => {
    const name = freshName();
    await restored(name, stored.indexedDb);
    const store = indexedDbStore({ name });
    const row = await store.getRun("acme", "deleted");
    expect(row).toMatchObject({ runId: "deleted" });
    expect(row?.status).toBeUndefined();
    await store.close();
  });
}

test.each(storedVersions)("the shape that a database of $version has is never changed", async ({ indexedDb }) => {
  const name = freshName();
  const released = connect<Schema>(migrations.slice(0, indexedDb.version), { name, durability: "relaxed" });
  await released.transact("open", ["runs"], "readonly", async () => undefined);
  released.close();
  expect(await shapeOf(name)).toEqual({
    version: indexedDb.version,
    stores: indexedDb.stores.map(({ records: _, ...store }) => store),
  });
});

test("a run of version 2, whose small snapshots are apart from the entries, goes on in version 3", async () => {
  const name = freshName();
  const [tenant, runId] = ["t", "r"];
  const row = { tenant, runId, revision: 2, createdAt: 1, status: "running", dueAt: 1, body: "two" };
  const second = connect<Schema>(migrations.slice(0, 2), { name, durability: "relaxed" });
  await second.transact("write", ["runs", "places", "entries", "snapshots"], "readwrite", async (tx) => {
    await tx.objectStore("runs").put({ row });
    for (const revision of [1, 2]) {
      await tx.objectStore("entries").put({ tenant, runId, revision, checkpointId: `c${revision}`, body: "record" });
      await tx.objectStore("snapshots").put({ tenant, runId, revision, body: `state ${revision}` });
    }
  });
  const store = indexedDbStore({ name });
  const large = "state".repeat(10_000);
  for (const [revision, snapshot] of [
    [3, "state 3"],
    [4, large],
    [5, "state 5"],
  ] as const) {
    const run = { ...row, revision };
    await store.commit({ run, entry: { body: "record", checkpointId: `c${revision}`, snapshot }, now: 1 });
  }
  const states = ["state 1", "state 2", "state 3", large, "state 5"];
  const expected = states.map((body, index) => ({ revision: index + 1, body }));
  expect(await store.getSnapshots(tenant, runId, 1, 9)).toEqual(expected);
  expect(await store.getEntry(tenant, runId, "c3")).toEqual({
    ...{ tenant, runId, revision: 3 },
    ...{ checkpointId: "c3", body: "record" },
  });
  expect((await store.usage(tenant)).bytes).toBe(3 + 5 * 6 + states.join("").length);
  await store.close();
  // Only the large one is apart from its entry.
  const db = await openDB<Schema>(name);
  expect((await db.getAllKeys("snapshots")).map(([, , revision]) => revision)).toEqual([1, 2, 4]);
  db.close();
  const outdated = connect<Schema>(migrations.slice(0, 2), { name, durability: "relaxed" });
  const old = outdated.transact("read", ["runs"], "readonly", async () => undefined);
  await expect(old).rejects.toMatchObject({ code: "store_outdated" });
});
