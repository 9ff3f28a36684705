import type { D1Database } from "../../adapters/d1/index.ts";

/** Counts the database queries of an invocation, and knows when few are left. */
export interface QueryBudget {
  /** The number of runs that can be executed concurrently within the budget. */
  readonly concurrency: number;
  /** Called with each number of queries that are about to be sent. */
  count(queries: number): void;
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
export function queryBudget(limit: number): QueryBudget {
  const concurrency = limit >= limitForMany ? manyRuns : 1;
  let used = 0;
  return {
    concurrency,
    count(queries) {
      used += queries;
    },
    // The next step counts as well: each run's reserve has room for one step and not for two.
    isSpent: (steps = 0) =>
      used + concurrency * reservePerRun + Math.max(steps + 1 - concurrency, 0) * reservePerStep > limit,
  };
}

/** The database, with the queries of its store counted: the store executes each statement that it prepares once. */
export function countedDatabase(db: D1Database, budget: QueryBudget): D1Database {
  return {
    prepare(sql) {
      budget.count(1);
      return db.prepare(sql);
    },
    batch: (statements) => db.batch(statements),
  };
}
