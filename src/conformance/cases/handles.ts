import { isDurableError } from "../../errors.ts";
import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual, expectRejection, expectTrue } from "../expect.ts";
import { all, contents, expectCommitted, put, row, tombstone } from "../rows.ts";

/** Several handles on one medium, one after the other and at once. */
export const handleCases = [
  storeCase(
    "handles.read-after-commit",
    "A read that begins after a commit resolved sees it, from every handle and by every method.",
    async ({ store, open, tenant }) => {
      const other = await open();
      const later = async () => [
        ...Object.values(await contents(other, tenant, ["r"])),
        await other.listRuns(tenant, { status: "running", limit: all, order: "descending" }),
        await other.countRuns(tenant, { status: "running" }),
        await other.getEntry(tenant, "r", "c"),
        await other.getClaim(tenant, "k", "a"),
      ];
      await later();
      await expectCommitted(store, row(tenant, "r", { dueAt: 1 }), full);
      const seen = await later();
      const fresh = await open();
      expectEqual(seen.slice(0, 5), Object.values(await contents(fresh, tenant, ["r"])), "what the handle sees");
      const [, , , , , listed, count, entry, claim] = seen;
      expectEqual(listed, [row(tenant, "r", { dueAt: 1 })], "listRuns");
      expectEqual(count, 1, "countRuns");
      expectEqual(
        entry,
        { tenant, runId: "r", revision: 1, checkpointId: "c", keyframe: 1, body: "entry" },
        "getEntry",
      );
      expectEqual(claim, { tenant, runId: "r", kind: "k", key: "a", body: "claim" }, "getClaim");
      await expectCommitted(store, row(tenant, "r", { revision: 2, status: "waiting" }));
      expectEqual(await other.getRun(tenant, "r"), row(tenant, "r", { revision: 2, status: "waiting" }), "getRun");
      expectEqual(await other.countRuns(tenant, { status: "running" }), 0, "countRuns");
    },
  ),

  storeCase(
    "handles.resolved-is-written",
    "When a commit resolves it is on the medium: a handle opened that moment has all of it.",
    async ({ store, open, tenant }) => {
      for (let revision = 1; revision <= 5; revision += 1) {
        const run = row(tenant, "r", { revision });
        await expectCommitted(store, run, {
          entry: { body: "entry", checkpointId: `c${revision}`, snapshot: "state" },
        });
        const fresh = await open();
        expectEqual(await fresh.getRun(tenant, "r"), run, "getRun");
        expectEqual((await fresh.getEntry(tenant, "r", `c${revision}`))?.revision, revision, "getEntry");
        const snapshots = await fresh.getSnapshots(tenant, "r", revision, revision);
        expectEqual(snapshots, [{ revision, body: "state" }], "getSnapshots");
      }
    },
  ),

  storeCase(
    "handles.reopened",
    "After every handle was closed a new one sees all that was committed.",
    async ({ store, open, tenant }) => {
      await expectCommitted(store, row(tenant, "r", { dueAt: 1 }), full);
      await expectCommitted(store, row(tenant, "r", { revision: 2, status: "waiting" }), {
        entry: { body: "second", checkpointId: "d", keyframe: 1, snapshot: "s".repeat(2_500_000) },
      });
      await expectCommitted(store, row(tenant, "gone"), { claims: [{ kind: "k", key: "b", lapsesAt: 9, body: "b" }] });
      await expectCommitted(store, tombstone(tenant, "gone", 2), { erase: true });
      const before = await contents(store, tenant, ["r", "gone"]);
      await store.close();
      const again = await open();
      expectEqual(await contents(again, tenant, ["r", "gone"]), before, "the store after it was opened again");
      expectEqual((await put(again, row(tenant, "r", { revision: 2 }))).kind, "conflict", "a stale commit");
      await expectCommitted(again, row(tenant, "r", { revision: 3 }));
    },
  ),

  storeCase("handles.closed", "Calls after `close` reject with a `store_failed`.", async ({ store, tenant }) => {
    await expectCommitted(store, row(tenant, "r"), full);
    await store.close();
    const calls: { readonly [Method in Exclude<keyof Store, "close">]: () => Promise<unknown> } = {
      getRun: () => store.getRun(tenant, "r"),
      listRuns: () => store.listRuns(tenant, { limit: 1, order: "ascending" }),
      countRuns: () => store.countRuns(tenant, {}),
      usage: () => store.usage(tenant),
      dueRuns: () => store.dueRuns({ now: 1, limit: 1 }),
      getEntry: () => store.getEntry(tenant, "r", "c"),
      listEntries: () => store.listEntries(tenant, "r", { limit: 1 }),
      getSnapshots: () => store.getSnapshots(tenant, "r", 1, 1),
      getClaim: () => store.getClaim(tenant, "k", "a"),
      listClaims: () => store.listClaims(tenant, "r", { limit: 1 }),
      commit: () => put(store, row(tenant, "r", { revision: 2 })),
    };
    for (const [method, call] of Object.entries(calls)) {
      const reason = await expectRejection(call, `${method} after close`);
      expectTrue(isDurableError(reason, "store_failed"), `${method} after close rejected with ${String(reason)}`);
    }
  }),

  storeCase(
    "handles.closed-writes-nothing",
    "A commit after `close` writes nothing.",
    async ({ store, open, tenant }) => {
      await store.close();
      await expectRejection(() => put(store, row(tenant, "r"), full), "commit after close");
      const fresh = await open();
      expectEqual(await fresh.getRun(tenant, "r"), undefined, "getRun");
      expectEqual(await fresh.listEntries(tenant, "r", { limit: all }), [], "listEntries");
    },
  ),

  storeCase("handles.closed-twice", "Closing twice is fine.", async ({ store }) => {
    await store.close();
    await store.close();
    await Promise.all([store.close(), store.close()]);
  }),

  storeCase(
    "handles.closed-alone",
    "Closing one handle leaves the others on the medium open.",
    async ({ store, open, tenant }) => {
      const other = await open();
      await expectCommitted(store, row(tenant, "r"));
      await store.close();
      expectEqual(await other.getRun(tenant, "r"), row(tenant, "r"), "getRun");
      await expectCommitted(other, row(tenant, "r", { revision: 2 }));
    },
  ),
];

const full = {
  entry: { body: "entry", checkpointId: "c", keyframe: 1, snapshot: "state" },
  claims: [{ kind: "k", key: "a", body: "claim" }],
};
