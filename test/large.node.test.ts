import { fractionCases, largeCases } from "./large.cases.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";

const on = onStage(memoryHarness);

largeCases(on);
fractionCases(on);
