import { testForks } from "./support/forks-suite.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";

testForks("IndexedDB", indexedDbHarness);
