import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, normalize, resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { doors } from "../../scripts/doors.ts";
import { startWorker } from "../../scripts/local-worker.ts";
import { httpStatus } from "../../src/errors.ts";
import { createRuntime } from "../../src/index.ts";
import { compile } from "../support/compile.ts";
import { migratedTo } from "../support/migrated.ts";

const pages = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  ...[".github", "docs", "docs/decisions", ".github/ISSUE_TEMPLATE"].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".md"))
      .map((name) => `${folder}/${name}`),
  ),
];

interface Block {
  readonly page: string;
  readonly language: string;
  /** What stands after the language: nothing, or `excerpt`. */
  readonly mark: string;
  readonly text: string;
}

const blocks: readonly Block[] = pages.flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/^```(\w*)(?: (\w+))?\n(.*?)^```$/gms)].map(
    ([, language = "", mark = "", text = ""]) => ({ page, language, mark, text }),
  ),
);

/** Code as a user of the package would write it: imports from its doors, in any order. */
function asUserCode(code: string): string {
  return code
    .replaceAll(/"(?:\.\.\/)+adapters\/(\w+)\/index\.ts"/g, '"orca-durable/$1"')
    .replaceAll(/"(?:\.\.\/)+src\/index\.ts"/g, '"orca-durable"');
}

const examples = readdirSync("examples", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => asUserCode(readFileSync(join("examples", name), "utf8")));

test("the README's first program is an example", () => {
  const first = blocks.find(({ page, language }) => page === "README.md" && language === "ts");
  expect(examples).toContain(first?.text);
});

test("an excerpt is code of an example, and only the page about adapters has excerpts", () => {
  const marked = blocks.filter(({ mark }) => mark !== "");
  expect(marked.filter(({ mark, page }) => mark !== "excerpt" || page !== "docs/adapters.md")).toEqual([]);
  expect(marked.filter(({ text }) => !examples.some((example) => example.includes(text)))).toEqual([]);
});

test("every other block of code compiles as it stands, for a user of the package", async () => {
  const folder = await mkdtemp(join(tmpdir(), "orca-durable-blocks-"));
  try {
    const whole = blocks.filter(({ language, mark }) => language.startsWith("ts") && mark === "");
    for (const [index, { page, text, language }] of whole.entries()) {
      // A block that others on its page import begins with its name: `// skill.ts`.
      const name = /^\/\/ ([\w-]+\.ts)\n/.exec(text)?.[1] ?? `block-${index}.${language}`;
      await mkdir(join(folder, page), { recursive: true });
      // The tutorial's file lies in the root of a clone.
      await writeFile(join(folder, page, name), text.replaceAll('"./examples/', `"${process.cwd()}/examples/`));
    }
    // The page about adapters shows parts of its store, and its proof stands beside the whole.
    const store = resolve("examples/adapter-author/store.ts");
    await writeFile(join(folder, "docs/adapters.md/store.ts"), `export * from "${store}";`);
    await writeFile(join(folder, "package.json"), '{ "type": "module" }');
    await symlink(join(process.cwd(), "node_modules"), join(folder, "node_modules"));
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify(userConfig()));
    const printed = await compile(resolve("node_modules/typescript"), folder);
    expect(whole.length).toBeGreaterThan(15);
    expect(printed).toBe("");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The repository's own options, with the package's doors in the place of its files. */
function userConfig() {
  const paths = [...doors()].map(([door, file]) => [door.replace(".", "orca-durable"), [resolve(file)]]);
  return {
    extends: resolve("tsconfig.json"),
    compilerOptions: {
      paths: Object.fromEntries(paths),
      types: ["node", "vite/client"],
      // Some blocks import files of this repository by their whole paths.
      rewriteRelativeImportExtensions: false,
    },
    include: ["**/*.ts", "**/*.tsx"],
    exclude: ["node_modules"],
  };
}

test("every block has a language that is looked at here", () => {
  const known = ["ts", "tsx", "sh", "toml", "text", "mermaid"];
  expect(blocks.filter(({ language }) => !known.includes(language))).toEqual([]);
});

test("every npm script that the docs name is there", () => {
  const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
  const named = pages.flatMap((page) =>
    [...readFileSync(page, "utf8").matchAll(/npm run ([\w:-]+)/g)].map(([, name]) => name),
  );
  expect(named.filter((name) => name === undefined || !(name in scripts))).toEqual([]);
});

test("the README's table has every door", () => {
  const { exports } = JSON.parse(readFileSync("package.json", "utf8")) as { exports: Record<string, unknown> };
  const doors = Object.keys(exports).filter((door) => door !== "./package.json");
  const rows = [...readFileSync("README.md", "utf8").matchAll(/^\| `(orca-durable[^`]*)` \|/gm)].map(
    ([, name]) => name,
  );
  expect(rows.toSorted()).toEqual(doors.map((door) => door.replace(".", "orca-durable")).toSorted());
});

/** The links of each page that stay in the repository. */
const linked = pages.flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)].map(
    ([, file = "", anchor = ""]) => ({
      page,
      target: file === "" ? page : normalize(join(dirname(page), file)),
      anchor,
    }),
  ),
);

test("every link within the repository leads to a file", () => {
  expect(linked.filter(({ target }) => !existsSync(target))).toEqual([]);
});

test("every link to a heading leads to one", () => {
  const anchors = new Map(pages.map((page) => [page, anchorsOf(page)]));
  const missing = linked.filter(({ target, anchor }) => anchor !== "" && !anchors.get(target)?.includes(anchor));
  expect(missing).toEqual([]);
});

/** The headings of a page, as GitHub makes addresses of them. */
function anchorsOf(page: string): readonly string[] {
  return [...readFileSync(page, "utf8").matchAll(/^#+ (.+)$/gm)].map(([, title = ""]) =>
    title
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

// Pictures are in the repository alone: they would be a sixth of the package, and nothing shows them in node_modules.
const isPicture = (file: string) => file.startsWith("docs/images/");

test("every link within the package leads to a file of the package", async () => {
  const { stdout } = await promisify(execFile)("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"]);
  const files = new Set((JSON.parse(stdout) as [{ files: { path: string }[] }])[0].files.map(({ path }) => path));
  const packed = linked.filter(({ page }) => files.has(page));
  expect(packed.length).toBeGreaterThan(100);
  expect(packed.filter(({ target }) => !files.has(target) && !isPicture(target))).toEqual([]);
});

test("every test that a command in the docs runs is there", () => {
  const commands = blocks.filter(({ language }) => language === "sh");
  const named = commands.flatMap(({ text }) => [...text.matchAll(/\btest\/[\w./-]+/g)].map(([name]) => name));
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter((name) => !existsSync(name))).toEqual([]);
});

test("every file that the docs name is there", () => {
  const named = pages.flatMap((page) =>
    [...readFileSync(page, "utf8").matchAll(/`((?:src|adapters|worker|test|examples|scripts|docs)\/[^`{*\s]*)`/g)].map(
      ([, name = ""]) => name,
    ),
  );
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !existsSync(name))).toEqual([]);
});

test("the page about the runtime has every operation and every option", () => {
  const page = readFileSync("docs/runtime.md", "utf8");
  const { prototype } = createRuntime({ store: memoryStore() }).for("acme").constructor;
  const operations = Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
  expect(operations.length).toBeGreaterThan(15);
  expect(operations.filter((name) => !page.includes(`| \`${name}(`))).toEqual([]);
  const options = /interface RuntimeOptions \{(.*?)^\}/ms.exec(readFileSync("src/runtime.ts", "utf8"))?.[1] ?? "";
  const names = [...options.matchAll(/^ {2}readonly (\w+)/gm)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(15);
  const rows = page.slice(page.indexOf("## Options"));
  expect(names.filter((name) => !rows.includes(`\`${name}\``))).toEqual([]);
});

test("the table of error codes has every code with its status", () => {
  const rows = [...readFileSync("docs/errors.md", "utf8").matchAll(/^\| `(\w+)` \| (\d+) \|/gm)];
  expect(Object.fromEntries(rows.map(([, code, status]) => [code, Number(status)]))).toEqual(httpStatus);
});

function has(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

// They are the reader's tools, not this package's.
describe.skipIf(!has("bash") || !has("curl"))("with bash and curl", () => {
  test("the tour of the HTTP contract works as it is written", async () => {
    const tour = blocks.find(
      ({ page, language, text }) => page === "README.md" && language === "sh" && text.includes("curl"),
    );
    const persistTo = await mkdtemp(join(tmpdir(), "orca-durable-tour-"));
    await migratedTo(persistTo);
    const worker = await startWorker({ persistTo, vars: { API_KEY: "dev-key" } });
    try {
      const script = tour?.text.replaceAll("http://127.0.0.1:8787", worker.url) ?? "";
      const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script]);
      const answers = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      const [started, run, checkpoints, checkpoint, replayed, forked, resumed, history, refused] = answers;
      expect(started).toMatchObject({ status: "running" });
      expect(run).toMatchObject({ status: "completed", result: { summary: expect.any(String) } });
      expect(checkpoints).toMatchObject({ total: 5 });
      expect(checkpoint).toMatchObject({ record: { kind: "step_completed", step_id: "split" } });
      expect(replayed).toMatchObject({ replay: { accepted: true } });
      expect(forked).toMatchObject({ run: { status: "pending" }, fork: { accepted: true } });
      expect(resumed).toMatchObject({ run: { status: "running" }, resume: { accepted: true } });
      expect(JSON.stringify(history)).toContain("run.completed");
      expect(refused).toMatchObject({ error: { code: "invalid_transition", status: 409 } });
      expect(answers.length).toBe(9);
    } finally {
      await worker.stop();
      await rm(persistTo, { recursive: true, force: true });
    }
  });
});
