import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeSqliteStore } from "../../../adapters/node-sqlite/index.ts";
import type { StoreHarness } from "../../../src/conformance/index.ts";

export const medium = "SQLite";
const folder = mkdtempSync(join(tmpdir(), "orca-sqlite-"));
let files = 0;

/** A file of its own for each medium, and a connection for each handle. */
export const harness: StoreHarness = {
  fresh: async () => {
    const path = join(folder, `${++files}.sqlite`);
    return { open: async () => nodeSqliteStore(path) };
  },
};
export const lanes = 8;
export const isThorough = false;
