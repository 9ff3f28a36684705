import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumLaunchOptions } from "../support/chromium.ts";
import { type LargeHome, largeHome } from "../support/inspector/large-home.ts";

// However much there is to show, few of its rows are in the page at a time.

const mostRows = 200;
const soon = { interval: 50 };

let home: LargeHome;
let browser: Browser;

beforeAll(async () => {
  home = await largeHome(10_000, 5_000);
  browser = await chromium.launch(await chromiumLaunchOptions());
}, 180_000);

afterAll(async () => {
  await browser?.close();
  await home?.close();
});

async function open(place: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce" });
  await page.goto(`${home.url}/inspector#${place}`);
  return page;
}

const rowCount = (page: Page) => page.locator("[data-row]").count();
const lastRow = (page: Page, grid: string) => page.getByRole("grid", { name: grid }).locator("[data-row]").last();

/** Scrolls to the end again and again, until nothing more is read, and tells the most rows that there ever were. */
async function scrollToTheEnd(page: Page, grid: string, isEnd: () => Promise<boolean>): Promise<number> {
  let most = 0;
  const patience = Date.now() + 100_000;
  while (!(await isEnd()) && Date.now() < patience) {
    await page.getByRole("grid", { name: grid }).evaluate((element) => {
      element.scrollTop = element.scrollHeight;
    });
    most = Math.max(most, await rowCount(page));
  }
  return most;
}

test("ten thousand runs are scrolled to the last", async () => {
  const page = await open("/runs");
  await page.getByText("run-009999").waitFor();
  const most = await scrollToTheEnd(page, "Runs", () => page.getByText("10,000 runs", { exact: true }).isVisible());
  await page.getByRole("grid", { name: "Runs" }).focus();
  await page.keyboard.press("End");
  await expect.poll(() => lastRow(page, "Runs").textContent(), soon).toContain(home.longRun);
  expect(Math.max(most, await rowCount(page))).toBeLessThanOrEqual(mostRows);
  await page.close();
});

test("a run in the middle of ten thousand is found by its id, though it was never read", async () => {
  const page = await open("/runs");
  await page.getByText("run-009999").waitFor();
  await page.getByRole("searchbox").fill("run-004321");
  await page.locator("[data-row]").filter({ hasText: "run-004321" }).waitFor();
  await page.close();
});

test("a run of five thousand steps, in its timeline, its events and its state", async () => {
  const page = await open(`/runs/${home.longRun}`);
  await page.getByText("5,000 steps").waitFor();
  const atLeast = await rowCount(page);
  expect(atLeast).toBeGreaterThan(10);
  expect(atLeast).toBeLessThanOrEqual(mostRows);
  await page.getByRole("grid", { name: "Steps" }).focus();
  await page.keyboard.press("End");
  await expect.poll(() => lastRow(page, "Steps").textContent(), soon).toContain("step 4999");
  expect(await rowCount(page)).toBeLessThanOrEqual(mostRows);
  // The axis is of the steps in view, so that their bars can be distinguished.
  const bar = await lastRow(page, "Steps").locator(".bar").boundingBox();
  expect(bar?.width).toBeGreaterThanOrEqual(4);

  await page.getByRole("treeitem").filter({ hasText: "step_results" }).click();
  await page.getByRole("tree").focus();
  await page.keyboard.press("End");
  expect(await rowCount(page)).toBeLessThanOrEqual(mostRows);

  await page.getByRole("tab", { name: "Events" }).click();
  await page.getByRole("grid", { name: "Events" }).focus();
  await page.keyboard.press("End");
  await expect.poll(() => lastRow(page, "Events").textContent(), soon).toMatch(/run\.completed|checkpoint\.saved/);
  expect(await rowCount(page)).toBeLessThanOrEqual(mostRows);
  expect(await page.locator("*").count()).toBeLessThan(3_000);
  await page.close();
});
