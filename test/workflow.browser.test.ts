import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { testWorkflows } from "./support/workflow-suite.ts";

testWorkflows("IndexedDB", indexedDbHarness);
