import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, claimRow, contents, expectCommitted, expectConflict, row, tombstone } from "../rows.ts";

/** Two tenants that use the same names for everything do not exist for each other. */
export const tenantCases = [
  storeCase(
    "tenants.unseen",
    "No read returns to a tenant anything that another wrote.",
    async ({ store, tenant, neighbor }) => {
      await write(store, neighbor, 1);
      expectEqual(await store.getRun(tenant, "r"), undefined, "getRun");
      expectEqual(await store.listRuns(tenant, { limit: all, order: "ascending" }), [], "listRuns ascending");
      expectEqual(await store.listRuns(tenant, { limit: all, order: "descending" }), [], "listRuns descending");
      expectEqual(await store.listRuns(tenant, { limit: all, order: "ascending", ...filter }), [], "filtered");
      expectEqual(await store.countRuns(tenant, {}), 0, "countRuns");
      expectEqual(await store.countRuns(tenant, filter), 0, "countRuns filtered");
      expectEqual(await store.usage(tenant), { runs: 0, bytes: 0 }, "usage");
      expectEqual(await store.dueRuns({ tenant, now: 9_000, limit: all }), [], "dueRuns");
      expectEqual(await store.getEntry(tenant, "r", "c1"), undefined, "getEntry");
      expectEqual(await store.listEntries(tenant, "r", { limit: all }), [], "listEntries");
      const checkpoints = await store.listEntries(tenant, "r", { limit: all, checkpointsOnly: true });
      expectEqual(checkpoints, [], "listEntries of checkpoints");
      expectEqual(await store.getSnapshots(tenant, "r", 0, all), [], "getSnapshots");
      expectEqual(await store.getClaim(tenant, "k", "a"), undefined, "getClaim");
      expectEqual(await store.listClaims(tenant, "r", { limit: all }), [], "listClaims");
    },
  ),

  storeCase("tenants.own", "Of equal names each tenant reads its own.", async ({ store, tenant, neighbor }) => {
    await write(store, tenant, 1);
    await write(store, neighbor, 1);
    for (const one of [tenant, neighbor]) {
      const body = `of ${one}`;
      const run = row(one, "r", { ...filter, dueAt: 1_000, body });
      expectEqual(await store.getRun(one, "r"), run, "getRun");
      expectEqual(await store.listRuns(one, { limit: all, order: "ascending", ...filter }), [run], "listRuns");
      expectEqual(await store.countRuns(one, filter), 1, "countRuns");
      expectEqual(await store.usage(one), { runs: 1, bytes: 4 * body.length }, "usage");
      expectEqual(await store.dueRuns({ tenant: one, now: 1_000, limit: all }), [run], "dueRuns");
      const entry = { tenant: one, runId: "r", revision: 1, checkpointId: "c1", keyframe: 1, body };
      expectEqual(await store.getEntry(one, "r", "c1"), entry, "getEntry");
      expectEqual(await store.listEntries(one, "r", { limit: all }), [entry], "listEntries");
      expectEqual(await store.getSnapshots(one, "r", 0, 9), [{ revision: 1, body }], "getSnapshots");
      const claim = claimRow(one, "r", { kind: "k", key: "a", body });
      expectEqual(await store.getClaim(one, "k", "a"), claim, "getClaim");
      expectEqual(await store.listClaims(one, "r", { limit: all }), [claim], "listClaims");
    }
  }),

  storeCase(
    "tenants.fence",
    "The revision of a run has no bearing on a run of that id in another tenant.",
    async ({ store, tenant, neighbor }) => {
      for (const revision of [1, 2, 3]) await expectCommitted(store, row(tenant, "r", { revision }));
      await expectConflict(store, row(neighbor, "r", { revision: 4 }));
      await expectCommitted(store, row(neighbor, "r"));
      await expectConflict(store, row(neighbor, "r", { revision: 4 }));
      await expectCommitted(store, row(tenant, "r", { revision: 4 }));
      expectEqual((await store.getRun(neighbor, "r"))?.revision, 1, "revision of the neighbor's run");
    },
  ),

  storeCase(
    "tenants.claims",
    "A claim blocks no claim of another tenant, and cannot be replaced from there.",
    async ({ store, tenant, neighbor }) => {
      const claim = { kind: "k", key: "a", body: "first" };
      await expectCommitted(store, row(tenant, "r"), { claims: [claim] });
      await expectCommitted(store, row(neighbor, "other"), { claims: [{ ...claim, body: "second" }] });
      await expectCommitted(store, row(neighbor, "r"), { claims: [{ ...claim, key: "b" }] });
      expectEqual(await store.getClaim(tenant, "k", "a"), claimRow(tenant, "r", claim), "getClaim");
    },
  ),

  storeCase(
    "tenants.checkpoints",
    "A checkpoint id is no duplicate because a run of that id in another tenant has it.",
    async ({ store, tenant, neighbor }) => {
      await write(store, neighbor, 1);
      await write(store, neighbor, 2);
      await write(store, tenant, 1);
      await write(store, tenant, 2);
      expectEqual((await store.getEntry(tenant, "r", "c2"))?.body, `of ${tenant}`, "body of c2");
    },
  ),

  storeCase(
    "tenants.writes",
    "No commit, and no erasure, changes anything of another tenant.",
    async ({ store, tenant, neighbor }) => {
      await write(store, neighbor, 1);
      await write(store, neighbor, 2);
      const before = await contents(store, neighbor, ["r"]);
      await write(store, tenant, 1);
      await write(store, tenant, 2);
      expectEqual(await contents(store, neighbor, ["r"]), before, "the neighbor's rows after commits");
      await expectCommitted(store, tombstone(tenant, "r", 3), { erase: true });
      expectEqual(await contents(store, neighbor, ["r"]), before, "the neighbor's rows after an erasure");
    },
  ),
];

const filter = { status: "running", skillId: "s", sourceRunId: "o" };

async function write(store: Store, tenant: string, revision: number): Promise<void> {
  const body = `of ${tenant}`;
  await expectCommitted(store, row(tenant, "r", { ...filter, revision, dueAt: 1_000, body }), {
    entry: { body, checkpointId: `c${revision}`, keyframe: 1, snapshot: body },
    claims: [{ kind: "k", key: "a", body }],
  });
}
