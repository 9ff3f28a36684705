import { testCrashes } from "./support/crash-matrix.ts";
import { memoryHarness } from "./support/memory-harness.ts";

testCrashes("memory", memoryHarness, { lanes: 4, isThorough: true });
