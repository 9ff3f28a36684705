import { execFileSync } from "node:child_process";

// What `npm publish` would send, after a build: it must not grow unseen.
const most = { bytes: 560_000, files: 280 };

const packed = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { encoding: "utf8" });
const [tarball] = JSON.parse(packed) as { readonly size: number; readonly entryCount: number }[];
if (tarball === undefined) throw new Error("npm pack names no tarball.");
console.log(`tarball: ${tarball.size} bytes, ${tarball.entryCount} files`);
if (tarball.size > most.bytes || tarball.entryCount > most.files) {
  throw new Error(`The tarball may have ${most.bytes} bytes and ${most.files} files.`);
}
