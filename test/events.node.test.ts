import { testEvents } from "./support/events-suite.ts";
import { memoryHarness } from "./support/memory-harness.ts";

testEvents("memory", memoryHarness);
