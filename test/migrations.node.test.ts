import { migrationCases } from "./migrations.cases.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";

migrationCases(onStage(memoryHarness));
