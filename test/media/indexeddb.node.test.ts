import "fake-indexeddb/auto";
import { afterEach, expect, test, vi } from "vitest";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { createPage } from "../../worker/browser/page.ts";

const run = { tenant: "t", runId: "r", revision: 1, createdAt: 1, status: "running", body: "born" };

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** From now on, the browser says what happened to each database that it creates. Only Chromium does. */
function sayingOfEach(said: { readonly dataLoss?: string | undefined; readonly dataLossMessage?: string }): void {
  const { open } = IDBFactory.prototype;
  vi.spyOn(IDBFactory.prototype, "open").mockImplementation(function (this: IDBFactory, ...given) {
    const request = open.apply(this, given);
    request.addEventListener("upgradeneeded", (event) => void Object.assign(event, said));
    return request;
  });
}

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

test("a damaged database that the browser has deleted is reported once, as corrupt_data", async () => {
  sayingOfEach({ dataLoss: "total", dataLossMessage: "I/O error" });
  const onDataLoss = vi.fn();
  const store = indexedDbStore({ name: "damaged", onDataLoss });
  expect(await store.getRun("t", "r")).toBeUndefined();
  await store.commit({ run, now: 1 });
  expect(onDataLoss.mock.calls).toEqual([[expect.objectContaining({ code: "corrupt_data", cause: "I/O error" })]]);
  await store.close();
});

test.each(["none", undefined])("a database whose data loss is %s is not reported", async (dataLoss) => {
  sayingOfEach({ dataLoss });
  const onDataLoss = vi.fn();
  const store = indexedDbStore({ name: `whole ${dataLoss}`, onDataLoss });
  await store.getRun("t", "r");
  expect(onDataLoss).not.toHaveBeenCalled();
  await store.close();
});

test("a page's onError learns that the browser has deleted a damaged database", async () => {
  sayingOfEach({ dataLoss: "total" });
  const onError = vi.fn();
  const page = createPage({ tenant: "t", skills: [], capabilities: [], database: "damaged page", onError });
  await expect.poll(() => onError.mock.calls.map(([error]) => error.code)).toContain("corrupt_data");
  await page.stop();
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
