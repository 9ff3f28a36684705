import { memoryStore } from "../adapters/memory/index.ts";
import type { Bench, Scale } from "./bench.ts";
import { type Filled, type PageTimes, pageSize, pageTimes, runRows, sampleRow } from "./programs/pages.ts";
import { spreadOf } from "./spread.ts";
import type { Cell } from "./table.ts";

/** A million runs take minutes to fill in, and more memory than a process has. */
const effort = {
  full: { sizes: [1_000, 1_000_000], inMemory: [1_000, 100_000], rounds: 15 },
  short: { sizes: [1_000], inMemory: [1_000], rounds: 1 },
} satisfies Record<Scale, unknown>;

export const pages: Bench = {
  id: "d",
  title: "The first and the hundredth cursor page of a tenant's runs",
  async measure(media, scale) {
    const { inMemory, ...args } = effort[scale];
    const page = await media.page();
    const worker = await media.worker();
    const times: Record<string, readonly PageTimes[]> = {
      memory: await pageTimes(await Promise.all(inMemory.map(filledMemory)), args.rounds),
      IndexedDB: await page("pageTimes", args),
      D1: await worker("pageTimes", args),
    };
    const rows = Object.entries(times).flatMap(([medium, all]) =>
      all.map(({ runs, first, hundredth }): Record<string, Cell> => {
        const [few = first] = all.map((one) => one.first);
        const spread = spreadOf(first);
        const times = spread.median / spreadOf(few).median;
        return { medium, runs, first: spread, hundredth: spreadOf(hundredth), times };
      }),
    );
    return {
      columns: [
        { key: "medium", title: "medium" },
        { key: "runs", title: "runs", unit: "count" },
        { key: "first", title: "first page", unit: "ms" },
        { key: "hundredth", title: "hundredth page", unit: "ms" },
        { key: "times", title: "first, of that of 1,000", unit: "times" },
      ],
      rows,
      notes: [
        `A page is ${pageSize} rows, newest first, by \`listRuns\` of the store.`,
        "The runs are copies of one that a runtime has executed, put into the medium many at once in the form in which the adapter stored it. They are rows and places in lists, without a history.",
      ],
    };
  },
};

async function filledMemory(runs: number): Promise<Filled> {
  const store = memoryStore();
  const sample = await sampleRow(store);
  for (const run of runRows(sample, "tenant", 0, runs)) await store.commit({ run, over: 0, now: 0 });
  return { store, tenant: "tenant", runs };
}
