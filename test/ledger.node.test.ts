import { testLedger } from "./support/ledger-suite.ts";
import { memoryHarness } from "./support/memory-harness.ts";

testLedger("memory", memoryHarness);
