import "fake-indexeddb/auto";
import { modelStore } from "../../src/conformance/model.ts";
import { emptyTables } from "../../src/conformance/tables.ts";
import { indexedDbHarness } from "../support/indexeddb-harness.ts";
import { testStore } from "../support/store-suite.ts";

testStore("fake-indexeddb", indexedDbHarness);
// The store that saboteurs are made of keeps every clause while nobody breaks it.
testStore("the model's tables", {
  fresh: async () => {
    const tables = emptyTables();
    return { open: async () => modelStore(tables) };
  },
});
