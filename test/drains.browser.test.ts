import { testDrains } from "./support/drain-suite.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";

testDrains("IndexedDB", indexedDbHarness);
