import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import {
  all,
  claimRow,
  contents,
  endOfTime,
  expectClaimed,
  expectCommitted,
  expectConflict,
  row,
  runIds,
  tombstone,
} from "../rows.ts";

const lasting = { kind: "k", key: "lasting", body: "lasting" };
const lapsing = { kind: "k", key: "lapsing", lapsesAt: 5_000, body: "lapsing" };

/** What an erasing commit takes away, and what it leaves. */
export const eraseCases = [
  storeCase("erase.tombstone", "`getRun` returns the tombstone.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    await erase(store, tenant);
    expectEqual(await store.getRun(tenant, "r"), tombstone(tenant, "r", 3), "getRun");
  }),

  storeCase("erase.entries", "The run's entries are gone.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    await erase(store, tenant);
    expectEqual(await store.listEntries(tenant, "r", { limit: all }), [], "listEntries");
    expectEqual(await store.listEntries(tenant, "r", { limit: all, checkpointsOnly: true }), [], "checkpoints");
    expectEqual(await store.getEntry(tenant, "r", "c1"), undefined, "getEntry");
  }),

  storeCase("erase.snapshots", "The run's snapshots are gone, long ones too.", async ({ store, tenant }) => {
    await setUp(store, tenant, "s".repeat(3_000_000));
    await erase(store, tenant);
    expectEqual(await store.getSnapshots(tenant, "r", 0, all), [], "getSnapshots");
  }),

  storeCase("erase.lasting-claims", "The run's lasting claims are gone, and free.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    await erase(store, tenant);
    expectEqual(await store.getClaim(tenant, "k", "lasting"), undefined, "getClaim");
    await expectCommitted(store, row(tenant, "next"), { claims: [lasting] });
  }),

  storeCase(
    "erase.lapsing-claims",
    "The run's lapsing claims keep key, owner and lapse, with an empty body.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      await erase(store, tenant);
      const kept = claimRow(tenant, "r", { ...lapsing, body: "" });
      expectEqual(await store.getClaim(tenant, "k", "lapsing"), kept, "getClaim");
      expectEqual(await store.listClaims(tenant, "r", { limit: all }), [kept], "listClaims");
    },
  ),

  storeCase(
    "erase.claims-in-force",
    "A lapsing claim of an erased run is held until it lapses, and free then.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      await erase(store, tenant);
      const kept = claimRow(tenant, "r", { ...lapsing, body: "" });
      const wanted = [{ ...lapsing, lapsesAt: 9_000, body: "next" }];
      await expectClaimed(store, kept, row(tenant, "next"), { now: 4_999, claims: wanted });
      await expectCommitted(store, row(tenant, "next"), { now: 5_000, claims: wanted });
      expectEqual((await store.getClaim(tenant, "k", "lapsing"))?.runId, "next", "owner");
    },
  ),

  storeCase(
    "erase.unlisted",
    "A tombstone is in no list, no count and no due query, even if it still has the fields for it.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      await expectCommitted(store, row(tenant, "other", { createdAt: 2_000, dueAt: 3_000 }));
      const fields = { skillId: "s", sourceRunId: "o", dueAt: 1_000 };
      await expectCommitted(store, tombstone(tenant, "r", 3, fields), { erase: true });
      for (const order of ["ascending", "descending"] as const) {
        expectEqual(runIds(await store.listRuns(tenant, { limit: all, order })), ["other"], `listRuns ${order}`);
        for (const filter of [{ skillId: "s" }, { sourceRunId: "o" }, { status: "running", skillId: "s" }]) {
          expectEqual(await store.listRuns(tenant, { ...filter, limit: all, order }), [], JSON.stringify(filter));
        }
      }
      expectEqual(await store.countRuns(tenant, {}), 1, "countRuns");
      expectEqual(await store.countRuns(tenant, { skillId: "s" }), 0, "countRuns of its skill");
      expectEqual(runIds(await store.dueRuns({ tenant, now: endOfTime, limit: all })), ["other"], "dueRuns");
      expectEqual(runIds(await store.dueRuns({ now: endOfTime, limit: 1 })), ["other"], "dueRuns of every tenant");
    },
  ),

  storeCase(
    "erase.paged-over",
    "A tombstone takes no room in a page, and `offset` does not count it.",
    async ({ store, tenant }) => {
      for (const runId of ["a", "b", "c", "d"]) await expectCommitted(store, row(tenant, runId));
      for (const runId of ["a", "c"]) await expectCommitted(store, tombstone(tenant, runId, 2), { erase: true });
      const page = { limit: 2, order: "ascending" } as const;
      expectEqual(runIds(await store.listRuns(tenant, page)), ["b", "d"], "a page of two");
      expectEqual(runIds(await store.listRuns(tenant, { ...page, offset: 1 })), ["d"], "from the second");
    },
  ),

  storeCase(
    "erase.late-write",
    "A late write at the revision that the tombstone took is a conflict, and does not bring the run back.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      await erase(store, tenant);
      const before = await contents(store, tenant, ["r"]);
      const entry = { body: "late", checkpointId: "late", snapshot: "late" };
      await expectConflict(store, row(tenant, "r", { revision: 3 }), { entry, claims: [lasting] });
      await expectConflict(store, row(tenant, "r", { revision: 2 }), { entry, claims: [lasting] });
      expectEqual(await contents(store, tenant, ["r"]), before, "the store after the late write");
      expectEqual(await store.getClaim(tenant, "k", "lasting"), undefined, "the claim of the late write");
    },
  ),

  storeCase("erase.id-taken", "The id of an erased run stays taken.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    await erase(store, tenant);
    await expectConflict(store, row(tenant, "r"), { entry: { body: "reborn" } });
    expectEqual(await store.getRun(tenant, "r"), tombstone(tenant, "r", 3), "getRun");
  }),

  storeCase(
    "erase.neighbors",
    "Erasing touches no other run, also not one whose id begins alike.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      const others = ["q", "r ", "r/", "r0", "R", "rr", "s"];
      for (const runId of others) {
        await expectCommitted(store, row(tenant, runId), {
          entry: { body: "entry", checkpointId: "c1", snapshot: "state" },
          claims: [
            { ...lasting, key: `a ${runId}` },
            { ...lapsing, key: `b ${runId}` },
          ],
        });
      }
      const runs = async () => Promise.all(others.map((runId) => contents(store, tenant, [runId]))).then(withoutLists);
      const before = await runs();
      await erase(store, tenant);
      expectEqual(await runs(), before, "the other runs");
    },
  ),

  storeCase(
    "erase.claims-given-up",
    "A claim that was the run's once, and is another's now, stays whole.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      const taken = { ...lapsing, lapsesAt: 9_000, body: "taken" };
      await expectCommitted(store, row(tenant, "next"), { now: 5_000, claims: [taken] });
      await erase(store, tenant);
      expectEqual(await store.getClaim(tenant, "k", "lapsing"), claimRow(tenant, "next", taken), "getClaim");
    },
  ),

  storeCase(
    "erase.claims-taken-over",
    "A claim that the erased run had taken over does not come back to the run that had it before.",
    async ({ store, open, tenant }) => {
      await setUp(store, tenant);
      const taken = { kind: "k", key: "lapsing", body: "taken" };
      await expectCommitted(store, row(tenant, "next"), { now: 5_000, claims: [taken] });
      await expectCommitted(store, tombstone(tenant, "next", 2), { erase: true });
      for (const handle of [store, await open()]) {
        expectEqual(await handle.getClaim(tenant, "k", "lapsing"), undefined, "getClaim");
        const keys = (await handle.listClaims(tenant, "r", { limit: all })).map(({ key }) => key);
        expectEqual(keys, ["lasting"], "the keys of its first owner");
      }
    },
  ),

  storeCase(
    "erase.comes-first",
    "Erasing comes before the rest of its commit: an entry and claims that it brings are there afterwards.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      const entry = { body: "last words", checkpointId: "c1", keyframe: 3, snapshot: "last state" };
      const claims = [
        { ...lasting, body: "again" },
        { kind: "k", key: "new", lapsesAt: 9_000, body: "new" },
      ];
      await expectCommitted(store, tombstone(tenant, "r", 3), { erase: true, entry, claims });
      const kept = { tenant, runId: "r", revision: 3, checkpointId: "c1", keyframe: 3, body: "last words" };
      expectEqual(await store.listEntries(tenant, "r", { limit: all }), [kept], "listEntries");
      const snapshots = await store.getSnapshots(tenant, "r", 0, all);
      expectEqual(snapshots, [{ revision: 3, body: "last state" }], "getSnapshots");
      const bodies = (await store.listClaims(tenant, "r", { limit: all })).map(({ key, body }) => [key, body]);
      expectEqual(
        bodies,
        [
          ["lapsing", ""],
          ["lasting", "again"],
          ["new", "new"],
        ],
        "listClaims",
      );
    },
  ),
];

/** A run `r` at revision 2 with two checkpoints and two claims, in every list there is. */
async function setUp(store: Store, tenant: string, snapshot = "state"): Promise<void> {
  for (const revision of [1, 2]) {
    await expectCommitted(store, row(tenant, "r", { revision, skillId: "s", sourceRunId: "o", dueAt: 1_000 }), {
      entry: { body: `entry ${revision}`, checkpointId: `c${revision}`, keyframe: revision, snapshot },
      claims: [lasting, lapsing],
    });
  }
}

function erase(store: Store, tenant: string): Promise<void> {
  return expectCommitted(store, tombstone(tenant, "r", 3), { erase: true });
}

/** Lists of the tenant have the erased run before, and not after; here only the runs themselves matter. */
function withoutLists(found: readonly object[]): readonly unknown[] {
  return found.map((one) => ("runs" in one ? one.runs : one));
}
