import { migrationCases } from "./migrations.cases.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { onStage } from "./support/stage.ts";

migrationCases(onStage(indexedDbHarness));
