import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { testOwnership } from "./support/ownership-suite.ts";

testOwnership("IndexedDB", indexedDbHarness);
