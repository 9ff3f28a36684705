import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { onStage } from "./support/stage.ts";
import { versionCases } from "./versions.cases.ts";

versionCases(onStage(indexedDbHarness));
