import { memoryHarness } from "./support/memory-harness.ts";
import { testRaces } from "./support/race-suite.ts";

testRaces("memory", memoryHarness);
