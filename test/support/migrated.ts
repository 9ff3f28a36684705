import { cp } from "node:fs/promises";
import { digestOf, digestOfFiles, keptFolder } from "../../scripts/kept.ts";
import { applyMigrations } from "../../scripts/local-worker.ts";

/**
 * Puts a local database with all migrations into a folder, for `startWorker`. `wrangler` applies the same migrations once, and
 * each test has a copy of what it left.
 */
export async function migratedTo(persistTo: string): Promise<void> {
  const inputs = ["adapters/d1/migrations", "wrangler.toml", "node_modules/.package-lock.json"];
  const digest = digestOf("migrated", digestOfFiles(process.cwd(), ...inputs));
  await cp(await keptFolder(digest, (folder) => applyMigrations({ persistTo: folder })), persistTo, {
    recursive: true,
  });
}
