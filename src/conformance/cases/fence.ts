import { storeCase } from "../case.ts";
import { expectEqual, expectRejection } from "../expect.ts";
import { all, contents, expectCommitted, expectConflict, put, row, tombstone } from "../rows.ts";

/** The one rule: a row is accepted only over the one before it, or over that which its commit names. */
export const fenceCases = [
  storeCase("fence.birth", "A row at revision 1 is accepted if there is no row.", async ({ store, tenant }) => {
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
    "A row beyond revision 1 without a row is a conflict, and no run appears.",
    async ({ store, tenant }) => {
      const before = await contents(store, tenant, ["r"]);
      for (const revision of [2, 3]) await expectConflict(store, row(tenant, "r", { revision }));
      expectEqual(await contents(store, tenant, ["r"]), before, "the store");
    },
  ),

  storeCase(
    "fence.over",
    "A commit that names the revision it stands over is accepted there, however far it goes on.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r", { revision: 5 }), { over: 0 });
      await expectCommitted(store, row(tenant, "r", { revision: 6 }));
      const far = row(tenant, "r", { revision: 2 ** 40, dueAt: 7 });
      await expectCommitted(store, far, { over: 6 });
      expectEqual(await store.getRun(tenant, "r"), far, "getRun");
      expectEqual(await store.dueRuns({ tenant, now: 7, limit: 1 }), [far], "dueRuns");
      await expectCommitted(store, row(tenant, "r", { revision: 2 ** 40 + 1 }));
    },
  ),

  storeCase(
    "fence.before",
    "A commit may bring the row that it replaces: each column is then the new row's, and the fence looks at the row that is there.",
    async ({ store, tenant }) => {
      const rows = [
        row(tenant, "r", { status: "running", skillId: "s", dueAt: 5 }),
        row(tenant, "r", { revision: 2, status: "waiting", skillId: "s", sourceRunId: "o" }),
        row(tenant, "r", { revision: 3, status: "running", skillId: "s", sourceRunId: "o", dueAt: 6 }),
        row(tenant, "r", { revision: 4, status: "running", skillId: "t", sourceRunId: "o", dueAt: 7 }),
      ];
      for (const [index, run] of rows.entries()) {
        const before = rows[index - 1];
        await expectCommitted(store, run, before && { before });
        if (before !== undefined) await expectConflict(store, { ...run, body: "late" }, { before });
        expectEqual(await store.getRun(tenant, "r"), run, `getRun after revision ${run.revision}`);
        for (const status of ["running", "waiting"]) {
          const expected = status === run.status ? [run] : [];
          const listed = await store.listRuns(tenant, { status, limit: 9, order: "ascending" });
          expectEqual(listed, expected, `listRuns ${status} after revision ${run.revision}`);
        }
        const due = await store.dueRuns({ tenant, now: 9, limit: 9 });
        expectEqual(due, run.dueAt === undefined ? [] : [run], `dueRuns after revision ${run.revision}`);
      }
      const before = rows.at(-1);
      await expectCommitted(store, tombstone(tenant, "r", 5), { erase: true, ...(before && { before }) });
      expectEqual(await store.countRuns(tenant, {}), 0, "countRuns after the erasure");
      expectEqual(await store.dueRuns({ tenant, now: 9, limit: 9 }), [], "dueRuns after the erasure");
    },
  ),

  storeCase(
    "fence.over-another",
    "A commit that names another revision than the row's is a conflict, also one that would fit without it.",
    async ({ store, tenant }) => {
      await expectConflict(store, row(tenant, "r", { revision: 5 }), { over: 4 });
      for (const revision of [1, 2, 3]) await expectCommitted(store, row(tenant, "r", { revision }));
      for (const [revision, over] of [
        [4, 2],
        [4, 0],
        [9, 0],
        [9, 1],
        [9, 8],
      ] as const) {
        await expectConflict(store, row(tenant, "r", { revision, body: "late" }), { over });
      }
      expectEqual(await store.getRun(tenant, "r"), row(tenant, "r", { revision: 3 }), "getRun");
    },
  ),

  storeCase(
    "fence.earlier",
    "Entries of revisions in between come with their row, each at its own revision.",
    async ({ store, tenant }) => {
      const one = (revision: number) => ({
        body: `entry ${revision}`,
        checkpointId: `c${revision}`,
        keyframe: revision,
      });
      const earlier = [
        { revision: 2, ...one(2), snapshot: "state 2" },
        { revision: 4, body: "events" },
      ];
      const entry = { ...one(9), snapshot: "state 9" };
      await expectCommitted(store, row(tenant, "r", { revision: 9 }), { over: 0, earlier, entry });
      const more = [{ revision: 11, ...one(11), snapshot: "state 11" }];
      await expectCommitted(store, row(tenant, "r", { revision: 20 }), { over: 9, earlier: more });
      const runId = "r";
      expectEqual(
        await store.listEntries(tenant, "r", { limit: all }),
        [
          { tenant, runId, revision: 2, ...one(2) },
          { tenant, runId, revision: 4, body: "events" },
          { tenant, runId, revision: 9, ...one(9) },
          { tenant, runId, revision: 11, ...one(11) },
        ],
        "listEntries",
      );
      expectEqual(
        await store.getSnapshots(tenant, "r", 0, 100),
        [2, 9, 11].map((revision) => ({ revision, body: `state ${revision}` })),
        "getSnapshots",
      );
      expectEqual((await store.getEntry(tenant, "r", "c11"))?.revision, 11, "getEntry");
    },
  ),

  storeCase(
    "fence.earlier-atomic",
    "Entries of revisions in between are written with their row, or not at all.",
    async ({ store, tenant }) => {
      const entry = { body: "entry", checkpointId: "old", keyframe: 1, snapshot: "state" };
      await expectCommitted(store, row(tenant, "r"), { entry });
      const before = await contents(store, tenant, ["r"]);
      const earlier = [{ revision: 2, body: "new", checkpointId: "new", keyframe: 2, snapshot: "new" }];
      await expectConflict(store, row(tenant, "r", { revision: 4 }), { over: 2, earlier });
      expectEqual(await contents(store, tenant, ["r"]), before, "the store after a conflict");
      const run = row(tenant, "r", { revision: 4 });
      const repeated = [...earlier, { ...entry, revision: 3 }];
      await expectRejection(() => put(store, run, { over: 1, earlier: repeated }), "an old checkpoint in between");
      const twice = { over: 1, earlier, entry: { ...entry, checkpointId: "new" } };
      await expectRejection(() => put(store, run, twice), "a checkpoint twice in a commit");
      expectEqual(await contents(store, tenant, ["r"]), before, "the store after rejections");
      await expectCommitted(store, run, { over: 1, earlier });
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
