import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

interface Part {
  readonly language: string;
  readonly text: string;
  /** The prose between this block and the one before. */
  readonly before: string;
}

const parts = partsOf(readFileSync("docs/tutorial.md", "utf8"));
let clone: string;
let server: ChildProcess | undefined;

beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), "tutorial-"));
  // What git has, as it stands in the work tree: a clone before the commit.
  const files = execFileSync("git", ["ls-files", "-z"], { encoding: "utf8" }).split("\0").filter(Boolean);
  for (const file of files) cpSync(file, join(clone, file), { recursive: true, force: true, mode: 0 });
  // Stands for `npm ci`, which the clone's owner has just run.
  symlinkSync(join(process.cwd(), "node_modules"), join(clone, "node_modules"));
});

afterAll(async () => {
  await stopServer();
  rmSync(clone, { recursive: true, force: true });
});

test("a reader who follows the tutorial word by word sees what it says", { timeout: 300_000 }, async () => {
  const port = await freePort();
  for (const [index, { language, text, before }] of parts.entries()) {
    if (language === "ts") writeFileSync(join(clone, fileNamedIn(before)), text);
    if (language !== "sh") continue;
    const next = parts[index + 1];
    const expected = next?.language === "text" ? next.text : undefined;
    if (/^npm run (dev|example:)/.test(text)) await serve(text, port, expected);
    else await follow(text.replaceAll(ports, String(port)), expected);
  }
});

/** Runs a block, which must print what the tutorial says. */
async function follow(commands: string, expected: string | undefined): Promise<void> {
  const script = commands.replace("npm ci\n", "");
  const printed = execFileSync("bash", ["-euc", script], { cwd: clone, encoding: "utf8", env: environment });
  if (expected !== undefined) expect(trimmed(printed), commands).toMatch(pattern(expected));
}

/** Starts what goes on until it is stopped, in the place of what was started before it. */
async function serve(command: string, port: number, expected: string | undefined): Promise<void> {
  await stopServer();
  const started = spawn("bash", ["-euc", command], {
    cwd: clone,
    env: { ...environment, PORT: String(port) },
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  server = started;
  await new Promise<void>((resolve, reject) => {
    let printed = "";
    started.stdout.setEncoding("utf8").on("data", (text: string) => {
      printed += text;
      if (expected === undefined || pattern(expected.replaceAll(ports, String(port)), "s").test(printed)) resolve();
    });
    started.once("exit", (code) => reject(new Error(`${command} ended with ${code}:\n${printed}`)));
  });
}

/** As Ctrl-C does. */
async function stopServer(): Promise<void> {
  const stopped = server;
  server = undefined;
  if (stopped?.pid === undefined || stopped.exitCode !== null || stopped.signalCode !== null) return;
  const exited = new Promise((resolve) => stopped.once("exit", resolve));
  process.kill(-stopped.pid, "SIGINT");
  await exited;
}

/** Those of `npm run dev` and of the example's page; others may run where the tests do. */
const ports = /\b(?:8787|4173)\b/g;

const environment = { ...process.env, NO_COLOR: "1", NODE_NO_WARNINGS: "1", npm_config_loglevel: "error" };

function partsOf(page: string): readonly Part[] {
  let end = 0;
  return [...page.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map((found): Part => {
    const [whole, language = "", text = ""] = found;
    const before = page.slice(end, found.index);
    end = found.index + whole.length;
    return { language, text, before };
  });
}

function fileNamedIn(prose: string): string {
  const name = /`([\w./-]+\.ts)`/.exec(prose)?.[1];
  if (name === undefined || dirname(name) !== ".") throw new Error(`no file is named in: ${prose}`);
  return name;
}

function trimmed(text: string): string {
  return text.replaceAll(/ +$/gm, "").trim();
}

/** What was printed, with `…` for anything. */
function pattern(text: string, flags = ""): RegExp {
  const escaped = trimmed(text)
    .split("…")
    .map((piece) => piece.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(flags === "" ? `^${escaped.join(".*")}$` : escaped.join(".*"), flags);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address === null || typeof address === "string" ? reject(address) : resolve(address.port)));
    });
  });
}
