import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import pack from "../package.json" with { type: "json" };
import { declarations } from "./declarations.ts";
import { doors, outputOf } from "./doors.ts";
import { inspectorScript } from "./inspector.ts";

// Writes dist/: a module for each door, chunks that doors share, and the declarations. There are no source maps, since the
// modules are the sources without their types and comments.

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

/** It is bundled with its UI libraries, which are not dependencies of the package. */
const inspector = "./inspector";

/** What a platform or another package brings. */
const packages = [
  /^node:/,
  /^cloudflare:/,
  ...Object.keys({ ...pack.dependencies, ...pack.peerDependencies }).map((name) => new RegExp(`^${name}(/|$)`)),
];

/** The warning that a directive, such as "use client", may get lost. The one of an entry point stays. */
const kept = "MODULE_LEVEL_DIRECTIVE";

async function writeModules(): Promise<void> {
  const own = [...doors()].filter(([door]) => door !== inspector);
  const bundle = await rolldown({
    input: Object.fromEntries(own.map(([door, file]) => [outputOf(door), join(root, file)])),
    cwd: root,
    platform: "neutral",
    external: packages,
    onLog: (level, log, print) => log.code !== kept && print(level, log),
    transform: { target: "es2023" },
    plugins: [{ name: "short-json", transform: { filter: { id: /\.json$/ }, handler: moduleOfJson } }],
  });
  const { output } = await bundle.write({ dir: dist, comments: false, chunkFileNames: "chunks/[name].js" });
  await bundle.close();
  const modules = output.flatMap((file) => ("modules" in file ? Object.keys(file.modules) : []));
  const foreign = modules.filter((id) => id.includes("node_modules"));
  if (foreign.length > 0) throw new Error(`dist/ would hold code of other packages: ${foreign.join(", ")}`);
}

/** The command of the package, for Node. */
async function writeCommand(): Promise<void> {
  const input = join(root, "scripts/cli.ts");
  const bundle = await rolldown({ input, cwd: root, platform: "node", external: packages });
  await bundle.write({ file: join(dist, "cli.js"), comments: false });
  await bundle.close();
}

/** JSON as text that is parsed when the module is: a literal of the same data takes more bytes, and longer to evaluate. */
function moduleOfJson(text: string): { readonly code: string; readonly moduleType: "js" } {
  const short = JSON.stringify(JSON.stringify(JSON.parse(text)));
  return { code: `export default /* @__PURE__ */ JSON.parse(${short});`, moduleType: "js" };
}

rmSync(dist, { recursive: true, force: true });
cpSync(await declarations(), join(dist, "types"), { recursive: true });
await writeModules();
await writeCommand();
writeFileSync(join(dist, `${outputOf(inspector)}.js`), await inspectorScript());
