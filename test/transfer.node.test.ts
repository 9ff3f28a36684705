import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";
import { transferCases } from "./transfer.cases.ts";

transferCases(onStage(memoryHarness));
