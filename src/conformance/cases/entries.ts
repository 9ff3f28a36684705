import type { EntryQuery, Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual, expectRejection } from "../expect.ts";
import { all, expectCommitted, put, row } from "../rows.ts";

/** A run's history, and the checkpoints in it. */
export const entryCases = [
  storeCase(
    "entries.missing",
    "An unknown run has no entries, and an unknown checkpoint is undefined.",
    async ({ store, tenant }) => {
      expectEqual(await store.listEntries(tenant, "r", { limit: all }), [], "entries of no run");
      expectEqual(await store.getEntry(tenant, "r", "c"), undefined, "checkpoint of no run");
      await expectCommitted(store, row(tenant, "r"), { entry: { body: "entry", checkpointId: "c" } });
      await expectCommitted(store, row(tenant, "r", { revision: 2 }), { entry: { body: "event" } });
      expectEqual(await store.getEntry(tenant, "r", "C"), undefined, "another checkpoint");
      expectEqual(await store.getEntry(tenant, "s", "c"), undefined, "checkpoint of another run");
    },
  ),

  storeCase(
    "entries.every-field",
    "An entry is read as it was written, with the revision of its row and without its snapshot.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r"));
      const entry = { body: "body", checkpointId: "c", keyframe: 2, snapshot: "state" };
      await expectCommitted(store, row(tenant, "r", { revision: 2 }), { entry });
      const expected = { tenant, runId: "r", revision: 2, checkpointId: "c", keyframe: 2, body: "body" };
      expectEqual(await store.getEntry(tenant, "r", "c"), expected, "getEntry");
      expectEqual(await store.listEntries(tenant, "r", { limit: all }), [expected], "listEntries");
    },
  ),

  storeCase(
    "entries.keyframe",
    "The keyframe revision is kept, its own as well as an earlier one.",
    async ({ store, tenant }) => {
      for (const [index, keyframe] of [1, 1, 3, 1].entries()) {
        const entry = { body: "entry", checkpointId: `c${index}`, keyframe, snapshot: "state" };
        await expectCommitted(store, row(tenant, "r", { revision: index + 1 }), { entry });
      }
      const entries = await store.listEntries(tenant, "r", { limit: all });
      expectEqual(
        entries.map((entry) => entry.keyframe),
        [1, 1, 3, 1],
        "keyframes",
      );
      expectEqual((await store.getEntry(tenant, "r", "c3"))?.keyframe, 1, "keyframe of c3");
    },
  ),

  storeCase("entries.order", "Entries come ascending by revision, as numbers.", async ({ store, tenant }) => {
    await writeHistory(store, tenant);
    expectEqual(await revisions(store, tenant, { limit: all }), everyEntry, "listEntries");
  }),

  storeCase(
    "entries.gaps",
    "A commit without an entry leaves a gap and takes nothing from the entries around it.",
    async ({ store, tenant }) => {
      await expectCommitted(store, row(tenant, "r"), { entry: { body: "first", checkpointId: "c" } });
      await expectCommitted(store, row(tenant, "r", { revision: 2 }));
      await expectCommitted(store, row(tenant, "r", { revision: 3 }), { entry: { body: "third" } });
      const entries = await store.listEntries(tenant, "r", { limit: all });
      expectEqual(
        entries.map((entry) => [entry.revision, entry.body]),
        [
          [1, "first"],
          [3, "third"],
        ],
        "entries",
      );
      expectEqual((await store.getEntry(tenant, "r", "c"))?.revision, 1, "revision of the checkpoint");
    },
  ),

  storeCase("entries.after", "`after` is exclusive, and may be a gap or beyond the end.", async ({ store, tenant }) => {
    await writeHistory(store, tenant);
    for (const after of [0, 1, 3, 4, 9, 10, 12, 99]) {
      const expected = everyEntry.filter((revision) => revision > after);
      expectEqual(await revisions(store, tenant, { after, limit: all }), expected, `entries after ${after}`);
    }
  }),

  storeCase("entries.limit", "At most `limit` entries come, the first ones.", async ({ store, tenant }) => {
    await writeHistory(store, tenant);
    for (const limit of [1, 2, everyEntry.length, 99]) {
      expectEqual(await revisions(store, tenant, { limit }), everyEntry.slice(0, limit), `${limit} entries`);
    }
    expectEqual(await revisions(store, tenant, { after: 3, limit: 2 }), [5, 6], "two entries after 3");
  }),

  storeCase(
    "entries.checkpoints-only",
    "With `checkpointsOnly` other entries are left out, before the limit is counted.",
    async ({ store, tenant }) => {
      await writeHistory(store, tenant);
      const query = { checkpointsOnly: true };
      expectEqual(await revisions(store, tenant, { ...query, limit: all }), checkpoints, "all checkpoints");
      expectEqual(await revisions(store, tenant, { ...query, limit: 2 }), checkpoints.slice(0, 2), "two checkpoints");
      const later = await revisions(store, tenant, { ...query, after: 3, limit: 2 });
      expectEqual(later, [6, 9], "two checkpoints after 3");
      const every = await revisions(store, tenant, { checkpointsOnly: false, limit: all });
      expectEqual(every, everyEntry, "with checkpointsOnly: false");
    },
  ),

  storeCase(
    "entries.by-checkpoint",
    "A checkpoint's entry is found by its id, whatever came later.",
    async ({ store, tenant }) => {
      await writeHistory(store, tenant);
      for (const revision of checkpoints) {
        const entry = await store.getEntry(tenant, "r", `c${revision}`);
        expectEqual([entry?.revision, entry?.body], [revision, `entry ${revision}`], `entry of c${revision}`);
      }
    },
  ),

  storeCase(
    "entries.duplicate-rejects",
    "A checkpoint id that the run already has rejects, however many entries ago that was.",
    async ({ store, tenant }) => {
      await writeHistory(store, tenant);
      for (const revision of checkpoints) {
        const entry = { body: "again", checkpointId: `c${revision}`, snapshot: "again" };
        await expectRejection(() => put(store, row(tenant, "r", { revision: 13 }), { entry }), `a second c${revision}`);
      }
      expectEqual((await store.getRun(tenant, "r"))?.revision, 12, "revision");
      expectEqual(await revisions(store, tenant, { limit: all }), everyEntry, "listEntries");
    },
  ),

  storeCase(
    "entries.unique-within-run",
    "Two runs may have a checkpoint of the same id, and each finds its own.",
    async ({ store, tenant }) => {
      for (const runId of ["a", "b"]) {
        const entry = { body: `of ${runId}`, checkpointId: "c", snapshot: `state of ${runId}` };
        await expectCommitted(store, row(tenant, runId), { entry });
      }
      for (const runId of ["a", "b"]) {
        expectEqual((await store.getEntry(tenant, runId, "c"))?.body, `of ${runId}`, `checkpoint of ${runId}`);
        const entries = await store.listEntries(tenant, runId, { limit: all });
        expectEqual(
          entries.map((entry) => entry.body),
          [`of ${runId}`],
          `entries of ${runId}`,
        );
      }
    },
  ),
];

const checkpoints = [1, 3, 6, 9, 10, 12];
const everyEntry = [1, 2, 3, 5, 6, 8, 9, 10, 12];

/** Twelve commits: some bring a checkpoint, some only events, some nothing. */
async function writeHistory(store: Store, tenant: string): Promise<void> {
  for (let revision = 1; revision <= 12; revision += 1) {
    const body = `entry ${revision}`;
    const entry = checkpoints.includes(revision) ? { body, checkpointId: `c${revision}`, snapshot: "state" } : { body };
    const run = row(tenant, "r", { revision });
    await expectCommitted(store, run, everyEntry.includes(revision) ? { entry } : {});
  }
}

async function revisions(store: Store, tenant: string, query: EntryQuery): Promise<readonly number[]> {
  return (await store.listEntries(tenant, "r", query)).map((entry) => entry.revision);
}
