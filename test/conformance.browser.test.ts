import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { testStore } from "./support/store-suite.ts";

testStore("the browser's IndexedDB", indexedDbHarness);
