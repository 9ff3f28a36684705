import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { testStanding } from "./support/standing-suite.ts";

testStanding("IndexedDB", indexedDbHarness);
