import { memoryHarness } from "./support/memory-harness.ts";
import { runtimeCases } from "./support/runtime-cases.ts";
import { unlessSabotaged } from "./support/sabotaged.ts";

runtimeCases(unlessSabotaged(memoryHarness));
