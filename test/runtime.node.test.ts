import { memoryHarness } from "./support/memory-harness.ts";
import { runtimeCases } from "./support/runtime-cases.ts";

runtimeCases(memoryHarness);
