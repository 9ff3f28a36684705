import { mkdirSync, readFileSync } from "node:fs";
import type { AxeResults } from "axe-core";
import type { BrowserContextOptions, Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newContext } from "../support/chromium.ts";
import { finishedReport, startRun, until } from "../support/inspector/home.ts";
import { adminKey, type WorkerHome, workerHome } from "../support/inspector/worker-home.ts";

// How it looks: written to artifacts/ to be looked at, and held to what axe can tell.

const axe = readFileSync("node_modules/axe-core/axe.min.js", "utf8");
const runId = "weekly-47";

let home: WorkerHome;

beforeAll(async () => {
  mkdirSync("artifacts", { recursive: true });
  home = await workerHome();
  for (const skill of ["order.ship", "catalog.import", "order.ship", "report.weekly"]) await startRun(home, skill);
  await finishedReport(home, runId, 300);
  const { checkpoints } = await home.ask<{ checkpoints: readonly { checkpoint_id: string }[] }>(
    `/v1/runs/${runId}/checkpoints`,
  );
  const at = checkpoints[1]?.checkpoint_id;
  await home.ask(`/v1/runs/${runId}/replay`, { run_id: "weekly-47-again", checkpoint_id: at });
  const edit = { inputs: { week: 47, title: "Shorter", pace_ms: 20, to: "desk@example.com" } };
  await home.ask(`/v1/runs/${runId}/fork`, { run_id: "weekly-47-shorter", checkpoint_id: at, edit });
  await home.ask("/v1/runs/weekly-47-shorter/fork", { run_id: "weekly-47-third" });
  await home.ask("/v1/runs/weekly-47-shorter/resume", {});
  await until(home, "weekly-47-shorter", ({ status }) => status === "waiting_for_human");
  await until(home, "weekly-47-again", ({ status }) => status === "completed");
});

afterAll(() => home?.close());

const screens: Readonly<Record<string, BrowserContextOptions>> = {
  light: { viewport: { width: 1360, height: 860 }, colorScheme: "light" },
  dark: { viewport: { width: 1360, height: 860 }, colorScheme: "dark" },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
};

async function expectAccessible(page: Page): Promise<void> {
  // A dialog that is fading in has other colors for a moment.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
  );
  const grave = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
  expect(
    grave.map(({ id, nodes }) => [id, nodes.map(({ target, failureSummary }) => [target, failureSummary])]),
  ).toEqual([]);
}

describe.each(Object.entries(screens))("on a screen that is %s", (name, options) => {
  let page: Page;
  const shoot = async (view: string) => {
    await page.screenshot({ path: `artifacts/inspector-${view}-${name}.png` });
    await expectAccessible(page);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    expect(overflow).toBeLessThanOrEqual(0);
  };
  const go = (place: string) => page.goto(`${home.url}/inspector#${place}`);

  beforeAll(async () => {
    const context = await newContext(home.browser, { reducedMotion: "reduce", ...options });
    page = await context.newPage();
    await go("/runs");
  });

  afterAll(() => page?.context().close());

  test("it asks for a key", async () => {
    await page.getByLabel("API key").waitFor();
    await shoot("key");
    await page.getByLabel("API key").fill(adminKey);
    await page.keyboard.press("Enter");
  });

  test("it shows the runs", async () => {
    await page.getByText("weekly-47-again").waitFor();
    await shoot("runs");
  });

  test("it shows a run with parallel steps, and what one of them changed", async () => {
    await go(`/runs/${runId}`);
    await page.getByRole("row").filter({ hasText: "sales" }).locator(".bar").click();
    await page.getByRole("heading", { name: "Step completed sales" }).waitFor();
    await page.getByRole("treeitem").filter({ hasText: "step_results" }).waitFor();
    await shoot("run");
    await page.getByRole("tab", { name: "Changes" }).click();
    await page.getByText("Harbour lamp").first().waitFor();
    await shoot("diff");
    await page.getByRole("tab", { name: "About" }).click();
    await page.getByText("checkpoint://").waitFor();
    await expectAccessible(page);
  });

  test("it asks what a fork should change", async () => {
    await page.getByRole("button", { name: "Fork" }).click();
    await page.getByRole("dialog").getByLabel("Inputs").waitFor();
    await shoot("fork");
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "detached" });
  });

  test("it shows events, and the lineage", async () => {
    await page.getByRole("tab", { name: "Events" }).click();
    await page.getByText("run.started").waitFor();
    await shoot("events");
    await page.getByRole("tab", { name: "Lineage" }).click();
    await page.getByRole("link", { name: "weekly-47-third" }).waitFor();
    await shoot("lineage");
  });

  test("it asks a person for approval", async () => {
    await go("/runs/weekly-47-shorter");
    await page.getByRole("button", { name: "Approve" }).waitFor();
    await page.getByRole("row").filter({ hasText: "compose" }).locator(".bar").waitFor();
    await shoot("approval");
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByRole("dialog").getByText("This cannot be undone").waitFor();
    await shoot("delete");
    await page.keyboard.press("Escape");
  });
});
