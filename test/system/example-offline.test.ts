import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, chromium, type Page } from "playwright";
import { build, type PreviewServer, preview } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { chromiumLaunchOptions, patient } from "../support/chromium.ts";

const configFile = "examples/offline/vite.config.ts";
const screenshots = "artifacts/example-offline";

let outDir: string;
let profile: string;
let server: PreviewServer;
let url: string;
let context: BrowserContext;
let complaints: string[];

beforeAll(async () => {
  await mkdir(screenshots, { recursive: true });
  outDir = await mkdtemp(join(tmpdir(), "offline-site-"));
  await build({ configFile, logLevel: "error", build: { outDir, emptyOutDir: true } });
  server = await preview({ configFile, logLevel: "error", build: { outDir }, preview: { port: 0, strictPort: false } });
  url = server.resolvedUrls?.local[0] ?? "";
});

afterAll(async () => {
  await server?.close();
  await rm(outDir, { recursive: true, force: true });
});

beforeEach(async () => {
  profile = await mkdtemp(join(tmpdir(), "offline-profile-"));
  complaints = [];
  await openBrowser();
});

afterEach(async () => {
  await context.close();
  await rm(profile, { recursive: true, force: true });
  expect(complaints).toEqual([]);
});

/** A browser over the profile of this test: what it has stored outlives it. */
async function openBrowser(): Promise<void> {
  context = await chromium.launchPersistentContext(profile, {
    ...(await chromiumLaunchOptions()),
    viewport: { width: 1180, height: 900 },
    acceptDownloads: true,
  });
  patient(context);
}

/** A page of the site that its service worker controls. */
async function openPage(): Promise<Page> {
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(url);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  return page;
}

function step(page: Page, id: string, state: string) {
  return page.waitForSelector(`[data-step="${id}"][data-state="${state}"]`);
}

function status(page: Page, status: string) {
  return page.waitForSelector(`#run[data-status="${status}"]`);
}

async function pace(page: Page, ms: number): Promise<void> {
  await page.fill('input[name="paceMs"]', String(ms));
  await page.locator('input[name="paceMs"]').blur();
}

async function drop(page: Page, name: string, text: string): Promise<void> {
  const data = await page.evaluateHandle(
    ([name = "", text = ""]) => {
      const transfer = new DataTransfer();
      transfer.items.add(new File([text], name));
      return transfer;
    },
    [name, text],
  );
  await page.dispatchEvent("#drop", "drop", { dataTransfer: data });
}

const patience = { interval: 50 };

test("a dropped file is worked through, approved and written", async () => {
  const page = await openPage();
  await page.screenshot({ path: `${screenshots}/1-empty.png`, fullPage: true });
  await pace(page, 1_500);
  await drop(page, "fruit.csv", "fruit,kilos\napple,1\npear,2\napple,30\n");
  await step(page, "chart", "running");
  await page.screenshot({ path: `${screenshots}/2-running.png`, fullPage: true });
  await step(page, "approval", "your turn");
  await page.screenshot({ path: `${screenshots}/3-your-turn.png`, fullPage: true });
  await page.click("#approve");
  await status(page, "completed");
  const [download] = await Promise.all([page.waitForEvent("download"), page.click("#download")]);
  const report = await readFile(await download.path(), "utf8");
  expect(report).toContain("3 rows in 2 columns.");
  expect(report).toContain("**kilos**: 1 to 30, mean 11, median 2");
  expect(await page.textContent("#report")).toBe(report);
});

test("a file that cannot be read fails its run, and says where", async () => {
  const page = await openPage();
  await pace(page, 0);
  await drop(page, "broken.csv", 'a,b\n"never closed,1\n');
  await status(page, "failed");
  expect(await page.textContent(".sentence")).toMatch(/row 2: .*quot/i);
  // The console has it too. What a run failed of is said by the run alone, and not in place of what was done last.
  await expect.poll(() => complaints, patience).toEqual([expect.stringMatching(/quot/i)]);
  await drop(page, "long.txt", "x".repeat(5 * 1024 * 1024 + 1));
  const tooLong = "long.txt has 5242881 bytes; this page takes 5242880.";
  await expect.poll(() => page.locator(".error").allTextContents(), patience).toEqual([tooLong]);
  await drop(page, "broken too.csv", 'a,b\n"never closed,1\n');
  await expect.poll(() => complaints, patience).toHaveLength(3);
  await page.waitForSelector('#run[data-status="failed"] h2:has-text("broken too.csv")');
  await page.waitForTimeout(500);
  expect(await page.locator(".error").count()).toBe(0);
  complaints.length = 0;
});

test("a run goes on after a reload in the middle of a step", async () => {
  const page = await openPage();
  await pace(page, 4_000);
  await page.click("text=a chapter of a novel");
  await step(page, "phrases", "running");
  await page.reload();
  await step(page, "approval", "your turn");
  expect(await page.getAttribute("#run", "data-recoveries")).toBe("1");
  await page.screenshot({ path: `${screenshots}/4-reloaded.png`, fullPage: true });
});

test("a run goes on after its browser was killed", async () => {
  const page = await openPage();
  await pace(page, 1_500);
  await page.click("text=a month of a coffee bar");
  await step(page, "chart", "running");
  const closed = new Promise((resolve) => context.once("close", resolve));
  const session = await context.newCDPSession(page);
  await Promise.all([closed, session.send("Browser.crash").catch(() => {})]);
  await openBrowser();
  const again = await openPage();
  await step(again, "approval", "your turn");
  await again.click("#approve");
  await status(again, "completed");
});

test("a run goes on in another tab after its page was killed", async () => {
  const page = await openPage();
  const other = await openPage();
  await pace(page, 4_000);
  await page.click("text=a month of a coffee bar");
  await step(page, "chart", "running");
  const crashed = page.waitForEvent("crash");
  const session = await context.newCDPSession(page);
  session.send("Page.crash").catch(() => {});
  await crashed;
  await other.click(".runs button");
  await step(other, "approval", "your turn");
  expect(await other.getAttribute("#run", "data-recoveries")).toBe("1");
});

test("a second tab shows the run live, and takes it over when the first is gone", async () => {
  const first = await openPage();
  const second = await openPage();
  await pace(first, 2_500);
  await first.click("text=a chapter of a novel");
  await second.click(".runs button");
  await Promise.all([step(second, "statistics", "done"), step(first, "chart", "running")]);
  await first.close();
  await step(second, "approval", "your turn");
  await second.click("#approve");
  await status(second, "completed");
});

test("everything works without a network", async () => {
  const page = await openPage();
  await page.reload();
  await context.setOffline(true);
  await page.reload();
  await page.waitForSelector("#network:has-text('offline')");
  await pace(page, 100);
  await page.click("text=a chapter of a novel");
  await step(page, "approval", "your turn");
  await page.screenshot({ path: `${screenshots}/5-offline.png`, fullPage: true });
  await page.click("text=Look at this run in the inspector");
  await page.getByText("statistics").first().waitFor();
  await page.getByRole("button", { name: "Approve" }).first().waitFor();
  await page.screenshot({ path: `${screenshots}/6-inspector-offline.png`, fullPage: true });
  await page.goBack();
  await page.click("#approve");
  await status(page, "completed");
});

test("from an earlier checkpoint it is replayed, or forked with another setting and compared", async () => {
  const page = await openPage();
  await pace(page, 100);
  await page.click("text=a chapter of a novel");
  await page.click("#approve");
  await status(page, "completed");
  const written = await page.textContent("#download");
  const [original] = await page.$$eval("#run", (runs) => runs.map((run) => run.getAttribute("data-run")));

  await page.locator('[data-checkpoint="read"] button', { hasText: "Replay" }).click();
  await page.waitForSelector('[data-run^="replay_"]#run');
  await step(page, "read", "inherited");
  await page.click("#approve");
  await status(page, "completed");
  // What was written is not written again: the replay has the file of its source.
  expect(await page.textContent("#download")).toBe(written);

  await page.click(`.runs [data-run="${original}"]`);
  await page.waitForSelector(`#run[data-run="${original}"]`);
  await page.fill('input[name="phrases"]', "3");
  await page.locator('input[name="phrases"]').blur();
  await page.locator('[data-checkpoint="read"] button', { hasText: "Fork" }).click();
  await page.waitForSelector('[data-run^="fork_"]#run');
  await page.click("#approve");
  await status(page, "completed");
  expect(await page.textContent("#download")).not.toBe(written);
  const counts = await page.$$eval("#comparison svg", (charts) =>
    charts.map((chart) => chart.querySelectorAll("rect").length),
  );
  expect(counts).toEqual([8, 3]);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: `${screenshots}/7-compared-dark.png`, fullPage: true });
  await page.setViewportSize({ width: 390, height: 844 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  await page.screenshot({ path: `${screenshots}/8-narrow.png`, fullPage: true });
});

test("on a phone the page scrolls to its run, which can be canceled and deleted", async () => {
  const page = await openPage();
  await page.setViewportSize({ width: 390, height: 700 });
  await page.click("text=a month of a coffee bar");
  await status(page, "waiting_for_human");
  const top = () => page.locator("#run").evaluate((run) => run.getBoundingClientRect().top);
  await expect.poll(top).toBeLessThan(700);
  await page.click("#cancel");
  await status(page, "canceled");
  page.once("dialog", (dialog) => dialog.accept());
  await page.click("#delete");
  await page.getByText("No run yet.").waitFor();
  expect(await page.locator(".runs li").count()).toBe(0);
});
