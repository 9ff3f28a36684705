import { largeCases } from "./large.cases.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";

largeCases(onStage(memoryHarness));
