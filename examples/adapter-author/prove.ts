import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkStore, type StoreHarness } from "../../src/conformance/index.ts";
import { sqliteStore } from "./store.ts";

/** A new database file for each case; the handles that a case opens are connections to that file. */
const harness: StoreHarness = {
  async fresh() {
    const folder = await mkdtemp(join(tmpdir(), "sqlite-store-"));
    return {
      open: async () => sqliteStore(join(folder, "runs.db")),
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
