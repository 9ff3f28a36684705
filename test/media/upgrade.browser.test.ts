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
  const released = connect<Schema>(name, migrations.slice(0, indexedDb.version), "relaxed");
  await released.transact("open", ["runs"], "readonly", async () => undefined);
  released.close();
  expect(await shapeOf(name)).toEqual({
    version: indexedDb.version,
    stores: indexedDb.stores.map(({ records: _, ...store }) => store),
  });
});
