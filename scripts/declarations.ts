import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { doors } from "./doors.ts";
import { digestOfPackage, keptFolder } from "./kept.ts";
import { keepReachable } from "./reachable.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * The folder with the declarations of the shipped rooms as they are now, file by file, such as `src/index.d.ts`: what the doors
 * export, and what that refers to.
 */
export function declarations(): Promise<string> {
  return keptFolder(digestOfPackage(), (folder) => {
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    execFileSync(process.execPath, [tsc, "-p", join(root, "tsconfig.build.json"), "--outDir", folder], {
      stdio: "pipe",
    });
    keepReachable(
      folder,
      [...doors().values()].map((file) => file.replace(/\.ts$/, ".d.ts")),
    );
  });
}
