import { memoryStore } from "../adapters/memory/index.ts";
import type { Bench, Scale } from "./bench.ts";
import { fill, type PageTimes, pageSize, pageTimes } from "./programs/pages.ts";
import { spreadOf } from "./spread.ts";
import type { Cell } from "./table.ts";

const sizes: Readonly<Record<Scale, readonly number[]>> = { full: [1_000, 100_000], short: [1_000] };
const rounds: Readonly<Record<Scale, number>> = { full: 15, short: 1 };

export const pages: Bench = {
  id: "d",
  title: "The first and the hundredth cursor page of a tenant's runs",
  async measure(media, scale) {
    const page = await media.page();
    const worker = await media.worker();
    const rows: Record<string, Cell>[] = [];
    for (const runs of sizes[scale]) {
      const memory = memoryStore();
      await fill(memory, "tenant", runs);
      const args = { runs, rounds: rounds[scale] };
      const times: Record<string, PageTimes> = {
        memory: await pageTimes(memory, "tenant", rounds[scale]),
        IndexedDB: await page("pageTimes", args),
        D1: await worker("pageTimes", args),
      };
      for (const [medium, { first, hundredth }] of Object.entries(times)) {
        rows.push({ medium, runs, first: spreadOf(first), hundredth: spreadOf(hundredth) });
      }
    }
    return {
      columns: [
        { key: "medium", title: "medium" },
        { key: "runs", title: "runs", unit: "count" },
        { key: "first", title: "first page", unit: "ms" },
        { key: "hundredth", title: "hundredth page", unit: "ms" },
      ],
      rows: rows.toSorted((a, b) => String(b.medium).localeCompare(String(a.medium))),
      notes: [`A page is ${pageSize} rows with a body of a kilobyte, newest first, by \`listRuns\` of the store.`],
    };
  },
};
