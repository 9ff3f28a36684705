import type { RunPosition, RunRow, Store } from "../../src/store.ts";
import { interleaved, timed } from "../spread.ts";
import { growDurable, tenant as sampleTenant } from "./growing.ts";

export const pageSize = 10;

const pagesPerRound = 20;

/** The row of a run of one step that a runtime has executed on this store. The rows of a page are copies of it. */
export async function sampleRow(store: Store): Promise<RunRow> {
  const row = await store.getRun(sampleTenant, (await growDurable(store, 1)).runId);
  if (row?.status !== "completed") throw new Error("The run of the sample has no row.");
  return row;
}

/** Rows of the runs of one tenant from one number until another, two for each moment, and like the sample in all else. */
export function* runRows(sample: RunRow, tenant: string, from: number, to: number): Generator<RunRow> {
  for (let number = from; number < to; number++) {
    yield { ...sample, tenant, runId: `run ${number}`, createdAt: Math.floor(number / 2) };
  }
}

/** A tenant with `runs` runs. */
export interface Filled {
  readonly store: Store;
  readonly tenant: string;
  readonly runs: number;
}

/** The milliseconds of a page, by round. Each round reads many pages, since clocks are coarse. */
export interface PageTimes {
  readonly runs: number;
  readonly first: readonly number[];
  readonly hundredth: readonly number[];
}

/** Measures the first and the hundredth page of each tenant's runs, newest first, in turns. */
export async function pageTimes(filled: readonly Filled[], rounds: number): Promise<readonly PageTimes[]> {
  const sides: Record<string, () => Promise<number>> = {};
  for (const { store, tenant, runs } of filled) {
    const page = (after: RunPosition | undefined) =>
      store.listRuns(tenant, { limit: pageSize, order: "descending", ...(after && { after }) });
    const many = (after: RunPosition | undefined) => async () => {
      const ms = await timed(async () => {
        for (let time = 0; time < pagesPerRound; time++) await page(after);
      });
      return ms / pagesPerRound;
    };
    let last: RunPosition | undefined;
    for (let number = 1; number < 100; number++) last = (await page(last)).at(-1);
    const [newest] = await page(undefined);
    const isWhole = (await page(last)).length === pageSize && newest?.createdAt === Math.floor((runs - 1) / 2);
    if (!isWhole) throw new Error(`Expected ${runs} runs.`);
    sides[`first of ${runs}`] = many(undefined);
    sides[`hundredth of ${runs}`] = many(last);
  }
  const ms = await interleaved(rounds, sides);
  return filled.map(({ runs }) => ({
    runs,
    first: ms[`first of ${runs}`] ?? [],
    hundredth: ms[`hundredth of ${runs}`] ?? [],
  }));
}
