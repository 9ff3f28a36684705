import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { checkStore, type StoreHarness, storeCases } from "../../src/conformance/index.ts";
import type { Store } from "../../src/store.ts";
import { memoryHarness } from "../support/memory-harness.ts";

/** A harness of memory stores with some methods replaced. */
function spoiled(spoil: (store: Store) => Partial<Store>): StoreHarness {
  return {
    fresh: async () => {
      const data = new Map();
      const open = async () => {
        const store = memoryStore({ data });
        return { ...store, ...spoil(store) };
      };
      return { open };
    },
  };
}

test("the report of a good store says that every case passed", async () => {
  const report = await checkStore(memoryHarness);
  expect(report).toMatchObject({ passed: storeCases.length, failed: 0, exempt: 0 });
  expect(report.results.map((result) => result.id)).toEqual(storeCases.map((one) => one.id));
});

test("a failed case is reported with what was expected and what came, and the next ones still run", async () => {
  const harness = spoiled((store) => ({
    countRuns: async (tenant, filter) => (await store.countRuns(tenant, filter)) + 1,
  }));
  const report = await checkStore(harness, { only: ["lists.empty", "lists.order"] });
  expect(report).toMatchObject({ passed: 1, failed: 1 });
  expect(report.results[0]).toMatchObject({
    id: "lists.empty",
    clause: "A tenant without runs has an empty list and a count of 0.",
    outcome: "failed",
    error: "countRuns: expected 0, got 1",
  });
});

test("an exempt case is not run, and is reported with its reason", async () => {
  const harness = spoiled(() => ({ countRuns: () => Promise.reject(new Error("not here")) }));
  const exemptions = [{ case: "lists.empty", because: "it cannot count" }];
  const report = await checkStore(harness, { exemptions, only: ["lists.empty", "lists.order"] });
  expect(report).toMatchObject({ passed: 1, failed: 0, exempt: 1 });
  expect(report.results[0]).toMatchObject({ id: "lists.empty", outcome: "exempt", because: "it cannot count" });
});

test("an id that names no case is an error", async () => {
  const exemptions = [{ case: "fence.gone", because: "it was renamed" }];
  await expect(checkStore(memoryHarness, { exemptions })).rejects.toThrow('unknown case "fence.gone"');
  await expect(checkStore(memoryHarness, { only: ["fence"] })).rejects.toThrow('unknown case "fence"');
});

test("a case that never ends fails when its time is over", async () => {
  const harness = spoiled(() => ({ commit: () => new Promise(() => undefined) }));
  const { results } = await checkStore(harness, { only: ["fence.birth"], timeoutMs: 20 });
  expect(results[0]).toMatchObject({ outcome: "failed", error: "not done within 20 ms" });
});

test("a medium that cannot be had fails the case with its causes", async () => {
  const cause = new TypeError("no such host");
  const fresh = () => Promise.reject(new Error("no database", { cause }));
  const { results } = await checkStore({ fresh }, { only: ["fence.birth"] });
  expect(results[0]).toMatchObject({ outcome: "failed", error: "no database, because TypeError: no such host" });
});

test("every handle is closed and the medium removed, also after a failure", async () => {
  const left: string[] = [];
  const fresh = async () => {
    const data = new Map();
    const open = async (): Promise<Store> => {
      const store = memoryStore({ data });
      left.push("handle");
      const close = async () => {
        left.splice(left.indexOf("handle"), 1);
        await store.close();
      };
      return { ...store, commit: async () => ({ kind: "conflict" }), close };
    };
    left.push("medium");
    const remove = async () => {
      left.splice(left.indexOf("medium"), 1);
    };
    return { open, remove };
  };
  const report = await checkStore({ fresh }, { only: ["races.eight-writers"] });
  expect(report.failed).toBe(1);
  expect(left).toEqual([]);
});
