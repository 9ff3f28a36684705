import type { Store } from "../../store.ts";
import { storeCase } from "../case.ts";
import { expectEqual } from "../expect.ts";
import { all, expectCommitted, row } from "../rows.ts";

/** Snapshots, read by a range of revisions. */
export const snapshotCases = [
  storeCase("snapshots.missing", "A run without snapshots has none in any range.", async ({ store, tenant }) => {
    expectEqual(await store.getSnapshots(tenant, "r", 1, all), [], "snapshots of no run");
    await expectCommitted(store, row(tenant, "r"), { entry: { body: "entry", checkpointId: "c" } });
    expectEqual(await store.getSnapshots(tenant, "r", 0, all), [], "snapshots of a run without");
  }),

  storeCase("snapshots.range", "The range includes both of its ends.", async ({ store, tenant }) => {
    await writeSnapshots(store, tenant);
    for (const [from, to] of [
      [1, 3],
      [2, 6],
      [3, 10],
      [6, 6],
      [12, 12],
      [0, 1],
    ] as const) {
      const expected = revisions.filter((revision) => from <= revision && revision <= to);
      expectEqual(await read(store, tenant, from, to), expected, `snapshots from ${from} to ${to}`);
    }
  }),

  storeCase("snapshots.order", "Snapshots come ascending by revision, as numbers.", async ({ store, tenant }) => {
    await writeSnapshots(store, tenant);
    expectEqual(await read(store, tenant, 1, 12), revisions, "getSnapshots");
    expectEqual(await read(store, tenant, 0, Number.MAX_SAFE_INTEGER), revisions, "getSnapshots of the widest range");
  }),

  storeCase("snapshots.gaps", "A revision without a snapshot is left out of the range.", async ({ store, tenant }) => {
    await writeSnapshots(store, tenant);
    expectEqual(await read(store, tenant, 4, 5), [], "a range of gaps");
    expectEqual(await read(store, tenant, 4, 8), [6], "a range with one snapshot");
    expectEqual(await read(store, tenant, 13, 99), [], "a range beyond the end");
    expectEqual(await read(store, tenant, 6, 3), [], "a range that ends before it begins");
  }),

  storeCase("snapshots.bodies", "Each snapshot comes with its own body.", async ({ store, tenant }) => {
    await writeSnapshots(store, tenant);
    const expected = revisions.map((revision) => ({ revision, body: `state ${revision}` }));
    expectEqual(await store.getSnapshots(tenant, "r", 1, 12), expected, "getSnapshots");
  }),

  storeCase("snapshots.own", "The range has the snapshots of that run only.", async ({ store, tenant }) => {
    for (const runId of ["q", "r", "r1", "s"]) {
      await expectCommitted(store, row(tenant, runId), { entry: { body: "entry", snapshot: `state of ${runId}` } });
    }
    expectEqual(await store.getSnapshots(tenant, "r", 0, 99), [{ revision: 1, body: "state of r" }], "getSnapshots");
  }),
];

const revisions = [1, 3, 6, 9, 10, 12];

async function writeSnapshots(store: Store, tenant: string): Promise<void> {
  for (let revision = 1; revision <= 12; revision += 1) {
    const entry = { body: "entry", checkpointId: `c${revision}` };
    await expectCommitted(store, row(tenant, "r", { revision }), {
      entry: revisions.includes(revision) ? { ...entry, snapshot: `state ${revision}` } : entry,
    });
  }
}

async function read(store: Store, tenant: string, from: number, to: number): Promise<readonly number[]> {
  return (await store.getSnapshots(tenant, "r", from, to)).map((snapshot) => snapshot.revision);
}
