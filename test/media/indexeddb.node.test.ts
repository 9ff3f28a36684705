import "fake-indexeddb/auto";
import { afterEach, expect, test, vi } from "vitest";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";

const run = { tenant: "t", runId: "r", revision: 1, createdAt: 1, status: "running", body: "born" };

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("where the browser cannot estimate its room, running out of it still is a quota_exceeded", async () => {
  const store = indexedDbStore({ name: "no estimate" });
  await store.getRun("t", "r");
  vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
    throw new DOMException("", "QuotaExceededError");
  });
  const fault = store.commit({ run, now: 1 });
  await expect(fault).rejects.toMatchObject({ code: "quota_exceeded", cause: { name: "QuotaExceededError" } });
  await store.close();
});

test("a commit that a fault interrupts between its writes leaves none of them", async () => {
  const store = indexedDbStore({ name: "interrupted" });
  await store.getRun("t", "r");
  const { put } = IDBObjectStore.prototype;
  vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, value) {
    if (this.name === "entries") throw new DOMException("", "DataCloneError");
    return put.call(this, value);
  });
  const claims = [{ kind: "k", key: "a", body: "claim" }];
  const fault = store.commit({ run, entry: { body: "record" }, claims, now: 1 });
  await expect(fault).rejects.toMatchObject({ code: "store_failed", cause: { name: "DataCloneError" } });
  expect(await store.getRun("t", "r")).toBeUndefined();
  expect(await store.getClaim("t", "k", "a")).toBeUndefined();
  await store.close();
});

test("where the browser refuses IndexedDB each call says so with the browser's reason", async () => {
  const store = indexedDbStore({ name: "refused" });
  vi.spyOn(IDBFactory.prototype, "open").mockImplementation(() => {
    throw new DOMException("access denied", "SecurityError");
  });
  for (let n = 0; n < 2; n++) {
    await expect(store.getRun("t", "r")).rejects.toMatchObject({
      code: "unsupported",
      hint: expect.stringContaining("allow-same-origin"),
      cause: { name: "SecurityError" },
    });
  }
  await store.close();
});

test("where there is no IndexedDB each call says so, and works as soon as there is", async () => {
  const store = indexedDbStore({ name: "late" });
  vi.stubGlobal("indexedDB", undefined);
  await expect(store.getRun("t", "r")).rejects.toMatchObject({ code: "unsupported" });
  await expect(store.getRun("t", "r")).rejects.toMatchObject({ code: "unsupported" });
  vi.unstubAllGlobals();
  expect(await store.getRun("t", "r")).toBeUndefined();
  await store.close();
});
