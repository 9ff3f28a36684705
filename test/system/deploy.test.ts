import { execFile, execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { experimental_getWranglerCommands as wranglerCommands } from "wrangler";
import { dryRun, sizeLine } from "../../scripts/deploy.ts";
import { applyMigrations, executeSql, runWrangler, startWorker } from "../../scripts/local-worker.ts";

const page = readFileSync("docs/deploy.md", "utf8");
const fullConfig = "examples/deploy/wrangler.toml";

function blocks(language: string): readonly string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, text = ""]) => text);
}

const commands = blocks("sh").flatMap((block) => block.trim().split("\n"));

/** A word of a command of wrangler, and those that may follow it. */
type Node = ReturnType<typeof wranglerCommands>["registry"];

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "orca-durable-deploy-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe("docs/deploy.md", () => {
  test("every command of npm is there", () => {
    const { scripts } = JSON.parse(readFileSync("package.json", "utf8")) as { scripts: Record<string, string> };
    const named = commands.flatMap((command) => /npm run ([\w:]+)/.exec(command)?.[1] ?? []);
    expect(named).toContain("keys");
    expect(named.filter((name) => scripts[name] === undefined)).toEqual([]);
  });

  test("every command of wrangler is there, with its options", () => {
    const used = new Map<string, Set<string>>();
    for (const command of commands) {
      const call = /npx wrangler ((?:[a-z][a-z0-9-]* ?)+)(.*)/.exec(command);
      if (call === null) continue;
      const [, words = "", rest = ""] = call;
      const [first = "", second = "", third = ""] = words.trim().split(" ");
      const deep = first === "d1" && ["migrations", "time-travel"].includes(second);
      const name = [first, ...(["d1", "secret"].includes(first) ? [second] : []), ...(deep ? [third] : [])].join(" ");
      const options = used.get(name) ?? new Set();
      for (const [option] of `${words} ${rest}`.matchAll(/--[a-z-]+/g)) options.add(option);
      used.set(name, options);
    }
    expect([...used.keys()]).toEqual(
      expect.arrayContaining(["d1 create", "d1 migrations apply", "deploy", "secret put"]),
    );
    // What wrangler reads its arguments by. Its help for each command would take a start of it.
    const { registry, globalFlags } = wranglerCommands();
    for (const [name, options] of used) {
      const node = name.split(" ").reduce<Node | undefined>((node, word) => node?.subtree.get(word), registry);
      const { definition } = node ?? {};
      if (definition?.type !== "command") throw new Error(`there is no command "wrangler ${name}"`);
      const known = Object.keys({ ...globalFlags, ...definition.args }).map((option) => `--${option}`);
      expect(known, `wrangler ${name}`).toEqual(expect.arrayContaining([...options]));
    }
  });

  // A block with a Worker's file is a configuration by itself; every other one is a part.
  const isWhole = (block: string) => /^main = /m.test(block);

  test("every part of a configuration is part of the whole one", () => {
    const whole = readFileSync(fullConfig, "utf8");
    const parts = blocks("toml").filter((block) => !isWhole(block));
    expect(parts.length).toBeGreaterThan(4);
    expect(parts.filter((part) => !whole.includes(part))).toEqual([]);
  });

  test("the configuration with the package alone has the same date, binding and cron, and migrations of the package", () => {
    const own = readFileSync("wrangler.toml", "utf8");
    const [config = "", objects = "", ...others] = blocks("toml").filter(isWhole);
    expect(others).toEqual([]);
    const example = readFileSync("examples/objects/wrangler.toml", "utf8");
    for (const line of ["compatibility_date", 'name = "RUNS"', "class_name", "new_sqlite_classes"]) {
      const lines = [example, objects].map((text) => new RegExp(`^${line}.*$`, "m").exec(text)?.[0]);
      expect(lines[0]).toBeDefined();
      expect(lines[1]).toBe(lines[0]);
    }
    for (const line of ["compatibility_date", "binding =", "database_id", "crons"]) {
      const lines = [own, config].map((text) => new RegExp(`^${line}.*$`, "m").exec(text)?.[0]);
      expect(lines[0]).toBeDefined();
      expect(lines[1]).toBe(lines[0]);
    }
    const migrations = /^migrations_dir = "node_modules\/orca-durable\/(.*)"$/m.exec(config)?.[1];
    const { files } = JSON.parse(readFileSync("package.json", "utf8")) as { files: readonly string[] };
    expect(files).toContain(migrations);
    // The page shows its Worker beside it.
    const main = /^main = "(.*)"$/m.exec(config)?.[1];
    expect(blocks("ts").map((block) => block.split("\n")[0])).toContain(`// ${main}`);
  });

  test("the placeholder that it replaces stands in wrangler.toml, once", () => {
    const placeholder = /s\/([0-9a-f-]{36})\//.exec(page)?.[1] ?? "";
    expect(readFileSync("wrangler.toml", "utf8").split(placeholder)).toHaveLength(2);
  });

  test("the two configurations have the same database, cron and date", () => {
    const own = readFileSync("wrangler.toml", "utf8");
    const whole = readFileSync(fullConfig, "utf8");
    for (const line of ["compatibility_date", "binding =", "database_name", "crons"]) {
      const lines = [own, whole].map((text) => new RegExp(`^${line}.*$`, "m").exec(text)?.[0]);
      expect(lines[0]).toBeDefined();
      expect(lines[1]).toBe(lines[0]);
    }
  });
});

describe("a dry run of the deployment", { timeout: 300_000 }, () => {
  test.each(["wrangler.toml", fullConfig, "examples/objects/wrangler.toml"])(
    "of %s builds, and tells its size",
    async (config) => {
      const run = await dryRun(config);
      console.log(sizeLine(config, run));
      expect(run.output).toContain("env.DB (orca-durable)");
      const bindings =
        config === fullConfig
          ? ["RATE_LIMIT", "ADDRESS_RATE_LIMIT", "D1_QUERY_LIMIT", "CORS_ORIGINS", "ACCESS_LOG"]
          : [];
      for (const binding of bindings) expect(run.output).toContain(`env.${binding}`);
      // What the free plan once allowed as a whole. It is a bundle for every start of an isolate.
      expect(run.gzippedBytes).toBeLessThan(1_000_000);
      expect(run.gzippedBytes).toBeGreaterThan(10_000);
    },
  );

  test("fails where the Worker cannot be built", async () => {
    await expect(dryRun(join(folder, "wrangler.toml"))).rejects.toThrow("cannot be deployed");
  });
});

test("what is exported goes into an empty database", { timeout: 300_000 }, async () => {
  const migrations = resolve("adapters/d1/migrations");
  const database = async (name: string) => {
    const cwd = join(folder, name);
    await mkdir(cwd);
    const text = readFileSync("wrangler.toml", "utf8").replace(
      /^migrations_dir = .*$/m,
      `migrations_dir = "${migrations}"`,
    );
    await writeFile(join(cwd, "wrangler.toml"), text);
    return cwd;
  };
  const wrangler = async (cwd: string, ...args: readonly string[]) => {
    const { code, output } = await runWrangler(["d1", ...args], cwd);
    expect(code, output).toBe(0);
  };
  const from = await database("from");
  await applyMigrations({ cwd: from });
  await executeSql(
    "INSERT INTO api_keys VALUES ('k1', 'hash', 'acme', 'read', 'it''s; \u00fc', '…1', 1, NULL), ('k2', 'h', 'acme', 'admin', '', '', 2, 3)",
    { cwd: from },
  );
  await wrangler(from, "export", "orca-durable", "--local", "--output", "out.sql");
  const to = await database("to");
  await wrangler(to, "execute", "orca-durable", "--local", "--yes", "--file", join(from, "out.sql"));
  await wrangler(to, "export", "orca-durable", "--local", "--output", "again.sql");
  const exported = await readFile(join(from, "out.sql"), "utf8");
  expect(exported).toContain("it''s; \u00fc");
  expect(exported).toMatch(/CREATE TABLE (IF NOT EXISTS )?"?runs\b/);
  expect(await readFile(join(to, "again.sql"), "utf8")).toBe(exported);
});

// It is the reader's tool, not this package's.
describe.skipIf(!has("curl"))("with curl", () => {
  test("the first calls of a new deployment work as they are written", { timeout: 300_000 }, async () => {
    const persistTo = join(folder, "state");
    const run = promisify(execFile);
    const issued = [
      "scripts/cli.ts",
      "keys",
      "issue",
      "--persist-to",
      persistTo,
      "--tenant",
      "acme",
      "--role",
      "admin",
    ];
    const { stdout: key } = await run(process.execPath, [...issued, "--name", "first"]);
    const worker = await startWorker({ persistTo });
    try {
      const script = blocks("sh").find((block) => block.includes("curl")) ?? "";
      const calls = script.replace(/^url=.*$/m, `url=${worker.url}`).replace(/^key=.*$/m, `key=${key.trim()}`);
      const { stdout } = await run("bash", ["-euo", "pipefail", "-c", calls.replaceAll(/(curl .*)/g, "$1; echo")]);
      const [health, started, runs] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(health).toMatchObject({ status: "ok" });
      expect(started).toMatchObject({ skill_id: "text.simple-summarize", status: "running" });
      expect(runs).toMatchObject({ runs: [{ run_id: started?.run_id, tenant_id: "acme" }] });
      const refused = await fetch(`${worker.url}/v1/runs`);
      expect(refused.status).toBe(401);
    } finally {
      await worker.stop();
    }
  });
});

function has(command: string): boolean {
  try {
    execFileSync(command, ["--version"], { stdio: "ignore" });
    return existsSync("/bin/bash") || existsSync("/usr/bin/bash");
  } catch {
    return false;
  }
}
