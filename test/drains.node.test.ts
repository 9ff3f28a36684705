import { testDrains } from "./support/drain-suite.ts";
import { memoryHarness } from "./support/memory-harness.ts";

testDrains("memory", memoryHarness);
