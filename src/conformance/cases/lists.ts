import type { RunRow, Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, endOfTime, expectCommitted, row, runIds } from "../rows.ts";

/** The order of lists, and what a place in it is. */
export const listCases = [
  storeCase("lists.empty", "A tenant without runs has an empty list and a count of 0.", async ({ store, tenant }) => {
    expectEqual(await list(store, tenant), [], "listRuns ascending");
    expectEqual(await store.listRuns(tenant, { limit: all, order: "descending" }), [], "listRuns descending");
    expectEqual(await store.countRuns(tenant, {}), 0, "countRuns");
  }),

  storeCase("lists.order", "Runs come by createdAt, in either order.", async ({ store, tenant }) => {
    await born(store, tenant, [
      ["d", 1_000],
      ["a", 4_000],
      ["c", 2_000],
      ["b", 3_000],
      ["e", 999],
      ["f", 10_000],
    ]);
    await expectBothOrders(store, tenant, ["e", "d", "c", "b", "a", "f"]);
  }),

  storeCase(
    "lists.equal-clocks",
    "Runs of one createdAt come by run id, by code unit, in either order.",
    async ({ store, tenant }) => {
      const ids = ["b", "a", "B", "_", "a1", "a10", "a2", "~", "-", "A"];
      await born(
        store,
        tenant,
        ids.map((runId) => [runId, 1_000] as const),
      );
      await expectBothOrders(store, tenant, ["-", "A", "B", "_", "a", "a1", "a10", "a2", "b", "~"]);
    },
  ),

  storeCase(
    "lists.backward-clock",
    "A run that is born later with an earlier createdAt comes earlier.",
    async ({ store, tenant }) => {
      await born(store, tenant, [
        ["a", 3_000],
        ["b", 2_000],
        ["c", 2_000],
        ["d", 1_000],
      ]);
      await expectBothOrders(store, tenant, ["d", "b", "c", "a"]);
    },
  ),

  storeCase(
    "lists.fixed-place",
    "Later commits do not move a run in the list, whatever they change.",
    async ({ store, tenant }) => {
      await born(store, tenant, [
        ["a", 1_000],
        ["b", 1_000],
        ["c", 2_000],
      ]);
      await expectCommitted(store, row(tenant, "b", { revision: 2, status: "completed", dueAt: 1 }), { now: 9_000 });
      await expectCommitted(store, row(tenant, "a", { revision: 2, status: "waiting", skillId: "z" }), { now: 1 });
      await expectCommitted(store, row(tenant, "a", { revision: 3 }), { now: 99_000 });
      await expectBothOrders(store, tenant, ["a", "b", "c"]);
    },
  ),

  storeCase("lists.latest-rows", "The list has the latest row of each run, once.", async ({ store, tenant }) => {
    await born(store, tenant, [
      ["a", 1_000],
      ["b", 2_000],
    ]);
    const latest = row(tenant, "a", { revision: 2, status: "completed", skillId: "s" });
    await expectCommitted(store, latest);
    const rows = await store.listRuns(tenant, { limit: all, order: "ascending" });
    expectEqual(rows, [latest, row(tenant, "b", { createdAt: 2_000 })], "listRuns");
    expectEqual(await store.countRuns(tenant, {}), 2, "countRuns");
  }),

  storeCase(
    "lists.extreme-times",
    "Any time from 0 to the last that a Date can hold has its place.",
    async ({ store, tenant }) => {
      const times = [
        ["a", endOfTime],
        ["b", 0],
        ["c", 253_402_300_800_000],
        ["d", 1],
        ["e", 4_294_967_296],
      ] as const;
      await born(store, tenant, times);
      await expectBothOrders(store, tenant, ["b", "d", "e", "c", "a"]);
      for (const [runId, createdAt] of times) {
        expectEqual((await store.getRun(tenant, runId))?.createdAt, createdAt, `createdAt of ${runId}`);
        const after = await store.listRuns(tenant, { after: { createdAt, runId }, limit: 1, order: "ascending" });
        const next = { a: [], b: ["d"], c: ["a"], d: ["e"], e: ["c"] }[runId];
        expectEqual(runIds(after), next, `the run after ${runId}`);
      }
    },
  ),

  storeCase(
    "lists.after",
    "`after` is exclusive, also among equal clocks, in either order.",
    async ({ store, tenant }) => {
      const ids = await ties(store, tenant);
      for (const order of ["ascending", "descending"] as const) {
        const expected = order === "ascending" ? ids : ids.toReversed();
        for (const [index, runId] of expected.entries()) {
          const after = { runId, createdAt: createdAt(runId) };
          const found = await store.listRuns(tenant, { after, limit: all, order });
          expectEqual(runIds(found), expected.slice(index + 1), `${order} after ${runId}`);
        }
      }
    },
  ),

  storeCase("lists.after-nothing", "`after` need not be the place of a run.", async ({ store, tenant }) => {
    const ids = await ties(store, tenant);
    const places = [
      { createdAt: 0, runId: "z", before: 0 },
      { createdAt: 1_000, runId: "a", before: 0 },
      { createdAt: 1_000, runId: "a2", before: 1 },
      { createdAt: 1_500, runId: "a1", before: 2 },
      { createdAt: 2_000, runId: "a", before: 2 },
      { createdAt: 2_000, runId: "b1x", before: 3 },
      { createdAt: 2_000, runId: "b2", before: 3 },
      { createdAt: 2_000, runId: "~", before: 5 },
      { createdAt: endOfTime, runId: "a", before: 6 },
    ];
    for (const { before, ...after } of places) {
      const place = `(${after.createdAt}, ${after.runId})`;
      const later = await store.listRuns(tenant, { after, limit: all, order: "ascending" });
      expectEqual(runIds(later), ids.slice(before), `ascending after ${place}`);
      const earlier = await store.listRuns(tenant, { after, limit: all, order: "descending" });
      expectEqual(runIds(earlier), ids.slice(0, before).toReversed(), `descending after ${place}`);
    }
  }),

  storeCase("lists.limit", "At most `limit` runs come, the first ones of the order.", async ({ store, tenant }) => {
    const ids = await ties(store, tenant);
    for (const limit of [1, 3, ids.length, ids.length + 1]) {
      const ascending = await store.listRuns(tenant, { limit, order: "ascending" });
      expectEqual(runIds(ascending), ids.slice(0, limit), `the first ${limit}`);
      const descending = await store.listRuns(tenant, { limit, order: "descending" });
      expectEqual(runIds(descending), ids.toReversed().slice(0, limit), `the last ${limit}`);
    }
  }),

  storeCase(
    "lists.offset",
    "`offset` runs are skipped, and none of them is counted as returned.",
    async ({ store, tenant }) => {
      const ids = await ties(store, tenant);
      for (const offset of [0, 1, 4, ids.length, ids.length + 5]) {
        const ascending = await store.listRuns(tenant, { offset, limit: 2, order: "ascending" });
        expectEqual(runIds(ascending), ids.slice(offset, offset + 2), `ascending from ${offset}`);
        const descending = await store.listRuns(tenant, { offset, limit: all, order: "descending" });
        expectEqual(runIds(descending), ids.toReversed().slice(offset), `descending from ${offset}`);
      }
    },
  ),

  storeCase("lists.offset-after", "`offset` counts from behind `after`.", async ({ store, tenant }) => {
    const ids = await ties(store, tenant);
    const after = { createdAt: 1_000, runId: "a3" };
    for (const offset of [0, 1, 3, 9]) {
      const found = await store.listRuns(tenant, { after, offset, limit: 2, order: "ascending" });
      expectEqual(runIds(found), ids.slice(2 + offset, 4 + offset), `ascending from ${offset} behind a3`);
    }
    const found = await store.listRuns(tenant, { after, offset: 1, limit: all, order: "descending" });
    expectEqual(found, [], "descending from 1 behind a3");
  }),
];

/** Two, three and one run of equal clocks, in the order of the list. */
async function ties(store: Store, tenant: string): Promise<readonly string[]> {
  const ids = ["a1", "a3", "b1", "b3", "b5", "c1"];
  await born(
    store,
    tenant,
    ["b3", "c1", "a3", "b5", "b1", "a1"].map((runId) => [runId, createdAt(runId)] as const),
  );
  return ids;
}

function createdAt(runId: string): number {
  return runId.startsWith("a") ? 1_000 : runId.startsWith("b") ? 2_000 : 3_000;
}

async function born(store: Store, tenant: string, runs: readonly (readonly [string, number])[]): Promise<void> {
  for (const [runId, createdAt] of runs) await expectCommitted(store, row(tenant, runId, { createdAt }));
}

function list(store: Store, tenant: string): Promise<readonly RunRow[]> {
  return store.listRuns(tenant, { limit: all, order: "ascending" });
}

async function expectBothOrders(store: Store, tenant: string, ids: readonly string[]): Promise<void> {
  expectEqual(runIds(await list(store, tenant)), ids, "ascending");
  const descending = await store.listRuns(tenant, { limit: all, order: "descending" });
  expectEqual(runIds(descending), ids.toReversed(), "descending");
}
