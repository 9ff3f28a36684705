import { testFences } from "./support/fence-suite.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { testOwnership } from "./support/ownership-suite.ts";

testOwnership("IndexedDB", indexedDbHarness);
testFences("IndexedDB", indexedDbHarness);
