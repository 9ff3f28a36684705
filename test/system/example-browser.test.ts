import { mkdir } from "node:fs/promises";
import { type Browser, chromium, type Page } from "playwright";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";

const screenshots = "artifacts/example-browser";

let server: ViteDevServer;
let browser: Browser;
let url: string;

beforeAll(async () => {
  server = await createServer({ root: "examples/browser", server: { port: 0 }, logLevel: "error" });
  await server.listen();
  url = server.resolvedUrls?.local[0] ?? "";
  browser = await chromium.launch(await chromiumLaunchOptions());
  await mkdir(screenshots, { recursive: true });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** The page in a browser profile of its own, and what it complained about. */
async function openPage(): Promise<{ page: Page; complaints: readonly string[] }> {
  const page = await (await newContext(browser, { viewport: { width: 1180, height: 900 } })).newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(url);
  return { page, complaints };
}

function step(page: Page, id: string, state: string) {
  return page.waitForSelector(`[data-step="${id}"][data-state="${state}"]`);
}

function executions(page: Page): Promise<Record<string, number>> {
  return page.$$eval("[data-step]", (items) =>
    Object.fromEntries(
      items.map((item) => [item.getAttribute("data-step"), Number(item.getAttribute("data-executions"))]),
    ),
  );
}

const once = { clean: 1, statistics: 1, phrases: 1, compose: 1, publish: 1 };

test("a run goes on after the page was reloaded in the middle of a step", async () => {
  const { page, complaints } = await openPage();
  await page.screenshot({ path: `${screenshots}/1-empty.png`, fullPage: true });
  await page.click("#start:enabled");
  await step(page, "score", "executing");
  // At once, while the step takes its time: a picture could take longer.
  await page.reload();

  // At one look: soon after it the page takes the step up again, and shows one call more. If its loading took longer than the
  // lease, it does so before it shows anything.
  const cutOff = await page.waitForFunction(() => {
    const state = document.querySelector('[data-step="score"]')?.getAttribute("data-state");
    if (state !== "cut off" && state !== "executing") return undefined;
    const items = [...document.querySelectorAll("[data-step]")];
    return Object.fromEntries([
      ...items.map((item) => [item.getAttribute("data-step"), Number(item.getAttribute("data-executions"))]),
      ["state", state],
    ]);
  });
  const shown = await cutOff.jsonValue();
  const calls = { read: 2, clean: 1, statistics: 1, phrases: 1, compose: 0 };
  expect(shown).toMatchObject({ ...calls, score: shown?.state === "cut off" ? 1 : 2 });
  await page.screenshot({ path: `${screenshots}/2-reloaded.png`, fullPage: true });

  await step(page, "publish", "your turn");
  await page.screenshot({ path: `${screenshots}/3-waiting.png`, fullPage: true });
  await page.click("#approve:visible");
  await page.waitForSelector('#state[data-status="completed"]');
  expect(await executions(page)).toEqual({ ...once, read: 2, score: 2 });
  expect(await page.textContent("#report")).toContain("alice (18)");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${screenshots}/4-completed-dark.png`, fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width).toBe(390);
  await page.screenshot({ path: `${screenshots}/5-completed-narrow.png`, fullPage: true });
  expect(complaints).toEqual([]);
});

test("a run that waits for a person is still there in another page, and can be approved there", async () => {
  const { page, complaints } = await openPage();
  await page.click("#start:enabled");
  await step(page, "publish", "your turn");
  await page.close();

  const other = await page.context().newPage();
  await other.goto(url);
  await step(other, "publish", "your turn");
  await other.click("#approve:visible");
  await other.waitForSelector('#state[data-status="completed"]');
  expect(await executions(other)).toEqual({ ...once, read: 2, score: 1 });
  expect(complaints).toEqual([]);
});
