import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { testLedger } from "./support/ledger-suite.ts";

testLedger("IndexedDB", indexedDbHarness);
