import type { RunRow, Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual, expectRejection, expectTrue } from "../expect.ts";
import {
  all,
  type Beside,
  claimRow,
  contents,
  expectClaimed,
  expectCommitted,
  expectConflict,
  put,
  row,
  tombstone,
} from "../rows.ts";

/** All of a commit, or none of it: row, entry, snapshot and claims, for each way to fail. */
export const atomicCases = [
  storeCase("atomic.all", "A commit writes its row, entry, snapshot and claims.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    const run = row(tenant, "r", { revision: 2 });
    await expectCommitted(store, run, everything("new"));
    expectEqual(await store.getRun(tenant, "r"), run, "getRun");
    const entry = { tenant, runId: "r", revision: 2, checkpointId: "new", keyframe: 2, body: "entry new" };
    expectEqual(await store.getEntry(tenant, "r", "new"), entry, "getEntry");
    expectEqual(await store.getSnapshots(tenant, "r", 2, 2), [{ revision: 2, body: "state new" }], "getSnapshots");
    for (const claim of everything("new").claims) {
      expectEqual(await store.getClaim(tenant, claim.kind, claim.key), claimRow(tenant, "r", claim), "getClaim");
    }
  }),

  storeCase("atomic.stale", "A stale commit writes nothing at all.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    await expectNothingWritten(store, tenant, () => expectConflict(store, row(tenant, "r"), everything("new")));
  }),

  storeCase("atomic.skipped", "A commit that skips a revision writes nothing at all.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    const run = row(tenant, "r", { revision: 3 });
    await expectNothingWritten(store, tenant, () => expectConflict(store, run, everything("new")));
    await expectNothingWritten(store, tenant, async () => {
      await expectConflict(store, row(tenant, "unborn", { revision: 2 }), newborn("new"));
    });
  }),

  storeCase(
    "atomic.held-claim",
    "A commit whose claim is held writes nothing at all, whether its other claims come before or after.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      const { entry, claims } = everything("new");
      const held = { kind: "k", key: "held", body: "mine now" };
      for (const wanted of [
        [held, ...claims],
        [...claims, held],
      ]) {
        await expectNothingWritten(store, tenant, async () => {
          const run = row(tenant, "r", { revision: 2 });
          await expectClaimed(store, heldClaim(tenant), run, { entry, claims: wanted });
        });
      }
    },
  ),

  storeCase("atomic.held-birth", "A birth whose claim is held makes no run.", async ({ store, tenant }) => {
    await setUp(store, tenant);
    const { entry, claims } = newborn("new");
    await expectNothingWritten(store, tenant, async () => {
      const wanted = [...claims, { kind: "k", key: "held", body: "mine now" }];
      await expectClaimed(store, heldClaim(tenant), row(tenant, "unborn"), { entry, claims: wanted });
    });
    await expectCommitted(store, row(tenant, "unborn"), { entry, claims });
  }),

  storeCase(
    "atomic.duplicate-checkpoint",
    "A checkpoint id that the run already has rejects the commit, and nothing at all is written.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      const { claims } = everything("new");
      const entry = { ...everything("new").entry, checkpointId: "old" };
      await expectNothingWritten(store, tenant, async () => {
        const run = row(tenant, "r", { revision: 2 });
        await expectRejection(() => put(store, run, { entry, claims }), "a second checkpoint `old`");
      });
      await expectCommitted(store, row(tenant, "r", { revision: 2 }), everything("new"));
    },
  ),

  storeCase(
    "atomic.stale-erase",
    "An erasing commit that conflicts or is claimed erases nothing.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      await expectNothingWritten(store, tenant, async () => {
        await expectConflict(store, tombstone(tenant, "r", 1), { erase: true });
        await expectConflict(store, tombstone(tenant, "r", 3), { erase: true });
        const claims = [{ kind: "k", key: "held", body: "mine now" }];
        await expectClaimed(store, heldClaim(tenant), tombstone(tenant, "r", 2), { erase: true, claims });
      });
    },
  ),

  storeCase(
    "atomic.long-snapshot",
    "A commit that fails leaves no part of a long snapshot behind.",
    async ({ store, tenant }) => {
      await setUp(store, tenant);
      const entry = { body: "entry", checkpointId: "long", keyframe: 2, snapshot: "s".repeat(3_000_000) };
      const claims = [{ kind: "k", key: "held", body: "mine now" }];
      await expectNothingWritten(store, tenant, async () => {
        await expectConflict(store, row(tenant, "r", { revision: 3 }), { entry });
        await expectClaimed(store, heldClaim(tenant), row(tenant, "r", { revision: 2 }), { entry, claims });
        const twice = { ...entry, checkpointId: "old" };
        await expectRejection(() => put(store, row(tenant, "r", { revision: 2 }), { entry: twice }), "a second `old`");
      });
      await expectCommitted(store, row(tenant, "r", { revision: 2 }), { entry: { ...entry, snapshot: "short" } });
      expectEqual(await store.getSnapshots(tenant, "r", 2, 3), [{ revision: 2, body: "short" }], "getSnapshots");
    },
  ),

  storeCase(
    "atomic.no-torn-read",
    "Reads on another handle never see one part of a commit without the others.",
    async ({ store, open, tenant }) => {
      const reader = await open();
      const last = 25;
      let writing = true;
      const write = async () => {
        for (let revision = 1; revision <= last; revision += 1) {
          const entry = { body: "entry", checkpointId: `c${revision}`, snapshot: "state" };
          await expectCommitted(store, row(tenant, "r", { revision }), {
            entry,
            claims: [{ kind: "k", key: `${revision}`, body: "claim" }],
          });
        }
        writing = false;
      };
      const read = async () => {
        while (writing) {
          const seen = (await reader.getRun(tenant, "r"))?.revision ?? 0;
          await expectPartsOf(reader, tenant, seen);
          // The other way round: whichever part came first, the row is there too.
          const entries = await reader.listEntries(tenant, "r", { limit: all });
          const later = (await reader.getRun(tenant, "r"))?.revision ?? 0;
          expectTrue(later >= entries.length, `${entries.length} entries were there before revision ${later}`);
          // A store that answers in microtasks would leave a writer that needs more no turn.
          await new Promise((resolve) => setTimeout(resolve));
        }
      };
      const writer = write().finally(() => {
        writing = false;
      });
      await Promise.all([writer, read()]);
    },
  ),
];

/** A run `r` with a checkpoint `old` and a claim, and another run that holds the claim `held`. */
async function setUp(store: Store, tenant: string): Promise<void> {
  await expectCommitted(store, row(tenant, "r"), {
    entry: { body: "entry old", checkpointId: "old", keyframe: 1, snapshot: "state old" },
    claims: [{ kind: "k", key: "mine", body: "mine" }],
  });
  await expectCommitted(store, row(tenant, "holder"), { claims: [{ kind: "k", key: "held", body: "held" }] });
}

function heldClaim(tenant: string) {
  return claimRow(tenant, "holder", { kind: "k", key: "held", body: "held" });
}

function everything(name: string) {
  return {
    entry: { body: `entry ${name}`, checkpointId: name, keyframe: 2, snapshot: `state ${name}` },
    claims: [
      { kind: "k", key: "free", lapsesAt: 9_000, body: "taken" },
      { kind: "k", key: "mine", body: `replaced by ${name}` },
    ],
  } satisfies Beside;
}

/** The same for a run that does not own the claim `mine`. */
function newborn(name: string) {
  const { entry, claims } = everything(name);
  return { entry, claims: claims.slice(0, 1) };
}

async function expectNothingWritten(store: Store, tenant: string, attempt: () => Promise<void>): Promise<void> {
  const look = async () => ({
    ...(await contents(store, tenant, ["r", "holder", "unborn"])),
    free: await store.getClaim(tenant, "k", "free"),
    entry: await store.getEntry(tenant, "r", "new"),
  });
  const before = await look();
  await attempt();
  expectEqual(await look(), before, "the store after the failed commit");
}

async function expectPartsOf(reader: Store, tenant: string, revision: RunRow["revision"]): Promise<void> {
  if (revision === 0) return;
  const entry = await reader.getEntry(tenant, "r", `c${revision}`);
  expectEqual(entry?.revision, revision, `revision of the entry of row ${revision}`);
  const snapshots = await reader.getSnapshots(tenant, "r", revision, revision);
  expectEqual(snapshots, [{ revision, body: "state" }], `snapshot of row ${revision}`);
  const claim = await reader.getClaim(tenant, "k", `${revision}`);
  expectEqual(claim?.runId, "r", `owner of the claim of row ${revision}`);
}
