import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { doors } from "./doors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** The bytes of these files and all that they import, as one minified and gzipped bundle without tree shaking. */
export async function bundleSize(files: readonly string[]): Promise<number> {
  return (await bundle(files)).size;
}

/** The size of that bundle, and its files. */
export function bundle(files: readonly string[]): Promise<Bundle> {
  return bundleOf(files.map((file) => ["*", file]));
}

interface Bundle {
  readonly size: number;
  readonly modules: readonly string[];
}

/**
 * A bundle of the named exports of each file, with tree shaking. A file in `leftOut` is replaced by its exports without their
 * content.
 */
async function bundleOf(
  wanted: readonly (readonly [names: string, file: string])[],
  leftOut: readonly string[] = [],
): Promise<Bundle> {
  const code = wanted.map(([names, file]) => `export ${names} from ${JSON.stringify(root + file)};`).join("\n");
  const entry = "\0entry";
  const built = await rolldown({
    input: entry,
    cwd: root,
    platform: "browser",
    // Modules that a platform or a page provides are not in the bundle.
    external: /^(node:|react$)/,
    onLog: (level, log, print) => log.code !== "MODULE_LEVEL_DIRECTIVE" && print(level, log),
    plugins: [
      {
        name: "entry",
        resolveId: (id) => (id === entry ? id : undefined),
        load: (id) => {
          if (id === entry) return code;
          return leftOut.some((file) => id === root + file) ? namesOf(id) : undefined;
        },
      },
    ],
  });
  const { output } = await built.generate({ format: "esm", minify: true, codeSplitting: false });
  await built.close();
  const bytes = output.map((file) => ("code" in file ? file.code : "")).join("");
  const modules = output.flatMap((file) => ("modules" in file ? Object.keys(file.modules) : []));
  return { size: gzipSync(bytes, { level: 9 }).length, modules: modules.filter((id) => !id.startsWith("\0")) };
}

/** The bytes of the main door together with one adapter, such as `./d1`. */
export async function coreWith(adapter: string): Promise<number> {
  return bundleSize([sourceOf("."), sourceOf(adapter)]);
}

/** The bytes of all doors of the core together with one adapter. */
export async function allDoorsWith(adapter: string): Promise<number> {
  return bundleSize([".", "./steps", "./transfer", "./codec", "./telemetry", adapter].map(sourceOf));
}

/** The names with which an app defines and runs skills of one form. */
const appNames = {
  code: "{ createRuntime, defineCapability, defineSkill }",
  graph: "{ createRuntime, defineCapability, defineGraphSkill }",
};

/** The bytes of what an app needs to run skills of one form: the names that it imports, with one adapter. */
export async function appWith(
  adapter: string,
  form: keyof typeof appNames,
  leftOut: readonly string[] = [],
): Promise<number> {
  const wanted = [[appNames[form], sourceOf(".")] as const, ["*", sourceOf(adapter)] as const];
  return (await bundleOf(wanted, leftOut)).size;
}

/** The module reduced to its exports: such an app is only good to be measured. */
function namesOf(file: string): string {
  const names = readFileSync(file, "utf8").matchAll(/^export (?:async )?(?:function\*?|const|class) (\w+)/gm);
  return [...names].map(([, name]) => `export const ${name} = 0;`).join("\n");
}

/** The parts that could be left out of an app of code-first skills, and their files. */
const parts: Readonly<Record<string, readonly string[]>> = {
  "the ledger": ["src/engine/ledger.ts"],
  "values beyond JSON": ["src/codec/values.ts"],
  serving: ["src/runs/serve.ts"],
  "replay and fork": ["src/runs/descent.ts"],
  "lists of checkpoints, and history": ["src/runs/checkpoints.ts"],
  events: ["src/runs/events.ts"],
  deletion: ["src/runs/deletion.ts"],
  "versions of skills, with migrations": ["src/skills/registry.ts"],
  "resume, gates and signals": ["src/runs/continuation.ts"],
  drain: ["src/runs/drain.ts"],
  commits: ["src/journal/commit.ts"],
  "the step kernel, with the ledger": ["src/engine/kernel.ts", "src/engine/waiting.ts", "src/engine/ledger.ts"],
  "the stored forms, with deltas": ["state", "form", "bodies"].map((name) => `src/codec/${name}.ts`),
  "code-first bodies, with all that only they reach": ["src/skills/code/run.ts", "src/skills/code/workflow-step.ts"],
};
/** The number of leading entries that are more than a run needs to start, execute and commit. */
const dispensable = 10;

function sourceOf(door: string): string {
  const file = doors().get(door);
  if (file === undefined) throw new Error(`package.json has no door ${door}.`);
  return file;
}

async function printParts(): Promise<void> {
  const whole = await appWith("./memory", "code");
  console.log(`An app of code-first skills with ./memory takes ${whole} bytes. It would save, without`);
  for (const [name, files] of Object.entries(parts)) {
    const saved = whole - (await appWith("./memory", "code", files));
    console.log(`${name.padEnd(52)}${String(saved).padStart(8)}`);
  }
  const most = Object.values(parts).slice(0, dispensable).flat();
  console.log(`Without the first ${dispensable} at once it would take ${await appWith("./memory", "code", most)}.`);
}

async function printSizes(): Promise<void> {
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

if (import.meta.main) await (process.argv.includes("--parts") ? printParts() : printSizes());
