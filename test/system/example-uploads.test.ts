import { mkdir } from "node:fs/promises";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";

const screenshots = "artifacts/example-uploads";

let server: ViteDevServer;
let browser: Browser;
let url: string;

beforeAll(async () => {
  server = await createServer({
    configFile: "examples/uploads/vite.config.ts",
    server: { port: 0 },
    logLevel: "error",
  });
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
async function openPage(): Promise<{ page: Page; context: BrowserContext; complaints: readonly string[] }> {
  const context = await newContext(browser, { viewport: { width: 900, height: 640 } });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await page.goto(url);
  return { page, context, complaints };
}

const add = (page: Page, ...files: readonly (readonly [name: string, text: string])[]) =>
  page.setInputFiles(
    "input[type=file]",
    files.map(([name, text]) => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) })),
  );
const row = (page: Page, name: string, status: string) =>
  page.waitForSelector(`[data-name="${name}"][data-status="${status}"]`);
const received = async () =>
  (await (await fetch(`${url}uploads/`)).json()) as { readonly files: Record<string, string> };

test("a file is sent once it is approved, and one that is discarded is not", async () => {
  const { page, complaints } = await openPage();
  await add(page, ["a.txt", "first"], ["b.txt", "second"]);
  await row(page, "a.txt", "waiting_for_human");
  await row(page, "b.txt", "waiting_for_human");
  await page.screenshot({ path: `${screenshots}/1-your-turn.png` });
  await page.click('[data-name="b.txt"] >> text=Discard');
  await row(page, "b.txt", "canceled");
  await page.click('[data-name="a.txt"] >> text=Send');
  await row(page, "a.txt", "completed");
  const { files } = await received();
  expect([files["a.txt"], files["b.txt"]]).toEqual(["first", undefined]);
  expect(complaints).toEqual([]);
});

test("what is approved without a network is sent once there is one, and each file once", async () => {
  const { page, context } = await openPage();
  await context.setOffline(true);
  await add(page, ["c.txt", "third"], ["d.txt", "fourth"]);
  await page.click('[data-name="c.txt"] >> text=Send');
  await page.click('[data-name="d.txt"] >> text=Send');
  await page.waitForSelector('[data-name="c.txt"] >> text=waits for the network');
  await page.screenshot({ path: `${screenshots}/2-offline.png` });
  expect((await received()).files["c.txt"]).toBeUndefined();
  await context.setOffline(false);
  await row(page, "c.txt", "completed");
  await row(page, "d.txt", "completed");
  expect((await received()).files).toMatchObject({ "c.txt": "third", "d.txt": "fourth" });
});

test("the queue is there after a reload, and goes on in another tab", async () => {
  const { page, context } = await openPage();
  await add(page, ["e.txt", "fifth"], ["f.txt", "sixth"]);
  await row(page, "e.txt", "waiting_for_human");
  await row(page, "f.txt", "waiting_for_human");
  await page.reload();
  await row(page, "e.txt", "waiting_for_human");
  const other = await context.newPage();
  await other.goto(url);
  await other.click('[data-name="e.txt"] >> text=Send');
  await row(page, "e.txt", "completed");
  await page.close();
  await other.click('[data-name="f.txt"] >> text=Send');
  await row(other, "f.txt", "completed");
  await other.emulateMedia({ colorScheme: "dark" });
  await other.setViewportSize({ width: 390, height: 700 });
  expect(await other.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  await other.screenshot({ path: `${screenshots}/3-narrow-dark.png` });
  expect((await received()).files).toMatchObject({ "e.txt": "fifth", "f.txt": "sixth" });
});
