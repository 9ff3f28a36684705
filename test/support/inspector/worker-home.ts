import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright";
import { startWorker } from "../../../scripts/local-worker.ts";
import { chromiumLaunchOptions } from "../chromium.ts";
import { migratedTo } from "../migrated.ts";
import { type InspectorHome, watchedContext } from "./home.ts";

export const adminKey = "key-of-the-inspector-tests";

/** The Worker on workerd, over D1. */
export interface WorkerHome extends InspectorHome {
  readonly url: string;
  readonly browser: Browser;
}

export async function workerHome(): Promise<WorkerHome> {
  const place = { persistTo: await mkdtemp(join(tmpdir(), "orca-durable-inspector-")), cwd: import.meta.dirname };
  await migratedTo(place.persistTo);
  const worker = await startWorker({ ...place, vars: { API_KEY: adminKey } });
  const browser = await chromium.launch(await chromiumLaunchOptions());
  const { context, expectNoFaults } = await watchedContext(browser, () => worker.url);
  return {
    url: worker.url,
    browser,
    async open(path = "/runs") {
      const page = await context.newPage();
      await page.goto(`${worker.url}/inspector#${path}`);
      await page.getByLabel("API key").fill(adminKey);
      await page.getByRole("button", { name: "Continue" }).click();
      await page.getByRole("button", { name: "Use another key" }).waitFor();
      return page;
    },
    async ask<T>(path: string, body?: unknown) {
      const response = await fetch(worker.url + path, {
        headers: { "x-api-key": adminKey },
        ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return (await response.json()) as T;
    },
    async close() {
      await browser.close();
      await worker.stop();
      await rm(place.persistTo, { recursive: true, force: true });
      expectNoFaults();
    },
  };
}
