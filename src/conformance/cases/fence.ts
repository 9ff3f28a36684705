import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { contents, expectCommitted, expectConflict, put, row } from "../rows.ts";

/** The one rule: a row at revision n is accepted only over a row at revision n - 1. */
export const fenceCases = [
  storeCase("fence.birth", "A row at revision 1 is accepted where there is none.", async ({ store, tenant }) => {
    await expectCommitted(store, row(tenant, "r"));
    expectEqual(await store.getRun(tenant, "r"), row(tenant, "r"), "getRun");
  }),

  storeCase("fence.successor", "A row at revision n is accepted over one at n - 1.", async ({ store, tenant }) => {
    for (let revision = 1; revision <= 12; revision += 1) {
      const run = row(tenant, "r", { revision });
      await expectCommitted(store, run);
      expectEqual(await store.getRun(tenant, "r"), run, `getRun after revision ${revision}`);
    }
  }),

  storeCase(
    "fence.birth-over-existing",
    "A row at revision 1 over an existing row is a conflict.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r"));
      await expectConflict(store, row(tenant, "r", { body: "second" }));
      expectEqual(await store.getRun(tenant, "r"), row(tenant, "r"), "getRun");
    },
  ),

  storeCase(
    "fence.stale-revision",
    "A row at a revision that is already there is a conflict, and the row stays.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r"));
      await expectCommitted(store, row(tenant, "r", { revision: 2 }));
      await expectConflict(store, row(tenant, "r", { revision: 2, body: "late" }));
      expectEqual(await store.getRun(tenant, "r"), row(tenant, "r", { revision: 2 }), "getRun");
    },
  ),

  storeCase(
    "fence.old-revision",
    "A row at a revision long gone is a conflict, and the row stays.",
    async ({ store, tenant }) => {
      for (let revision = 1; revision <= 11; revision += 1)
        await expectCommitted(store, row(tenant, "r", { revision }));
      for (const revision of [1, 2, 9, 10]) await expectConflict(store, row(tenant, "r", { revision, body: "late" }));
      expectEqual(await store.getRun(tenant, "r"), row(tenant, "r", { revision: 11 }), "getRun");
    },
  ),

  storeCase(
    "fence.skipped-revision",
    "A row that skips a revision is a conflict, and the row stays.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r"));
      for (const revision of [3, 4, 10]) await expectConflict(store, row(tenant, "r", { revision }));
      expectEqual(await store.getRun(tenant, "r"), row(tenant, "r"), "getRun");
    },
  ),

  storeCase(
    "fence.nothing-underneath",
    "A row beyond revision 1 where there is none is a conflict, and no run appears.",
    async ({ store, tenant }) => {
      const before = await contents(store, tenant, ["r"]);
      for (const revision of [2, 3]) await expectConflict(store, row(tenant, "r", { revision }));
      expectEqual(await contents(store, tenant, ["r"]), before, "the store");
    },
  ),

  storeCase(
    "fence.same-again",
    "The very same commit again is a conflict, not a second success.",
    async ({ store, tenant }) => {
      const first = row(tenant, "r");
      await expectCommitted(store, first);
      await expectConflict(store, first);
      const second = row(tenant, "r", { revision: 2 });
      await expectCommitted(store, second, { entry: { body: "entry" } });
      await expectConflict(store, second, { entry: { body: "entry" } });
    },
  ),

  storeCase(
    "fence.no-clock",
    "Revisions alone decide: a commit whose time lies before that of its predecessor is accepted.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r"), { now: 9_000 });
      await expectCommitted(store, row(tenant, "r", { revision: 2, dueAt: 10 }), { now: 8_000 });
      await expectCommitted(store, row(tenant, "r", { revision: 3, dueAt: 5 }), { now: 0 });
      await expectConflict(store, row(tenant, "r", { revision: 3, dueAt: 90_000 }), { now: 99_000 });
      expectEqual((await store.getRun(tenant, "r"))?.revision, 3, "revision");
    },
  ),

  storeCase("fence.per-run", "The revision of one run has no bearing on another.", async ({ store, tenant }) => {
    for (let revision = 1; revision <= 3; revision += 1) await expectCommitted(store, row(tenant, "a", { revision }));
    await expectCommitted(store, row(tenant, "b"));
    await expectConflict(store, row(tenant, "b", { revision: 4 }));
    await expectCommitted(store, row(tenant, "b", { revision: 2 }));
    await expectCommitted(store, row(tenant, "a", { revision: 4 }));
  }),

  storeCase(
    "fence.other-handle",
    "A handle that has not seen a newer row still cannot write over it.",
    async ({ store, open, tenant }) => {
      const other = await open();
      await expectCommitted(store, row(tenant, "r"));
      expectEqual((await other.getRun(tenant, "r"))?.revision, 1, "revision");
      await expectCommitted(store, row(tenant, "r", { revision: 2 }));
      await expectConflict(other, row(tenant, "r", { revision: 2, body: "late" }));
      await expectCommitted(other, row(tenant, "r", { revision: 3 }));
      await expectConflict(store, row(tenant, "r", { revision: 3, body: "late" }));
      expectEqual(await store.getRun(tenant, "r"), row(tenant, "r", { revision: 3 }), "getRun");
    },
  ),

  storeCase(
    "fence.duplicate-is-conflict",
    "A stale commit that also repeats a checkpoint id is a conflict, not a rejection.",
    async ({ store, tenant }) => {
      const entry = { body: "entry", checkpointId: "c", snapshot: "state" };
      await expectCommitted(store, row(tenant, "r"), { entry });
      const stale = await put(store, row(tenant, "r", { body: "late" }), { entry });
      expectEqual(stale, { kind: "conflict" }, "stale commit");
      const skipped = await put(store, row(tenant, "r", { revision: 3 }), { entry });
      expectEqual(skipped, { kind: "conflict" }, "skipping commit");
    },
  ),
];
