import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";

// The format: https://github.com/google/leveldb/blob/main/doc/log_format.md

const blockSize = 32_768;
const headerSize = 7;
const [full, last] = [1, 4];

/**
 * True if a log of Chromium's databases ends within a record: the browser was killed while it wrote that. Its next start
 * ignores the rest and goes on writing behind it, and the start after that takes the log for corrupted, and deletes the
 * site's whole database: https://github.com/google/leveldb/issues/1287.
 */
export async function hasTornLog(profile: string): Promise<boolean> {
  for await (const path of glob("Default/IndexedDB/*.leveldb/*.log", { cwd: profile })) {
    if (isTorn(await readFile(join(profile, path)))) return true;
  }
  return false;
}

/** True if the log ends within a record. */
export function isTorn(log: Uint8Array): boolean {
  let type = full;
  for (let at = 0; at < log.length; ) {
    const left = blockSize - (at % blockSize);
    // Too little for a header is left empty.
    if (left < headerSize) {
      at += left;
      continue;
    }
    if (at + headerSize > log.length) return true;
    const view = new DataView(log.buffer, log.byteOffset + at, headerSize);
    type = view.getUint8(6);
    at += headerSize + view.getUint16(4, true);
    if (at > log.length) return true;
  }
  return type !== full && type !== last;
}
