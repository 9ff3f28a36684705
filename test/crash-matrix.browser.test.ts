import { server } from "vitest/browser";
import { testCrashes } from "./support/crash-matrix.ts";
import { indexedDbHarness } from "./support/indexeddb-harness.ts";

testCrashes(`IndexedDB in ${server.browser}`, indexedDbHarness, { lanes: 8, isThorough: false });
