import { deleteDB } from "idb";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import type { StoreHarness } from "../../src/conformance/index.ts";

let databases = 0;

/** A database for each medium, in the global `indexedDB`. */
export const indexedDbHarness: StoreHarness = {
  fresh: async () => {
    databases += 1;
    const name = `conformance ${databases} ${Date.now()}`;
    return { open: async () => indexedDbStore({ name }), remove: () => deleteDB(name) };
  },
};
