import type { Commit, Store } from "../../src/store.ts";

/** A store that counts its database queries, and knows when an invocation has few left. */
export interface QueryBudget {
  readonly store: Store;
  /** The number of runs that can be executed concurrently within the budget. */
  readonly concurrency: number;
  /** True if the remaining queries are needed for `steps` steps in flight and to hand over the runs under way: there are none for another step. */
  isSpent(steps?: number): boolean;
}

/** What one run may still need when the budget is spent: to end its step, and to be handed over. */
const reservePerRun = 20;
/** What a step in flight may still need: two reads of the ledger, its entry there (4), and the commit of its result (5). */
const reservePerStep = 12;
/** Below this limit, runs are executed one at a time. */
const limitForMany = 500;
const manyRuns = 8;

/**
 * D1 limits the queries of an invocation: 50 on the free plan, 1,000 on a paid plan. Each statement of a batch counts.
 * Source: https://developers.cloudflare.com/d1/platform/limits/
 */
export function queryBudget(store: Store, limit: number): QueryBudget {
  const concurrency = limit >= limitForMany ? manyRuns : 1;
  let used = 0;
  const counted = new Proxy(store, {
    get(target, method: keyof Store) {
      const call = target[method] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        used += method === "commit" ? statementsOf(args[0] as Commit) : 1;
        return call.apply(target, args);
      };
    },
  });
  return {
    store: counted,
    concurrency,
    // The next step counts as well: each run's reserve has room for one step and not for two.
    isSpent: (steps = 0) =>
      used + concurrency * reservePerRun + Math.max(steps + 1 - concurrency, 0) * reservePerStep > limit,
  };
}

/**
 * The statements of a commit: the row, its indexed columns in two, the entry, each claim, and each further part of a large
 * snapshot.
 */
function statementsOf({ claims = [], entry, erase }: Commit): number {
  const parts = Math.floor((entry?.snapshot?.length ?? 0) / 600_000);
  return 3 + (entry === undefined ? 0 : 1) + claims.length + parts + (erase === undefined ? 0 : 4);
}
