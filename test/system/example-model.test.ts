import { mkdir } from "node:fs/promises";
import { type Browser, chromium, type Page } from "playwright";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Message, replyTo, tasksIn } from "../../examples/model/model.ts";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";

const screenshots = "artifacts/example-model";
const question = "Should we ship on Friday?";

let server: ViteDevServer;
let browser: Browser;
let url: string;

beforeAll(async () => {
  server = await createServer({ configFile: "examples/model/vite.config.ts", server: { port: 0 }, logLevel: "error" });
  await server.listen();
  url = server.resolvedUrls?.local[0] ?? "";
  browser = await chromium.launch(await chromiumLaunchOptions());
  await mkdir(screenshots, { recursive: true });
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

/** The page in a browser profile of its own, and what it complained about. It notes what each frame shows of the first turn. */
async function openPage(): Promise<{ page: Page; complaints: readonly string[] }> {
  const context = await newContext(browser, { viewport: { width: 900, height: 760 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(globalThis, { seen });
    const look = () => {
      const text = document.querySelector("main > article > .turns > p")?.textContent ?? "";
      if (text !== "" && text !== seen.at(-1)) seen.push(text);
      requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.goto(url);
  return { page, complaints };
}

const firstTurn = (page: Page) => page.locator("main > article > .turns > p").first();
const seenBy = (page: Page) => page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
const ended = (page: Page, status: string) =>
  page.waitForSelector(`main > article[data-status="${status}"]`, { timeout: 40_000 });

const asked: Message = { from: "person", text: question };
const reply = replyTo([asked]);
const taskReplies = tasksIn(reply).map((text) => replyTo([{ from: "person", text }]));
const found = taskReplies.map((text): Message => ({ from: "task", text }));
const conclusion = replyTo([asked, { from: "model", text: reply }, ...found]);

test("a page that is reloaded in mid-stream shows what was said, and goes on behind it", async () => {
  const { page, complaints } = await openPage();
  await page.click("form button");
  await expect.poll(async () => (await firstTurn(page).textContent())?.length, { timeout: 20_000 }).toBeGreaterThan(60);
  const before = (await firstTurn(page).textContent()) ?? "";
  expect(before.length).toBeLessThan(reply.length);
  await page.screenshot({ path: `${screenshots}/1-streams.png` });
  await page.reload();
  await page.waitForSelector(".tasks article:nth-child(2) .turns p", { timeout: 20_000 });
  const after = await seenBy(page);
  expect(after[0]?.startsWith(before)).toBe(true);
  expect(after.filter((text) => !reply.startsWith(text))).toEqual([]);
  expect(after.map(({ length }) => length)).toEqual(after.map(({ length }) => length).toSorted((a, b) => a - b));
  expect(after.length).toBeGreaterThan(2);
  expect(after.at(-1)).toBe(reply);

  // Both tasks speak at the same time.
  await page.waitForSelector(".tasks article[data-status=running] ~ article[data-status=running]");
  await page.screenshot({ path: `${screenshots}/2-side-by-side.png` });
  await ended(page, "completed");
  await expect.poll(() => page.locator("main > article > .turns > p").allTextContents()).toEqual([reply, conclusion]);
  const texts = await page.locator(".tasks > article > .turns > p").allTextContents();
  expect(texts.toSorted()).toEqual(taskReplies.toSorted());
  expect(await page.locator(".tasks > article[data-status=completed]").count()).toBe(2);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 390, height: 800 });
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  await page.screenshot({ path: `${screenshots}/3-narrow-dark.png` });
  expect(complaints).toEqual([]);
});

test("Stop ends the run and its tasks, and what was said stays", async () => {
  const { page, complaints } = await openPage();
  await page.click("form button");
  await page.waitForSelector(".tasks article:nth-child(2) .turns p", { timeout: 20_000 });
  await page.locator("main > article > button").click();
  await ended(page, "canceled");
  await page.waitForSelector(".tasks article[data-status=canceled] ~ article[data-status=canceled]");
  const texts = () => page.locator(".turns p").allTextContents();
  const atStop = await texts();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(await texts()).toEqual(atStop);
  await page.reload();
  await expect.poll(async () => (await texts()).toSorted()).toEqual(atStop.toSorted());
  expect(await page.locator("article[data-status=canceled]").count()).toBe(3);
  await page.screenshot({ path: `${screenshots}/4-stopped.png` });
  expect(complaints).toEqual([]);
});
