import type { Commit, Store } from "../../src/store.ts";

/** A store that counts what it asks of the database, and knows when an invocation has little left. */
export interface QueryBudget {
  readonly store: Store;
  /** How many runs may be executed side by side within it. */
  readonly concurrency: number;
  /** True once what is left is needed for so many steps in flight, and to hand the runs under way over. */
  isSpent(steps?: number): boolean;
}

/** What one run may still need once the budget is spent: the end of its step, and to be handed over. */
const reservePerRun = 20;
/** What a step in flight may still need: two looks into the ledger, its entry there (4), and the commit of its result (5). */
const reservePerStep = 12;
/** Below this limit runs are executed one by one. */
const limitForMany = 500;
const manyRuns = 8;

/**
 * D1 allows so many queries an invocation: 50 on the free plan, 1,000 on a paid one. Each statement of a batch counts.
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
    isSpent: (steps = 0) =>
      used + concurrency * reservePerRun + Math.max(steps - concurrency, 0) * reservePerStep > limit,
  };
}

/** The row, its indexed columns in two, the entry, each claim, and each further part of a large snapshot. */
function statementsOf({ claims = [], entry, erase }: Commit): number {
  const parts = Math.floor((entry?.snapshot?.length ?? 0) / 600_000);
  return 3 + (entry === undefined ? 0 : 1) + claims.length + parts + (erase === undefined ? 0 : 4);
}
