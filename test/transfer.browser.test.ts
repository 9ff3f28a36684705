import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { onStage } from "./support/stage.ts";
import { transferCases } from "./transfer.cases.ts";

transferCases(onStage(indexedDbHarness));
