import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";

const run = { tenant: "t", runId: "r", revision: 1, createdAt: 1, status: "running", dueAt: 1, body: "born" };
const entry = { body: "record", checkpointId: "c", keyframe: 1, snapshot: "state" };
const claims = [{ kind: "k", key: "a", body: "claim" }];

test("a row that a caller holds cannot change what is stored", async () => {
  const store = memoryStore();
  const mine = { ...run };
  await store.commit({ run: mine, entry, claims, now: 1 });
  mine.body = "changed";
  const found = [
    await store.getRun("t", "r"),
    ...(await store.listRuns("t", { limit: 1, order: "ascending" })),
    ...(await store.dueRuns({ now: 1, limit: 1 })),
    await store.getEntry("t", "r", "c"),
    ...(await store.listEntries("t", "r", { limit: 1 })),
    ...(await store.getSnapshots("t", "r", 1, 1)),
    await store.getClaim("t", "k", "a"),
    ...(await store.listClaims("t", "r", { limit: 1 })),
  ];
  expect(found.length).toBe(8);
  for (const row of found) expect(() => Object.assign(row ?? {}, { body: "changed" })).toThrow(TypeError);
  expect(await store.getRun("t", "r")).toEqual(run);
});

test("a list that a caller holds cannot change what is stored", async () => {
  const store = memoryStore();
  await store.commit({ run, entry, now: 1 });
  const lists: readonly (readonly unknown[])[] = [
    await store.listRuns("t", { limit: 1, order: "ascending" }),
    await store.listEntries("t", "r", { limit: 1 }),
    await store.getSnapshots("t", "r", 1, 1),
  ];
  for (const list of lists) Array.prototype.splice.call(list, 0, 1);
  expect(await store.listRuns("t", { limit: 1, order: "ascending" })).toEqual([run]);
  expect((await store.listEntries("t", "r", { limit: 1 })).length).toBe(1);
  expect((await store.getSnapshots("t", "r", 1, 1)).length).toBe(1);
});

test("stores share what was committed where they were given the same data, and nothing otherwise", async () => {
  const data = new Map();
  await memoryStore({ data }).commit({ run, now: 1 });
  expect(await memoryStore({ data }).getRun("t", "r")).toEqual(run);
  expect(await memoryStore().getRun("t", "r")).toBeUndefined();
});
