import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, expectCommitted, row } from "../rows.ts";

/** The run's row: what goes in comes out. */
export const rowCases = [
  storeCase("rows.missing", "A run that was never started is undefined.", async ({ store, tenant }) => {
    expectEqual(await store.getRun(tenant, "r"), undefined, "getRun of no run");
    await expectCommitted(store, row(tenant, "r"));
    expectEqual(await store.getRun(tenant, "R"), undefined, "getRun of another id");
  }),

  storeCase("rows.every-field", "A row is read with every field as it was written.", async ({ store, tenant }) => {
    const run = row(tenant, "r", { skillId: "skill", sourceRunId: "source", dueAt: 5_000, createdAt: 4_000 });
    await expectCommitted(store, run);
    expectEqual(await store.getRun(tenant, "r"), run, "getRun");
    expectEqual(await store.listRuns(tenant, { limit: all, order: "ascending" }), [run], "listRuns");
    expectEqual(await store.dueRuns({ tenant, now: 5_000, limit: all }), [run], "dueRuns");
  }),

  storeCase(
    "rows.absent-fields",
    "An optional field that was not written is absent from the row, the entry and the claim.",
    async ({ store, tenant }) => {
      const run = row(tenant, "r");
      const claim = { kind: "k", key: "a", body: "claim" };
      await expectCommitted(store, run, { entry: { body: "entry" }, claims: [claim] });
      expectEqual(await store.getRun(tenant, "r"), run, "getRun");
      expectEqual(await store.listRuns(tenant, { limit: all, order: "ascending" }), [run], "listRuns");
      const entry = { tenant, runId: "r", revision: 1, body: "entry" };
      expectEqual(await store.listEntries(tenant, "r", { limit: all }), [entry], "listEntries");
      expectEqual(await store.getClaim(tenant, "k", "a"), { tenant, runId: "r", ...claim }, "getClaim");
      expectEqual(
        await store.listClaims(tenant, "r", { limit: all }),
        [{ tenant, runId: "r", ...claim }],
        "listClaims",
      );
    },
  ),

  storeCase(
    "rows.replaced-whole",
    "A later row replaces the earlier one whole, also the fields that it no longer has.",
    async ({ store, tenant }) => {
      const born = row(tenant, "r", { skillId: "skill", sourceRunId: "source", dueAt: 5_000 });
      await expectCommitted(store, born, { entry: { body: "entry", checkpointId: "c", snapshot: "state" } });
      const next = row(tenant, "r", { revision: 2, status: "waiting" });
      await expectCommitted(store, next);
      expectEqual(await store.getRun(tenant, "r"), next, "getRun");
      const back = row(tenant, "r", { revision: 3, skillId: "other", dueAt: 7_000 });
      await expectCommitted(store, back);
      expectEqual(await store.getRun(tenant, "r"), back, "getRun");
    },
  ),

  storeCase("rows.neighbors", "A commit leaves every other run as it was.", async ({ store, tenant }) => {
    for (const runId of ["a", "b", "c"]) await expectCommitted(store, row(tenant, runId));
    await expectCommitted(store, row(tenant, "b", { revision: 2, status: "completed" }));
    expectEqual(await store.getRun(tenant, "a"), row(tenant, "a"), "the run before it");
    expectEqual(await store.getRun(tenant, "c"), row(tenant, "c"), "the run after it");
  }),

  storeCase(
    "rows.input-mutated",
    "What the caller does to its objects after a commit does not change what is stored.",
    async ({ store, tenant }) => {
      const run = { ...row(tenant, "r") };
      const claim = { kind: "k", key: "a", body: "claim" };
      const entry = { body: "entry", checkpointId: "c", snapshot: "state" };
      const claims = [claim];
      await expectCommitted(store, run, { entry, claims });
      Object.assign(run, { body: "changed", status: "changed", revision: 9 });
      Object.assign(entry, { body: "changed", checkpointId: "changed", snapshot: "changed" });
      Object.assign(claim, { body: "changed", lapsesAt: 0 });
      claims.push({ kind: "k", key: "b", body: "changed" });

      expectEqual(await store.getRun(tenant, "r"), row(tenant, "r"), "getRun");
      const kept = { tenant, runId: "r", revision: 1, checkpointId: "c", body: "entry" };
      expectEqual(await store.getEntry(tenant, "r", "c"), kept, "getEntry");
      expectEqual(await store.getSnapshots(tenant, "r", 1, 1), [{ revision: 1, body: "state" }], "getSnapshots");
      const owned = [{ tenant, runId: "r", kind: "k", key: "a", body: "claim" }];
      expectEqual(await store.listClaims(tenant, "r", { limit: all }), owned, "listClaims");
    },
  ),

  storeCase(
    "rows.output-mutated",
    "What the caller does to rows that it read does not change what is stored.",
    async ({ store, tenant }) => {
      const claims = [{ kind: "k", key: "a", body: "claim" }];
      await expectCommitted(store, row(tenant, "r", { dueAt: 1 }), {
        entry: { body: "entry", checkpointId: "c", snapshot: "state" },
        claims,
      });
      const read = () =>
        Promise.all([
          store.getRun(tenant, "r"),
          store.listRuns(tenant, { limit: all, order: "descending" }),
          store.dueRuns({ tenant, now: 1, limit: all }),
          store.getEntry(tenant, "r", "c"),
          store.listEntries(tenant, "r", { limit: all }),
          store.getSnapshots(tenant, "r", 1, 1),
          store.getClaim(tenant, "k", "a"),
          store.listClaims(tenant, "r", { limit: all }),
        ]);
      const before = await read();
      const untouched = structuredClone(before);
      for (const found of before.flat()) {
        // A store may freeze the rows that it returns, so that this throws.
        if (found !== undefined && !Object.isFrozen(found)) Object.assign(found, { body: "changed" });
      }
      expectEqual(await read(), untouched, "the second read");
    },
  ),
];
