import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { doors, outputOf } from "./doors.ts";
import { digestOfPackage, keptFolder } from "./kept.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const project = join(root, "tsconfig.build.json");

interface Declarations {
  /** Those of the shipped rooms, file by file, such as `src/index.d.ts`. */
  readonly emitted: string;
  /** What the doors export of them, as the package has it: a file for each door, and chunks. */
  readonly bundled: string;
}

/** The folders with the declarations of the sources as they are now. */
export async function declarations(): Promise<Declarations> {
  const folder = await keptFolder(digestOfPackage(), async (unfinished) => {
    const { emitted, bundled } = foldersIn(unfinished);
    emit(emitted);
    await bundle(emitted, bundled);
  });
  return foldersIn(folder);
}

function foldersIn(folder: string): Declarations {
  return { emitted: join(folder, "emitted"), bundled: join(folder, "bundled") };
}

function emit(folder: string): void {
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", project, "--outDir", folder], { stdio: "pipe" });
}

async function bundle(emitted: string, folder: string): Promise<void> {
  const files = [...doors()].map(([door, file]) => [outputOf(door), join(emitted, file.replace(/\.ts$/, ".d.ts"))]);
  const bundled = await rolldown({
    input: Object.fromEntries(files),
    plugins: [dts({ dtsOnly: true, tsconfig: project })],
    external: (id) => !/^[./]/.test(id),
    checks: { pluginTimings: false },
  });
  await bundled.write({ dir: folder, entryFileNames: "[name].d.ts", chunkFileNames: "chunks/[name].d.ts" });
  await bundled.close();
}
