import { retentionCases } from "./retention.cases.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { onStage } from "./support/stage.ts";

retentionCases(onStage(indexedDbHarness));
