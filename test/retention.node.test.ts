import { retentionCases } from "./retention.cases.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";

retentionCases(onStage(memoryHarness));
