import "fake-indexeddb/auto";
import { modelStore } from "../../src/conformance/model.ts";
import { emptyTables } from "../../src/conformance/tables.ts";
import { indexedDbHarness } from "../support/indexeddb-harness.ts";
import { testStore } from "../support/store-suite.ts";

testStore("fake-indexeddb", indexedDbHarness);
// The store from which saboteurs are made keeps every clause before it is broken.
testStore("the model's tables", {
  fresh: async () => {
    const tables = emptyTables();
    return { open: async () => modelStore(tables) };
  },
});
