import { memoryHarness } from "./support/memory-harness.ts";
import { testWorkflows } from "./support/workflow-suite.ts";

testWorkflows("memory", memoryHarness);
