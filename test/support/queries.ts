import { writesOf } from "../../adapters/sql/writes.ts";
import { intercepted } from "../../src/conformance/faults.ts";
import { DurableError } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { type QueryBudget, queryBudget } from "../../worker/cloudflare/query-budget.ts";

/** A store that counts the queries that D1 would make of its calls: one for a read, and each statement of a commit. */
export function countedStore(store: Store, count: (queries: number) => void): Store {
  return intercepted(store, async ({ commit }, proceed) => {
    count(commit === undefined ? 1 : writesOf(commit).length);
    return proceed();
  });
}

/** As D1 does it in one invocation: a number of queries, and then none. */
export function limitedStore(store: Store, limit: number): Store {
  let used = 0;
  return countedStore(store, (queries) => {
    used += queries;
    if (used > limit) throw new DurableError("store_failed", "this invocation has no query left");
  });
}

/** What a Worker makes of a store for an invocation with a limit of queries. */
export function budgeted(store: Store, limit: number): QueryBudget & { readonly store: Store } {
  const budget = queryBudget(limit);
  return { ...budget, store: countedStore(store, budget.count) };
}
