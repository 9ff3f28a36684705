import { expect, test } from "vitest";
import { indexedDbStore, persistStorage, storageRoom } from "../../adapters/indexeddb/index.ts";

test("the room of a site is what the browser says it uses and may use", async () => {
  const store = indexedDbStore({ name: `room ${Date.now()}` });
  const snapshot = Array.from({ length: 100_000 }, () => Math.random()).join();
  const run = { tenant: "t", runId: "r", revision: 1, createdAt: 1, status: "running", body: "born" };
  await store.commit({ run, entry: { body: "record", snapshot }, now: 1 });
  await store.close();
  const room = await storageRoom();
  expect(room?.usage).toBeGreaterThan(0);
  expect(room?.quota).toBe((await navigator.storage.estimate()).quota);
  expect(room?.isPersistent).toBe(await navigator.storage.persisted());
});

test("a site's storage persists where the browser says so", async () => {
  const isPersistent = await persistStorage();
  expect(isPersistent).toBe(await navigator.storage.persisted());
  expect((await storageRoom())?.isPersistent).toBe(isPersistent);
});
