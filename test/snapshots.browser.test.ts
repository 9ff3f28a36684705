import { snapshotCases } from "./snapshots.cases.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { onStage } from "./support/stage.ts";

snapshotCases(onStage(indexedDbHarness));
