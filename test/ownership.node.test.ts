import { memoryHarness } from "./support/memory-harness.ts";
import { testOwnership } from "./support/ownership-suite.ts";

testOwnership("memory", memoryHarness);
