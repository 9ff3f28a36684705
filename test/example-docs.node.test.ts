import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, normalize } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { applyMigrations, startWorker } from "../scripts/local-worker.ts";

const pages = [
  "README.md",
  ...readdirSync("docs")
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

const blocks: readonly Block[] = pages.flatMap((page) =>
  [...readFileSync(page, "utf8").matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = "", text = ""]) => ({
    page,
    language,
    text,
  })),
);

/** Code as a user of the package would write it: imports from its doors, in any order. */
function asUserCode(code: string): string {
  return code
    .replaceAll(/"(?:\.\.\/)+adapters\/(\w+)\/index\.ts"/g, '"orca-durable/$1"')
    .replaceAll(/"(?:\.\.\/)+worker\/app\.ts"/g, '"orca-durable/worker"')
    .replaceAll(/"(?:\.\.\/)+worker\/(service-worker|page)\.ts"/g, '"orca-durable/$1"')
    .replaceAll(/"(?:\.\.\/)+worker\/client\/index\.ts"/g, '"orca-durable/client"')
    .replaceAll(/"(?:\.\.\/)+src\/conformance\/index\.ts"/g, '"orca-durable/conformance"')
    .replaceAll(/"(?:\.\.\/)+src\/index\.ts"/g, '"orca-durable"');
}

const examples = readdirSync("examples", { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => asUserCode(readFileSync(join("examples", name), "utf8")));

// The tutorial's code is run by a test of its own.
const quoted = blocks.filter(({ page, language }) => language === "ts" && page !== "docs/tutorial.md");

test.each(quoted)("code in $page is code of an example: $text", (block) => {
  expect(examples.some((example) => example.includes(block.text))).toBe(true);
});

test("every block has a language that is looked at here", () => {
  const known = ["ts", "sh", "toml", "text", "mermaid"];
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

test("every link within the repository leads to a file", () => {
  const links = pages.flatMap((page) =>
    [...readFileSync(page, "utf8").matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, target = ""]) =>
      normalize(join(dirname(page), target)),
    ),
  );
  expect(links.filter((link) => !existsSync(link))).toEqual([]);
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
  test("the tour of the HTTP contract works as it is written", { timeout: 90_000 }, async () => {
    const tour = blocks.find(
      ({ page, language, text }) => page === "README.md" && language === "sh" && text.includes("curl"),
    );
    const persistTo = await mkdtemp(join(tmpdir(), "orca-durable-tour-"));
    await applyMigrations({ persistTo });
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
