import { testForks } from "./support/forks-suite.ts";
import { memoryHarness } from "./support/memory-harness.ts";

testForks("memory", memoryHarness);
