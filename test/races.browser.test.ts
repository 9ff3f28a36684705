import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { testRaces } from "./support/race-suite.ts";

testRaces("IndexedDB", indexedDbHarness);
