import { testCrashes } from "./support/crash-matrix.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";

testCrashes("IndexedDB", indexedDbHarness, { lanes: 8, isThorough: false });
