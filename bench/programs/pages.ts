import type { RunPosition, RunRow, Store } from "../../src/index.ts";
import { interleaved, timed } from "../spread.ts";

export const pageSize = 10;

const pagesPerRound = 20;

/** As large as the row of a run that has just begun. */
export const rowBody = "x".repeat(1_000);

/** The rows of so many runs of one tenant, two of each moment, of ten skills. */
function* runRows(tenant: string, runs: number): Generator<RunRow> {
  for (let number = 0; number < runs; number++) {
    yield {
      tenant,
      runId: `run ${number}`,
      revision: 1,
      createdAt: Math.floor(number / 2),
      status: "completed",
      skillId: `skill ${number % 10}`,
      body: rowBody,
    };
  }
}

/** Commits them, a few hundred at a time, which is as fast as a medium goes. */
export async function fill(store: Store, tenant: string, runs: number): Promise<void> {
  let pending: Promise<unknown>[] = [];
  for (const run of runRows(tenant, runs)) {
    pending.push(store.commit({ run, now: 0 }));
    if (pending.length < 500) continue;
    await Promise.all(pending);
    pending = [];
  }
  await Promise.all(pending);
}

export interface PageTimes {
  /** Milliseconds of a page by round, each of which is many pages, since clocks are coarse. */
  readonly first: readonly number[];
  readonly hundredth: readonly number[];
}

/** Times the first and the hundredth page of a tenant's runs, newest first, in turns. */
export async function pageTimes(store: Store, tenant: string, rounds: number): Promise<PageTimes> {
  const page = (after: RunPosition | undefined) =>
    store.listRuns(tenant, { limit: pageSize, order: "descending", ...(after && { after }) });
  let after: RunPosition | undefined;
  for (let number = 1; number < 100; number++) after = (await page(after)).at(-1);
  if ((await page(after)).length !== pageSize) throw new Error("There are no hundred pages.");
  const many = (after: RunPosition | undefined) => async () => {
    const ms = await timed(async () => {
      for (let time = 0; time < pagesPerRound; time++) await page(after);
    });
    return ms / pagesPerRound;
  };
  return interleaved(rounds, { first: many(undefined), hundredth: many(after) });
}
