import { fractionCases, largeCases } from "./large.cases.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { onStage } from "./support/stage.ts";

const on = onStage(indexedDbHarness);

largeCases(on);
fractionCases(on);
