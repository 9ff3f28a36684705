import { testFences } from "./support/fence-suite.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { testOwnership } from "./support/ownership-suite.ts";

testOwnership("memory", memoryHarness);
testFences("memory", memoryHarness);
