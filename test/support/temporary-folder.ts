import { accessSync, constants, mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";

const inMemory = "/dev/shm";
const prefix = "orca-durable-";
/** More than the databases, browser profiles and clones of all tests together: 0.7 GB. */
const leastBytes = 3e9;
const dayMs = 86_400_000;

/**
 * Keeps the temporary files of this process and of those that it starts in memory, if there is room. Each commit of a
 * database waits for its disk otherwise. A file in memory outlives its process as one on a disk does, so a test that kills
 * processes proves the same. Does nothing if TMPDIR is set.
 */
export function keepTemporaryFilesInMemory(): void {
  if (process.env.TMPDIR || process.platform !== "linux" || !hasRoom()) return;
  // A process that was killed did not remove its folder.
  for (const name of readdirSync(inMemory)) {
    if (name.startsWith(prefix) && isOld(join(inMemory, name))) remove(join(inMemory, name));
  }
  const folder = mkdtempSync(join(inMemory, prefix));
  process.env.TMPDIR = folder;
  process.once("exit", () => remove(folder));
}

function hasRoom(): boolean {
  try {
    accessSync(inMemory, constants.W_OK);
    const { bavail, bsize } = statfsSync(inMemory);
    return bavail * bsize >= leastBytes;
  } catch {
    return false;
  }
}

function isOld(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && Date.now() - found.mtimeMs > dayMs;
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}
