import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright";
import sharp from "sharp";
import { build, preview } from "vite";
import { wholeChromiumLaunchOptions } from "../test/support/chromium.ts";

// The pictures of the docs, taken of the real pages. The offline example includes the inspector.

const images = fileURLToPath(new URL("../docs/images", import.meta.url));
const configFile = fileURLToPath(new URL("../examples/offline/vite.config.ts", import.meta.url));

const outDir = await mkdtemp(join(tmpdir(), "screenshots-"));
await build({ configFile, logLevel: "error", build: { outDir, emptyOutDir: true } });
const server = await preview({ configFile, logLevel: "error", build: { outDir }, preview: { port: 0 } });
const browser = await chromium.launch(await wholeChromiumLaunchOptions());
try {
  const context = await browser.newContext({ viewport: { width: 1200, height: 760 }, deviceScaleFactor: 1 });
  await take(context, server.resolvedUrls?.local[0] ?? "");
} finally {
  await browser.close();
  await server.close();
  await rm(outDir, { recursive: true, force: true });
}

async function take(context: BrowserContext, url: string): Promise<void> {
  const page = await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
  await page.click("text=a month of a coffee bar");
  await page.waitForSelector("#approve");
  await shoot(page, "offline");

  await page.click("#approve");
  await page.waitForSelector('#run[data-status="completed"]');
  await page.fill('input[name="phrases"]', "4");
  await page.locator('input[name="phrases"]').blur();
  await page.locator('[data-checkpoint="read"] button', { hasText: "Fork" }).click();
  await page.waitForSelector('[data-run^="fork_"]#run');
  await page.waitForSelector("#approve");
  await page.click("text=Look at this run in the inspector");
  await page.getByRole("button", { name: "Approve" }).first().waitFor();
  await page.getByRole("tab", { name: "Changes" }).click();
  await shoot(page, "inspector");
}

async function shoot(page: Page, name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready);
  const picture = sharp(await page.screenshot());
  // With a palette it takes two fifths of the bytes, and the package holds the pictures.
  await picture.png({ palette: true, effort: 10 }).toFile(join(images, `${name}.png`));
}
