import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Each door of package.json and the source file behind it, such as `./d1` and `adapters/d1/index.ts`. */
export function doors(): ReadonlyMap<string, string> {
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8")) as {
    exports: Record<string, string | { readonly default: string }>;
  };
  return new Map(
    Object.entries(exports).flatMap(([door, target]) =>
      typeof target === "string" ? [] : [[door, target.default.replace(/^\.\/dist\/(.+)\.js$/, "$1.ts")] as const],
    ),
  );
}

/** The bytes of these files with all that they import, as one minified bundle of which nothing is shaken off, gzipped. */
export async function bundleSize(files: readonly string[]): Promise<number> {
  return (await bundle(files)).size;
}

/** That bundle: its size, and the files that are in it. */
export async function bundle(files: readonly string[]): Promise<{ size: number; modules: readonly string[] }> {
  const entry = "\0entry";
  const built = await rolldown({
    input: entry,
    cwd: root,
    platform: "browser",
    // What a platform brings along is not in the bundle.
    external: /^node:/,
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === entry ? id : undefined),
        load: (id) =>
          id === entry ? files.map((file) => `export * from ${JSON.stringify(root + file)};`).join("\n") : undefined,
      },
    ],
  });
  const { output } = await built.generate({ format: "esm", minify: true, codeSplitting: false });
  await built.close();
  const code = output.map((file) => ("code" in file ? file.code : "")).join("");
  const modules = output.flatMap((file) => ("modules" in file ? Object.keys(file.modules) : []));
  return { size: gzipSync(code, { level: 9 }).length, modules: modules.filter((id) => !id.startsWith("\0")) };
}

/** The bytes of the core together with one adapter, such as `./d1`. */
export async function coreWith(adapter: string): Promise<number> {
  return bundleSize([sourceOf("."), sourceOf(adapter)]);
}

function sourceOf(door: string): string {
  const file = doors().get(door);
  if (file === undefined) throw new Error(`package.json has no door ${door}.`);
  return file;
}

if (import.meta.main) {
  const sizes: [string, number][] = [];
  for (const [door, file] of doors()) sizes.push([door, await bundleSize([file])]);
  for (const adapter of ["./memory", "./indexeddb", "./d1"]) sizes.push([`. with ${adapter}`, await coreWith(adapter)]);
  console.log("Bytes, minified and gzipped:");
  for (const [name, size] of sizes) console.log(`${name.padEnd(20)}${String(size).padStart(8)}`);
}
