import type { RunPosition, RunRow, Store } from "../../src/store.ts";
import { interleaved, timed } from "../spread.ts";

export const pageSize = 10;

const pagesPerRound = 20;

/** As large as the row of a run that has just begun. */
export const rowBody = "x".repeat(1_000);

/** The rows of `runs` runs of one tenant, two for each moment. */
export function* runRows(tenant: string, runs: number): Generator<RunRow> {
  for (let number = 0; number < runs; number++) {
    const createdAt = Math.floor(number / 2);
    const ids = { tenant, runId: `run ${number}`, skillId: "skill" };
    yield { ...ids, revision: 1, createdAt, status: "completed", body: rowBody };
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
