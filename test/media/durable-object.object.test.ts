import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import type { Commit } from "../../src/store.ts";
import { storeIn } from "../support/medium/object.ts";

const far = 4_000_000_000_000;

let objects = 0;
function fresh() {
  const name = `alarms ${++objects}`;
  const stub = env.OBJECTS.get(env.OBJECTS.idFromName(name));
  return {
    name,
    stub,
    store: storeIn(name, "first"),
    alarm: () => runInDurableObject(stub, (_, { storage }) => storage.getAlarm()),
  };
}

function commit(runId: string, revision: number, dueAt?: number, over: Partial<Commit> = {}): Commit {
  const run = { tenant: "t", runId, revision, createdAt: 1, status: "running", skillId: "s", body: "b" };
  return { run: { ...run, ...(dueAt !== undefined && { dueAt }) }, now: 1, ...over };
}

test("a commit arms the alarm for the earliest time at which a run is due, and a later one leaves it", async () => {
  const { store, alarm } = fresh();
  await store.commit(commit("never", 1));
  expect(await alarm()).toBe(null);
  await store.commit(commit("b", 1, far + 2_000));
  expect(await alarm()).toBe(far + 2_000);
  await store.commit(commit("c", 1, far + 3_000));
  expect(await alarm()).toBe(far + 2_000);
  await store.commit(commit("a", 1, far + 1_000));
  expect(await alarm()).toBe(far + 1_000);
});

test("a commit that is refused arms nothing", async () => {
  const { store, alarm } = fresh();
  const claims = [{ kind: "k", key: "a", body: "claim" }];
  await store.commit(commit("a", 1, far + 5_000, { claims }));
  expect(await store.commit(commit("a", 3, far))).toEqual({ kind: "conflict" });
  expect(await store.commit(commit("b", 1, far, { claims }))).toMatchObject({ kind: "claimed" });
  expect(await alarm()).toBe(far + 5_000);
  // What it remembers is what is armed: an earlier time still arms.
  await store.commit(commit("c", 1, far + 4_000));
  expect(await alarm()).toBe(far + 4_000);
});

test("after an eviction the first commit does not move an earlier alarm to a later time", async () => {
  const { name, stub, store, alarm } = fresh();
  await store.commit(commit("a", 1, far));
  await evictDurableObject(stub);
  const after = storeIn(name, "second");
  await after.commit(commit("b", 1, far + 1_000));
  expect(await alarm()).toBe(far);
  expect((await after.getRun("t", "a"))?.dueAt).toBe(far);
});

test("once the alarm is spent, the next commit arms it, for a later time too", async () => {
  const { stub, store, alarm } = fresh();
  await store.commit(commit("a", 1, far));
  expect(await runDurableObjectAlarm(stub)).toBe(true);
  expect(await runInDurableObject(stub, ({ alarms }) => alarms)).toBe(1);
  await store.commit(commit("b", 1, far + 1_000));
  expect(await alarm()).toBe(far + 1_000);
});

test.each([
  ["of the past, and of before 1970", -5, 0, 1],
  ["beyond what the platform takes", far + 10, 8.64e15, far + 10],
])("a time %s is one that it takes", async (_of, first, second, armed) => {
  const { stub, store } = fresh();
  const times = await runInDurableObject(stub, (_object, { storage }) => {
    const set: number[] = [];
    const { setAlarm } = storage;
    storage.setAlarm = (time: number) => {
      set.push(time);
      return setAlarm.call(storage, far + 100 - set.length);
    };
    return set;
  });
  await store.commit(commit("a", 1, first));
  await store.commit(commit("b", 1, second));
  expect(times[0]).toBe(armed);
});

test("while a run commits without end, another request of the object is answered within twenty commits", async () => {
  const { stub } = fresh();
  const turns = await runInDurableObject(stub, async (object) => {
    const store = object.handle("quick");
    let commits = 0;
    let answeredAfter: number | undefined;
    const other = new Promise<void>((resolve) => setTimeout(resolve, 0)).then(() => {
      answeredAfter = commits;
    });
    for (let revision = 1; revision <= 100; revision++) {
      await store.commit(commit("quick", revision));
      commits++;
    }
    await other;
    return answeredAfter;
  });
  expect(turns).toBeLessThanOrEqual(20);
});

test("what is no storage of SQLite is refused", async () => {
  const { durableObjectStore } = await import("../../adapters/durable-object/index.ts");
  expect(() => durableObjectStore({} as never)).toThrow(expect.objectContaining({ code: "invalid_request" }));
});
