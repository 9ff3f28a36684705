import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkStore, type StoreHarness } from "../../src/conformance/index.ts";
import { logStore } from "./store.ts";

/** A new folder for each case, which is the log of every handle that the case opens. */
const harness: StoreHarness = {
  async fresh() {
    const folder = await mkdtemp(join(tmpdir(), "log-store-"));
    return {
      open: async () => logStore(folder),
      remove: () => rm(folder, { recursive: true }),
    };
  },
};

const { passed, failed, results } = await checkStore(harness);
for (const result of results) {
  if (result.outcome === "failed") console.log(`${result.id}: ${result.clause}\n  ${result.error}`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
