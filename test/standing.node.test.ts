import { memoryHarness } from "./support/memory-harness.ts";
import { testStanding } from "./support/standing-suite.ts";

testStanding("memory", memoryHarness);
