import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium, type Page } from "playwright";
import { createServer } from "vite";
import { describe, expect, test } from "vitest";
import { startWorker } from "../../scripts/local-worker.ts";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";

const folder = "examples/cloudflare-workflow";
const result = { item: "kettle", paid: "4200 EUR", reference: "p-17", parcel: { shelf: 6, attempts: 2 } };

test("what is ours: a refund asks its manager, pays once, and does not repeat its mail unasked", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "refund.ts")]);
  expect(JSON.parse(stdout)).toEqual({
    result: { approver: "bob", receipt: "receipt 1" },
    replay: { status: "waiting_for_human", asks: "tell" },
    paid: 1,
    mails: ["ada: You get 4200 cents back."],
  });
});

const undone = ["car: undefined", "hotel: hotel in Oslo", "flight 1, attempt 1: flight to Oslo, since no car is left"];

/** Plays on a page of the example, which has no errors. */
async function inPage(path: string, play: (page: Page) => Promise<void>): Promise<void> {
  const server = await createServer({ root: folder, server: { port: 0, hmr: false, watch: null }, logLevel: "error" });
  await server.listen();
  const browser = await chromium.launch(await chromiumLaunchOptions());
  try {
    const page = await (await newContext(browser)).newPage();
    const complaints: string[] = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`${server.resolvedUrls?.local[0] ?? ""}${path}`);
    await play(page);
    expect(complaints).toEqual([]);
  } finally {
    await browser.close();
    await server.close();
  }
}

/** What a trip undoes that is canceled before its car. */
const canceledTrip = ["hotel: hotel in Rome", expect.stringMatching(/^flight 1, attempt 1: flight to Rome, since /)];

describe("a function with rollbacks, typed by Cloudflare, undoes the same in the same order", () => {
  test("in Node over memory", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "trip-node.ts")]);
    expect(JSON.parse(stdout)).toEqual([
      { status: "failed", error: "no car is left", undone },
      { status: "canceled", undone: canceledTrip },
    ]);
  });

  test("in a page over IndexedDB", async () => {
    await inPage("trip.html", async (page) => {
      await page.waitForSelector('output:text("failed")');
      const shown = JSON.parse((await page.textContent("output")) ?? "");
      expect(shown).toEqual({ status: "failed", error: "no car is left", undone });
    });
  });

  test("on Cloudflare's own Workflows, in the local emulator", async () => {
    const persistTo = await mkdtemp(join(tmpdir(), "workflow-"));
    const worker = await startWorker({ cwd: folder, persistTo });
    try {
      const trip = JSON.stringify({ city: "Oslo" });
      const { id } = (await (await fetch(`${worker.url}/trips/`, { method: "POST", body: trip })).json()) as {
        id: string;
      };
      await expect
        .poll(async () => (await fetch(`${worker.url}/trips/${id}`)).json(), { interval: 200, timeout: 20_000 })
        .toMatchObject({ status: "errored", error: "no car is left", undone });
      const waiting = JSON.stringify({ city: "Rome", waits: true });
      const { id: other } = (await (await fetch(`${worker.url}/trips/`, { method: "POST", body: waiting })).json()) as {
        id: string;
      };
      const tripUrl = `${worker.url}/trips/${other}`;
      await expect
        .poll(async () => (await fetch(tripUrl)).json(), { interval: 200, timeout: 20_000 })
        .toMatchObject({ postcards: ["Oslo", "Rome"] });
      await fetch(tripUrl, { method: "DELETE" }).catch(() => undefined);
      await expect
        .poll(async () => (await fetch(tripUrl)).json(), { interval: 200, timeout: 20_000 })
        .toMatchObject({ status: "terminated", undone: [...undone, ...canceledTrip] });
    } finally {
      await worker.stop();
      await rm(persistTo, { recursive: true, force: true });
    }
  });
});

describe("one function, typed by Cloudflare, gives the same", () => {
  test("in Node over memory", async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(folder, "node.ts")]);
    expect(JSON.parse(stdout)).toEqual({ status: "completed", result });
  });

  test("in a page over IndexedDB, reloaded while it waits and while it sleeps", async () => {
    await inPage("", async (page) => {
      await page.click("#start");
      await page.waitForSelector('output:text("waiting_for_signal")');
      await page.reload();
      await page.waitForSelector('output:text("waiting_for_signal")');
      await page.click("#pay");
      await page.waitForSelector('output:text("running")');
      await page.reload();
      await page.waitForSelector('output:text("completed")');
      expect(JSON.parse((await page.textContent("output")) ?? "")).toEqual({ status: "completed", result });
    });
  });

  test("on Cloudflare's own Workflows, in the local emulator", async () => {
    const persistTo = await mkdtemp(join(tmpdir(), "workflow-"));
    const worker = await startWorker({ cwd: folder, persistTo });
    const post = async (path: string, body: unknown) =>
      (await fetch(`${worker.url}/${path}`, { method: "POST", body: JSON.stringify(body) })).json();
    try {
      const { id } = (await post("", { item: "kettle", cents: 4_200 })) as { id: string };
      await post(id, { reference: "p-17" });
      await expect
        .poll(async () => (await fetch(`${worker.url}/${id}`)).json(), { interval: 200 })
        .toMatchObject({ status: "complete", output: result });
    } finally {
      await worker.stop();
      await rm(persistTo, { recursive: true, force: true });
    }
  });
});
