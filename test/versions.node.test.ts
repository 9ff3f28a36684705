import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";
import { versionCases } from "./versions.cases.ts";

versionCases(onStage(memoryHarness));
