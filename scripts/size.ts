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
export function bundle(files: readonly string[]): Promise<Bundle> {
  return bundleOf(files.map((file) => ["*", file]));
}

interface Bundle {
  readonly size: number;
  readonly modules: readonly string[];
}

/** A bundle of what is named of each file, without what is shaken off. */
async function bundleOf(wanted: readonly (readonly [names: string, file: string])[]): Promise<Bundle> {
  const code = wanted.map(([names, file]) => `export ${names} from ${JSON.stringify(root + file)};`).join("\n");
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
        load: (id) => (id === entry ? code : undefined),
      },
    ],
  });
  const { output } = await built.generate({ format: "esm", minify: true, codeSplitting: false });
  await built.close();
  const bytes = output.map((file) => ("code" in file ? file.code : "")).join("");
  const modules = output.flatMap((file) => ("modules" in file ? Object.keys(file.modules) : []));
  return { size: gzipSync(bytes, { level: 9 }).length, modules: modules.filter((id) => !id.startsWith("\0")) };
}

/** The bytes of the core together with one adapter, such as `./d1`. */
export async function coreWith(adapter: string): Promise<number> {
  return bundleSize([sourceOf("."), sourceOf(adapter)]);
}

/** The names by which an app defines and runs skills of one form. */
const appNames = {
  code: "{ createRuntime, defineCapability, defineSkill }",
  graph: "{ createRuntime, defineCapability, defineGraphSkill }",
};

/** The bytes of what an app needs to run skills of one form: the names that it imports, with one adapter. */
export async function appWith(adapter: string, form: keyof typeof appNames): Promise<number> {
  return (
    await bundleOf([
      [appNames[form], sourceOf(".")],
      ["*", sourceOf(adapter)],
    ])
  ).size;
}

function sourceOf(door: string): string {
  const file = doors().get(door);
  if (file === undefined) throw new Error(`package.json has no door ${door}.`);
  return file;
}

if (import.meta.main) {
  const sizes: [string, number][] = [];
  for (const [door, file] of doors()) sizes.push([door, await bundleSize([file])]);
  for (const adapter of ["./memory", "./indexeddb", "./d1"]) {
    sizes.push([`. with ${adapter}`, await coreWith(adapter)]);
    sizes.push([`an app with ${adapter}, code-first skills`, await appWith(adapter, "code")]);
    sizes.push([`an app with ${adapter}, graphs`, await appWith(adapter, "graph")]);
  }
  console.log("Bytes, minified and gzipped:");
  for (const [name, size] of sizes) console.log(`${name.padEnd(42)}${String(size).padStart(8)}`);
}
