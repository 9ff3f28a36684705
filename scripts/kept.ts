import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));

/** What tools have made, by what it was made of. `npm ci` removes it with the packages. */
const kept = join(root, "node_modules/.cache/orca-durable/kept");

/** A hash of these texts and of their order. */
export function digestOf(...texts: readonly string[]): string {
  return createHash("sha256").update(JSON.stringify(texts)).digest("hex");
}

/** A hash of these files and of all files in these folders: of their paths, from `base`, and of what they hold. */
export function digestOfFiles(base: string, ...places: readonly string[]): string {
  const files = places.flatMap((place) => filesIn(join(base, place))).sort();
  return digestOf(...files.flatMap((file) => [relative(base, file), readFileSync(file, "base64")]));
}

/** A hash of all that the package's declarations are made of, and of what is installed. */
export function digestOfPackage(): string {
  const sources = ["src", "adapters", "worker", "package.json", "tsconfig.json", "tsconfig.build.json"];
  const tools = [
    "scripts/declarations.ts",
    "scripts/doors.ts",
    "scripts/reachable.ts",
    "node_modules/.package-lock.json",
  ];
  return digestOfFiles(root, ...sources, ...tools);
}

/**
 * The folder that `make` filled for the same digest, now or in an earlier process. If `make` throws or rejects, so does this, and
 * nothing is kept.
 */
export async function keptFolder(digest: string, make: (folder: string) => void | Promise<void>): Promise<string> {
  const folder = join(kept, digest);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${crypto.randomUUID()}`;
  mkdirSync(unfinished, { recursive: true });
  try {
    await make(unfinished);
    // Another process may have made the same in the meantime.
    if (!existsSync(folder)) renameSync(unfinished, folder);
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
  return folder;
}

function filesIn(place: string): readonly string[] {
  if (statSync(place).isFile()) return [place];
  return readdirSync(place, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
}
