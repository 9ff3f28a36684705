import { afterEach, expect, test, vi } from "vitest";
import { persistStorage, storageRoom } from "../../adapters/indexeddb/index.ts";

afterEach(() => vi.unstubAllGlobals());

const whole = {
  estimate: async () => ({ usage: 1, quota: 2 }),
  persisted: async () => true,
  persist: async () => true,
};

test.each<[string, unknown, unknown, boolean]>([
  ["no navigator", undefined, undefined, false],
  ["no storage, as on plain http", {}, undefined, false],
  ["all of it", { storage: whole }, { usage: 1, quota: 2, isPersistent: true }, true],
  [
    "no promise to persist",
    { storage: { estimate: whole.estimate } },
    { usage: 1, quota: 2, isPersistent: false },
    false,
  ],
  ["an estimate without numbers", { storage: { ...whole, estimate: async () => ({}) } }, undefined, true],
  [
    "an estimate that fails",
    { storage: { ...whole, estimate: () => Promise.reject(new TypeError()) } },
    undefined,
    true,
  ],
])("a browser with %s is asked for its room", async (_what, navigator, room, isPersistent) => {
  vi.stubGlobal("navigator", navigator);
  expect(await storageRoom()).toEqual(room);
  expect(await persistStorage()).toBe(isPersistent);
});
