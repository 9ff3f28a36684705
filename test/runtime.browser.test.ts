import { indexedDbHarness } from "./support/indexeddb-harness.ts";
import { runtimeCases } from "./support/runtime-cases.ts";

runtimeCases(indexedDbHarness);
