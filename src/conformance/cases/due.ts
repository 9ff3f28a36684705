import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, compareText, endOfTime, expectCommitted, row, runIds } from "../rows.ts";

/** Runs that an executor should look at. */
export const dueCases = [
  storeCase("due.boundary", "A row is due from its dueAt on, that millisecond included.", async ({ store, tenant }) => {
    await expectCommitted(store, row(tenant, "r", { dueAt: 2_000 }));
    for (const [now, ids] of [
      [0, []],
      [1_999, []],
      [2_000, ["r"]],
      [2_001, ["r"]],
      [endOfTime, ["r"]],
    ] as const) {
      expectEqual(await due(store, tenant, now), ids, `due at ${now}`);
    }
  }),

  storeCase("due.zero", "A row that is due at 0 is due.", async ({ store, tenant }) => {
    await expectCommitted(store, row(tenant, "r", { dueAt: 0 }));
    expectEqual(await due(store, tenant, 0), ["r"], "due at 0");
  }),

  storeCase("due.absent", "A row without a dueAt is never due.", async ({ store, tenant }) => {
    await expectCommitted(store, row(tenant, "r"));
    expectEqual(await due(store, tenant, endOfTime), [], "due at the end of time");
  }),

  storeCase("due.order", "Due rows come by dueAt and then by run id, not by birth.", async ({ store, tenant }) => {
    const rows = [
      ["d", 2_000, 1],
      ["a", 9_000, 2],
      ["b1", 3_000, 9],
      ["B3", 3_000, 8],
      ["b10", 3_000, 7],
      ["b2", 3_000, 6],
    ];
    for (const [runId, dueAt, createdAt] of rows as [string, number, number][]) {
      await expectCommitted(store, row(tenant, runId, { dueAt, createdAt }));
    }
    expectEqual(await due(store, tenant, 9_000), ["d", "B3", "b1", "b10", "b2", "a"], "due rows");
  }),

  storeCase("due.limit", "At most `limit` due rows come, those due longest.", async ({ store, tenant }) => {
    for (const [runId, dueAt] of [
      ["a", 4_000],
      ["b", 3_000],
      ["c", 2_000],
      ["d", 1_000],
    ] as const) {
      await expectCommitted(store, row(tenant, runId, { dueAt }));
    }
    expectEqual(await due(store, tenant, 4_000, 1), ["d"], "one");
    expectEqual(await due(store, tenant, 4_000, 3), ["d", "c", "b"], "three");
    expectEqual(await due(store, tenant, 4_000, 9), ["d", "c", "b", "a"], "nine");
  }),

  storeCase("due.moved", "A row is due as its latest commit says.", async ({ store, tenant }) => {
    for (const runId of ["later", "sooner", "same"]) {
      await expectCommitted(store, row(tenant, runId, { dueAt: 2_000 }));
    }
    await expectCommitted(store, row(tenant, "later", { revision: 2, dueAt: 5_000 }));
    await expectCommitted(store, row(tenant, "sooner", { revision: 2, dueAt: 1_000 }));
    await expectCommitted(store, row(tenant, "same", { revision: 2, dueAt: 2_000 }));
    expectEqual(await due(store, tenant, 1_000), ["sooner"], "due at 1000");
    expectEqual(await due(store, tenant, 2_000), ["sooner", "same"], "due at 2000");
    expectEqual(await due(store, tenant, 5_000), ["sooner", "same", "later"], "due at 5000");
  }),

  storeCase(
    "due.cleared",
    "A row whose latest commit has no dueAt is no longer due, and may become due again.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r", { dueAt: 2_000 }));
      await expectCommitted(store, row(tenant, "r", { revision: 2 }));
      expectEqual(await due(store, tenant, endOfTime), [], "due after it was cleared");
      await expectCommitted(store, row(tenant, "r", { revision: 3, dueAt: 3_000 }));
      expectEqual(await due(store, tenant, 3_000), ["r"], "due again");
    },
  ),

  storeCase(
    "due.any-status",
    "The status has no bearing: a row with a dueAt is due, also when it is called completed.",
    async ({ store, tenant }) => {
      const statuses = ["completed", "failed", "canceled", "waiting", "anything"];
      for (const status of statuses) await expectCommitted(store, row(tenant, status, { status, dueAt: 1_000 }));
      expectEqual(await due(store, tenant, 1_000), statuses.sort(compareText), "due rows");
    },
  ),

  storeCase("due.reading", "Asking what is due changes nothing.", async ({ store, tenant }) => {
    for (const runId of ["a", "b"]) await expectCommitted(store, row(tenant, runId, { dueAt: 1_000 }));
    expectEqual(await due(store, tenant, 1_000, 1), ["a"], "asked once");
    expectEqual(await due(store, tenant, 1_000, 1), ["a"], "asked twice");
    expectEqual(await store.getRun(tenant, "a"), row(tenant, "a", { dueAt: 1_000 }), "getRun");
  }),

  storeCase(
    "due.one-tenant",
    "With a tenant only its rows come, and only they count towards the limit.",
    async ({ store, tenant, neighbor }) => {
      for (const runId of ["a", "b"]) await expectCommitted(store, row(neighbor, runId, { dueAt: 1_000 }));
      await expectCommitted(store, row(tenant, "b", { dueAt: 2_000 }));
      await expectCommitted(store, row(tenant, "c", { dueAt: 3_000 }));
      expectEqual(await due(store, tenant, 9_000), ["b", "c"], "all of the tenant");
      expectEqual(await due(store, tenant, 9_000, 1), ["b"], "one of the tenant");
      expectEqual(await due(store, "no-one", 9_000), [], "of a tenant without runs");
    },
  ),

  storeCase(
    "due.every-tenant",
    "Without a tenant the rows of all of them come, in one order and under one limit.",
    async ({ store, tenant, neighbor }) => {
      const rows = [
        row(tenant, "d", { dueAt: 1_000 }),
        row(neighbor, "c", { dueAt: 2_000 }),
        row(tenant, "x", { dueAt: 3_000 }),
        row(neighbor, "y", { dueAt: 3_000 }),
        row(tenant, "z", { dueAt: 3_000 }),
        row(neighbor, "a", { dueAt: 4_000 }),
      ];
      for (const run of rows.toReversed()) await expectCommitted(store, run);
      await expectCommitted(store, row(neighbor, "never"));
      expectEqual(await store.dueRuns({ now: 4_000, limit: all }), rows, "all");
      expectEqual(await store.dueRuns({ now: 3_999, limit: all }), rows.slice(0, 5), "all but the last");
      expectEqual(await store.dueRuns({ now: 4_000, limit: 4 }), rows.slice(0, 4), "the first four");
    },
  ),

  storeCase("due.ties", "Rows of one dueAt and run id come by tenant, also from page to page.", async (stage) => {
    const { store, tenant, neighbor } = stage;
    const rows = [row(tenant, "same", { dueAt: 1_000 }), row(neighbor, "same", { dueAt: 1_000 })];
    for (const run of rows.toReversed()) await expectCommitted(store, run);
    expectEqual(await store.dueRuns({ now: 1_000, limit: all }), rows, "all");
    const after = { dueAt: 1_000, runId: "same", tenant };
    expectEqual(await store.dueRuns({ now: 1_000, limit: all, after }), rows.slice(1), "after the first");
    expectEqual(
      await store.dueRuns({ now: 1_000, limit: all, after: { ...after, tenant: neighbor } }),
      [],
      "after both",
    );
  }),

  storeCase(
    "due.after",
    "A page begins after its place, which need not exist, of one tenant or of all.",
    async ({ store, tenant, neighbor }) => {
      const places = [
        ["d", 1_000],
        ["a", 2_000],
        ["b", 2_000],
        ["c", 3_000],
      ] as const;
      for (const [runId, dueAt] of places) await expectCommitted(store, row(tenant, runId, { dueAt }));
      await expectCommitted(store, row(neighbor, "aa", { dueAt: 2_000 }));
      const page = async (dueAt: number, runId: string, of?: string, limit = all) => {
        const after = { dueAt, runId, tenant };
        return runIds(await store.dueRuns({ now: 3_000, limit, after, ...(of !== undefined && { tenant: of }) }));
      };
      expectEqual(await page(1_000, "d", tenant), ["a", "b", "c"], "after the first of the tenant");
      expectEqual(await page(2_000, "a", tenant), ["b", "c"], "after one with another of its dueAt");
      expectEqual(await page(2_000, "b", tenant, 1), ["c"], "one after a place");
      expectEqual(await page(3_000, "c", tenant), [], "after the last");
      expectEqual(await page(2_000, "ab", tenant), ["b", "c"], "after a place between two");
      expectEqual(await page(1_500, "z", tenant), ["a", "b", "c"], "after a time between two");
      expectEqual(await page(1_000, "d"), ["a", "aa", "b", "c"], "after the first of all");
      expectEqual(await page(2_000, "a", undefined, 2), ["aa", "b"], "two of all after a place");
      expectEqual(await page(2_000, "b", neighbor), [], "of another tenant");
    },
  ),

  storeCase(
    "due.except",
    "Rows of tenants that are left out do not come, and do not count towards the limit.",
    async ({ store, tenant, neighbor }) => {
      const third = `${tenant} third`;
      for (const runId of ["a", "b", "c"]) {
        await expectCommitted(store, row(tenant, runId, { dueAt: 1_000 }));
        await expectCommitted(store, row(neighbor, runId, { dueAt: 2_000 }));
        await expectCommitted(store, row(third, runId, { dueAt: 3_000 }));
      }
      const left = async (exceptTenants: readonly string[], limit: number) =>
        (await store.dueRuns({ now: 3_000, limit, exceptTenants })).map((run) => `${run.tenant} ${run.runId}`);
      expectEqual(await left([], 1), [`${tenant} a`], "with no tenant left out");
      expectEqual(await left([tenant], 2), [`${neighbor} a`, `${neighbor} b`], "without one");
      expectEqual(await left([neighbor, tenant], 2), [`${third} a`, `${third} b`], "without two");
      expectEqual(await left([tenant, neighbor, third, `${third} '" % \\`], all), [], "without any");
      const after = { dueAt: 1_000, runId: "b", tenant };
      const query = { now: 3_000, limit: 2, exceptTenants: [neighbor], after };
      expectEqual(runIds(await store.dueRuns(query)), ["c", "a"], "after a place");
    },
  ),
];

async function due(store: Store, tenant: string, now: number, limit = all): Promise<readonly string[]> {
  return runIds(await store.dueRuns({ tenant, now, limit }));
}
