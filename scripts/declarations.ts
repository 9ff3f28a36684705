import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestOfPackage, keptFolder } from "./kept.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The folder with the declarations of the shipped rooms as they are now, file by file, such as `src/index.d.ts`. */
export function declarations(): Promise<string> {
  return keptFolder(digestOfPackage(), (folder) => {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", folder], {
      stdio: "pipe",
    });
    // No door exports the parts of the inspector, and their libraries are not dependencies of the package.
    rmSync(join(folder, "worker/inspector/ui"), { recursive: true });
  });
}
