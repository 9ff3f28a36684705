import { testEvents } from "./support/events-suite.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";

testEvents("IndexedDB", indexedDbHarness);
