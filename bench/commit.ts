import type { Bench, Scale } from "./bench.ts";
import type { CommitTimes } from "./programs/commit.ts";
import { spreadOf } from "./spread.ts";
import type { Cell } from "./table.ts";

const snapshotSizes: Readonly<Record<Scale, readonly number[]>> = { full: [1_024, 16_384, 262_144], short: [1_024] };

/** Short rounds, so that a disturbance of the machine falls on all sides; as short as the clock there allows. */
const effort = {
  full: { page: { rounds: 61, commits: 5 }, worker: { rounds: 31, commits: 20 } },
  short: { page: { rounds: 1, commits: 2 }, worker: { rounds: 1, commits: 2 } },
} satisfies Record<Scale, unknown>;

export const commit: Bench = {
  id: "b",
  title: "The commit of one checkpoint, next to a bare transaction of the same bytes",
  async measure(media, scale) {
    const page = await media.page();
    const worker = await media.worker();
    const rows: Record<string, Cell>[] = [];
    for (const snapshotBytes of snapshotSizes[scale]) {
      const { page: inPage, worker: inWorker } = effort[scale];
      for (const durability of ["strict", "relaxed"] as const) {
        const times = await page("commitTimes", { snapshotBytes, ...inPage, durability });
        rows.push(rowOf(`IndexedDB, ${durability}`, times));
      }
      rows.push(rowOf("D1", await worker("commitTimes", { snapshotBytes, ...inWorker })));
    }
    return {
      columns: [
        { key: "medium", title: "medium" },
        { key: "bytes", title: "bytes", unit: "bytes" },
        { key: "durable", title: "commit", unit: "ms" },
        { key: "bare", title: "bare", unit: "ms" },
        { key: "times", title: "of bare", unit: "times" },
        { key: "oneRow", title: "bare, in one row", unit: "ms" },
      ],
      rows,
      notes: [
        "A commit checks the revision, and writes the run's row, the entry and the snapshot with their indexes. The bare transaction writes the same bodies under the same keys, and neither checks nor indexes: in IndexedDB by idb into three object stores, on D1 as a batch of two statements.",
        "Each round is a batch of commits one after another, because the clocks there are coarse.",
      ],
    };
  },
};

function rowOf(medium: string, { bytes, ms }: CommitTimes): Record<string, Cell> {
  const spreads = Object.fromEntries(Object.entries(ms).map(([side, rounds]) => [side, spreadOf(rounds)]));
  const { durable, bare } = spreads;
  if (durable === undefined || bare === undefined) throw new Error(`${medium} lacks a side.`);
  return { medium, bytes, oneRow: null, ...spreads, times: durable.median / bare.median };
}
