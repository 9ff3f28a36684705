import { DurableError, isDurableError } from "../errors.ts";
import type { Store } from "../store.ts";

/**
 * The store, with every failure of it a typed one: a promise of a store that rejects means that the medium failed, and what
 * a run makes of that must not depend on what the medium throws.
 */
export function typedStore(store: Store): Store {
  const typed =
    <Args extends readonly unknown[], T>(name: string, call: (...args: Args) => Promise<T>) =>
    async (...args: Args): Promise<T> => {
      try {
        return await call(...args);
      } catch (cause) {
        if (isDurableError(cause)) throw cause;
        throw new DurableError("store_failed", `the store failed at ${name}`, { cause });
      }
    };
  return {
    getRun: typed("getRun", (...args) => store.getRun(...args)),
    listRuns: typed("listRuns", (...args) => store.listRuns(...args)),
    countRuns: typed("countRuns", (...args) => store.countRuns(...args)),
    usage: typed("usage", (...args) => store.usage(...args)),
    dueRuns: typed("dueRuns", (...args) => store.dueRuns(...args)),
    getEntry: typed("getEntry", (...args) => store.getEntry(...args)),
    listEntries: typed("listEntries", (...args) => store.listEntries(...args)),
    getSnapshots: typed("getSnapshots", (...args) => store.getSnapshots(...args)),
    getClaim: typed("getClaim", (...args) => store.getClaim(...args)),
    listClaims: typed("listClaims", (...args) => store.listClaims(...args)),
    commit: typed("commit", (...args) => store.commit(...args)),
    close: () => store.close(),
  };
}
