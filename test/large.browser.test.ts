import { largeCases } from "./large.cases.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { onStage } from "./support/stage.ts";

largeCases(onStage(indexedDbHarness));
