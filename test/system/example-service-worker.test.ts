import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright";
import { build, createServer, parseSync, preview } from "vite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";

const configFile = "examples/service-worker/vite.config.ts";

let browser: Browser;
let outDir: string;

beforeAll(async () => {
  browser = await chromium.launch(await chromiumLaunchOptions());
  outDir = await mkdtemp(join(tmpdir(), "orca-durable-example-"));
});

afterAll(async () => {
  await browser?.close();
  await rm(outDir, { recursive: true, force: true });
});

interface Served {
  readonly url: string;
  close(): Promise<void>;
}

const servers: readonly (readonly [name: string, serve: () => Promise<Served>])[] = [
  [
    "as Vite builds it",
    async () => {
      await build({ configFile, build: { outDir, emptyOutDir: true }, logLevel: "error" });
      const server = await preview({ configFile, build: { outDir }, preview: { host: "127.0.0.1", port: 0 } });
      return { url: server.resolvedUrls?.local[0] ?? "", close: () => server.close() };
    },
  ],
  [
    "as Vite serves it while one works on it",
    async () => {
      const server = await createServer({
        configFile,
        server: { host: "127.0.0.1", port: 0, hmr: false, watch: null },
        logLevel: "error",
      });
      await server.listen();
      return { url: server.resolvedUrls?.local[0] ?? "", close: () => server.close() };
    },
  ],
];

describe.each(servers)("the example, %s", (_name, serve) => {
  test("goes through a whole run, and through another without a network", async () => {
    const server = await serve();
    try {
      const context = await newContext(browser);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      await page.goto(server.url);
      await page.waitForSelector('body[data-is="ready"]');
      await goThrough(page, 1);
      await context.setOffline(true);
      await server.close();
      await goThrough(page, 2);
      expect(complaints).toEqual([]);
      await context.close();
    } finally {
      await server.close();
    }
  });
});

/** Starts a run and approves it. It is then the newest of this number of runs. */
async function goThrough(page: Page, runs: number): Promise<void> {
  await page.click("form button");
  await page.click("li button");
  await page.waitForSelector('li:first-child[data-status="completed"]');
  expect(await page.textContent("li:first-child")).toContain("sent 13 characters");
  expect(await page.locator("li").count()).toBe(runs);
}

test("the built service worker is one script at the root, with no dynamic import", async () => {
  const script = await readFile(join(outDir, "service-worker.js"), "utf8");
  const { program, errors } = parseSync("service-worker.js", script);
  expect(errors).toEqual([]);
  expect(JSON.stringify(program)).not.toMatch(/"(ImportExpression|ImportDeclaration)"/);
});
