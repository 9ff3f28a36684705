import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { countingStore, crashingStore, failingStore, lostAnswerStore } from "../../src/conformance/faults.ts";
import { checkStore } from "../../src/conformance/index.ts";
import { expectCommitted, put, row } from "../../src/conformance/rows.ts";
import type { Store } from "../../src/store.ts";

describe("a store that loses answers", () => {
  test("has written what it rejects, on the commits that `when` selects", async () => {
    const store = lostAnswerStore(memoryStore(), ({ nth }) => nth === 2);
    await expectCommitted(store, row("t", "r"));
    await expect(put(store, row("t", "r", { revision: 2 }))).rejects.toMatchObject({ code: "store_failed" });
    expect((await store.getRun("t", "r"))?.revision).toBe(2);
    await expectCommitted(store, row("t", "r", { revision: 3 }));
  });

  test("picks commits by what they bring", async () => {
    const store = lostAnswerStore(memoryStore(), ({ commit }) => commit?.run.runId === "b");
    await expectCommitted(store, row("t", "a"));
    await expect(put(store, row("t", "b"))).rejects.toMatchObject({ code: "store_failed" });
    expect(await store.getRun("t", "b")).toEqual(row("t", "b"));
  });
});

describe("a store that fails", () => {
  test("has written nothing of what it rejects", async () => {
    const store = failingStore(memoryStore(), ({ method, nth }) => method === "commit" && nth === 1);
    await expect(put(store, row("t", "r"))).rejects.toMatchObject({ code: "store_failed" });
    expect(await store.getRun("t", "r")).toBeUndefined();
    await expectCommitted(store, row("t", "r"));
  });

  test("fails reads too", async () => {
    const store = failingStore(memoryStore(), ({ method }) => method === "listRuns");
    const list = store.listRuns("t", { limit: 1, order: "ascending" });
    await expect(list).rejects.toMatchObject({ code: "store_failed" });
    expect(await store.countRuns("t", {})).toBe(0);
  });
});

describe("a store that crashes", () => {
  test.each([
    ["before", 1],
    ["after", 2],
  ] as const)(
    "%s its second commit has %d of them on the medium, and answers nothing any more",
    async (moment, written) => {
      const good = memoryStore();
      const store = crashingStore(good, { atCommit: 2, moment, calls: "reject" });
      await expectCommitted(store, row("t", "r"));
      expect(store.crashed).toBe(false);
      await expect(put(store, row("t", "r", { revision: 2 }))).rejects.toMatchObject({ code: "store_failed" });
      expect(store.crashed).toBe(true);
      await expect(store.getRun("t", "r")).rejects.toMatchObject({ code: "store_failed" });
      await expect(put(store, row("t", "other"))).rejects.toMatchObject({ code: "store_failed" });
      expect((await good.getRun("t", "r"))?.revision).toBe(written);
      expect(await good.getRun("t", "other")).toBeUndefined();
    },
  );

  test("and hangs never settles a call, not even one that was under way", async () => {
    const store = crashingStore(memoryStore(), { atCommit: 1, moment: "after", calls: "hang" });
    const settled: string[] = [];
    const watch = (name: string, call: Promise<unknown>) => call.finally(() => settled.push(name));
    watch("the commit", put(store, row("t", "r")));
    watch("a read beside it", store.getRun("t", "r"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    watch("a read after it", store.getRun("t", "r"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(store.crashed).toBe(true);
    expect(settled).toEqual([]);
    await store.close();
  });
});

test("a counting store counts calls, rows and the bytes of snapshots", async () => {
  const store = countingStore(memoryStore());
  const claims = [{ kind: "k", key: "a", body: "claim" }];
  await expectCommitted(store, row("t", "r"), { entry: { body: "entry", snapshot: "é€😀" }, claims });
  expect((await put(store, row("t", "r"), { entry: { body: "entry", snapshot: "stale" } })).kind).toBe("conflict");
  await store.getRun("t", "r");
  await store.getRun("t", "missing");
  await store.listRuns("t", { limit: 9, order: "ascending" });
  await store.getSnapshots("t", "r", 1, 1);
  expect(store.counts).toMatchObject({ rowsWritten: 4, rowsRead: 3, snapshotBytesWritten: 9, snapshotBytesRead: 9 });
  expect(store.counts.calls).toMatchObject({ commit: 2, getRun: 2, listRuns: 1, getSnapshots: 1, getClaim: 0 });
});

test("stores whose faults never strike keep every clause", async () => {
  const quiet = (store: Store) => {
    const crash = { atCommit: Number.POSITIVE_INFINITY, moment: "before", calls: "hang" } as const;
    const never = () => false;
    return countingStore(crashingStore(failingStore(lostAnswerStore(store, never), never), crash));
  };
  const fresh = async () => {
    const data = new Map();
    return { open: async () => quiet(memoryStore({ data })) };
  };
  const { results } = await checkStore({ fresh });
  expect(results.filter((result) => result.outcome !== "passed")).toEqual([]);
});
