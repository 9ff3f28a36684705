import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bundled } from "../support/bundled.ts";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";

// Real pages of one origin, in one browser, over one IndexedDB.

const html = `<!doctype html><meta charset="utf-8"><title>An executor</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`;

let server: Server;
let url: string;
/** Calls that the server leaves without an answer: a page that makes one synchronously is blocked. */
const unanswered: ServerResponse[] = [];
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  const script = await bundled("test/support/presence/page.ts", "esm");
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://site.test");
    if (pathname === "/block") return void unanswered.push(response);
    const [type, text] = pathname === "/page.js" ? ["text/javascript", script] : ["text/html", html];
    response.writeHead(200, { "content-type": type }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  browser = await chromium.launch(await chromiumLaunchOptions());
});

afterAll(async () => {
  await browser?.close();
  server?.close();
  server?.closeAllConnections();
});

// With a storage of its own.
beforeEach(async () => {
  context = await newContext(browser);
});

afterEach(async () => {
  await context.close();
});

interface PageOptions {
  readonly serves?: "no";
  readonly presence?: "no";
  readonly leaseMs?: number;
}

async function open(name: string, options: PageOptions = {}): Promise<Page> {
  const page = await context.newPage();
  const query = new URLSearchParams({ name, ...JSON.parse(JSON.stringify(options)) });
  await page.goto(`${url}?${query}`);
  await page.waitForFunction(() => window.executor !== undefined);
  return page;
}

const start = (page: Page) => page.evaluate(() => window.executor.start());
const events = (page: Page, runId: string) => page.evaluate((runId) => window.executor.events(runId), runId);
const steps = (page: Page, runId: string) => page.evaluate((runId) => window.executor.steps(runId), runId);
const run = (page: Page, runId: string) => page.evaluate((runId) => window.executor.get(runId), runId);
/** The names of the pages in which the run's held step was called, in order. */
const calls = (page: Page, runId: string) => page.evaluate((runId) => window.executor.calls(runId), runId);
const go = (page: Page) => page.evaluate(() => localStorage.setItem("go", "now"));

/** No lease of an hour lapses meanwhile. */
const patience = { interval: 50 };
const hour = 3_600_000;

const called = (page: Page, runId: string, names: readonly string[]) =>
  expect.poll(() => calls(page, runId), patience).toEqual(names);
const ends = (page: Page, runId: string, by: string) =>
  expect.poll(() => run(page, runId), patience).toEqual({ status: "completed", result: { by } });

describe("two pages that serve one tenant", () => {
  test("race for one due run 200 times, and one of them executes it each time", { timeout: 600_000 }, async () => {
    const [a, b, clerk] = [await open("a"), await open("b"), await open("clerk", { serves: "no" })];
    await go(clerk);
    const ids: string[] = [];
    for (let round = 0; round < 200; round++) {
      const runId = await start(clerk);
      ids.push(runId);
      await expect.poll(() => run(clerk, runId), { ...patience, interval: 5 }).toMatchObject({ status: "completed" });
    }
    for (const runId of ids) {
      expect(await calls(clerk, runId)).toHaveLength(1);
      const log = await events(clerk, runId);
      expect(log.filter((type) => type === "step.completed")).toHaveLength(3);
      expect(log).not.toContain("run.recovered");
    }
    expect([a.isClosed(), b.isClosed()]).toEqual([false, false]);
  });

  test.each(["close", "crash", "leave"] as const)(
    "hand over at once when the one that executes dies: %s",
    async (way) => {
      const [winner, other] = [await open("winner", { leaseMs: hour }), await open("other", { leaseMs: hour })];
      const runId = await start(winner);
      await called(other, runId, ["winner"]);
      // The other one has seen it and leaves it alone.
      await other.waitForTimeout(1_500);
      expect(await calls(other, runId)).toEqual(["winner"]);
      switch (way) {
        case "close":
          await winner.close();
          break;
        case "crash": {
          const crashed = winner.waitForEvent("crash");
          const session = await context.newCDPSession(winner);
          session.send("Page.crash").catch(() => undefined);
          await crashed;
          break;
        }
        case "leave":
          await winner.goto("about:blank");
      }
      await called(other, runId, ["winner", "other"]);
      await go(other);
      await ends(other, runId, "other");
      const log = await events(other, runId);
      expect(log.filter((type) => type === "run.recovered")).toHaveLength(1);
      expect(log.filter((type) => type === "step.completed")).toHaveLength(3);
    },
  );

  test("hand over among three: one of the two that are left takes it", async () => {
    const options = { leaseMs: hour };
    const [winner, b, c] = [await open("winner", options), await open("b", options), await open("c", options)];
    const runId = await start(winner);
    await called(b, runId, ["winner"]);
    await winner.close();
    await expect.poll(() => calls(b, runId), patience).toHaveLength(2);
    await go(b);
    await expect.poll(() => run(c, runId), patience).toMatchObject({ status: "completed" });
    const [, heir] = await calls(c, runId);
    expect(await run(c, runId)).toEqual({ status: "completed", result: { by: heir } });
    expect(await calls(c, runId)).toHaveLength(2);
  });

  test("hand over at once while the thread of a third one is blocked, which asked first", async () => {
    const options = { leaseMs: hour };
    const [dying, blocked] = [await open("dying", options), await open("blocked", options)];
    const runId = await start(dying);
    await called(blocked, runId, ["dying"]);
    const asks = () => blocked.evaluate(async () => (await navigator.locks.query()).pending?.length);
    await expect.poll(asks, patience).toBe(1);
    const heir = await open("heir", options);
    const bothAsk = () => heir.evaluate(async () => (await navigator.locks.query()).pending?.length);
    await expect.poll(bothAsk, patience).toBe(2);
    const isBlocked = blocked.evaluate(() => {
      const call = new XMLHttpRequest();
      call.open("POST", "/block", false);
      call.send();
    });
    await expect.poll(() => unanswered, patience).toHaveLength(1);
    await dying.close();
    await called(heir, runId, ["dying", "heir"]);
    await go(heir);
    await ends(heir, runId, "heir");
    unanswered.pop()?.end();
    await isBlocked;
  });

  test("a page that is reloaded takes up its own run again at once", async () => {
    const page = await open("page", { leaseMs: hour });
    const runId = await start(page);
    await called(page, runId, ["page"]);
    await page.reload();
    await called(page, runId, ["page", "page"]);
    await go(page);
    await ends(page, runId, "page");
  });

  test("a page that opens later takes what a dead one left, on load", async () => {
    const first = await open("first", { leaseMs: hour });
    const runId = await start(first);
    await called(first, runId, ["first"]);
    await first.close();
    const later = await open("later", { leaseMs: hour });
    await called(later, runId, ["first", "later"]);
    await go(later);
    await ends(later, runId, "later");
  });

  test("a page that stands still keeps its lock, and loses its run when the lease lapses", async () => {
    // Longer than a busy machine stands still before the page does.
    const leaseMs = 8_000;
    const [still, other] = [await open("still", { leaseMs }), await open("other", { leaseMs })];
    const runId = await start(still);
    await called(other, runId, ["still"]);
    // A headless browser freezes no page; a debugger stops all of its scripts as well.
    const session = await context.newCDPSession(still);
    await session.send("Debugger.enable");
    await session.send("Debugger.pause");
    await called(other, runId, ["still", "other"]);
    // It is not dead, and the lease was all that was left to wait for.
    expect(await other.evaluate(async () => (await navigator.locks.query()).held?.length)).toBe(2);
    await go(other);
    await ends(other, runId, "other");
    const before = await events(other, runId);
    expect(before.filter((type) => type === "step.completed")).toHaveLength(3);
    await session.send("Debugger.resume");
    await still.waitForTimeout(1_000);
    expect(await events(other, runId)).toEqual(before);
    expect(await run(still, runId)).toEqual({ status: "completed", result: { by: "other" } });
    // Back again, and without a lease, it calls nothing of the run.
    expect(await steps(other, runId)).toEqual(["before in still", "held in still", "held in other", "after in other"]);
  });

  test("a page that stands still between two looks takes what is due when it goes on, and each step is called once", async () => {
    const leaseMs = 3_000;
    const [still, clerk] = [await open("still", { leaseMs }), await open("clerk", { serves: "no" })];
    const session = await context.newCDPSession(still);
    await session.send("Debugger.enable");
    await session.send("Debugger.pause");
    const runId = await start(clerk);
    await go(clerk);
    await clerk.waitForTimeout(leaseMs + 500);
    expect(await steps(clerk, runId)).toEqual([]);
    await session.send("Debugger.resume");
    await ends(clerk, runId, "still");
    expect(await steps(clerk, runId)).toEqual(["before in still", "held in still", "after in still"]);
  });

  test("without Web Locks a dead page's run is taken when its lease lapses", async () => {
    const options = { presence: "no", leaseMs: 8_000 } as const;
    const [winner, other] = [await open("winner", options), await open("other", options)];
    const runId = await start(winner);
    await called(other, runId, ["winner"]);
    await winner.close();
    await called(other, runId, ["winner", "other"]);
    await go(other);
    await ends(other, runId, "other");
  });
});

describe("a page that executes nothing", () => {
  test("hears of every event through the BroadcastChannel, without looking for them", async () => {
    const [home, watcher] = [await open("home"), await open("watcher", { serves: "no" })];
    const runId = await start(home);
    await called(watcher, runId, ["home"]);
    const seen = watcher.evaluate((runId) => window.executor.watch(runId), runId);
    await watcher.waitForTimeout(300);
    await go(home);
    expect(await seen).toEqual(await events(home, runId));
  });
});

describe("a page that is left and returned to, where the browser keeps pages for that", () => {
  test("loses its run at once, calls nothing more of it, and executes again when it is back", async () => {
    const options = await chromiumLaunchOptions();
    const keeping = await chromium.launch({ ...options, ignoreDefaultArgs: ["--disable-back-forward-cache"] });
    const outer = context;
    try {
      context = await newContext(keeping);
      const [left, other] = [await open("left", { leaseMs: hour }), await open("other", { leaseMs: hour })];
      const runId = await start(left);
      await called(other, runId, ["left"]);
      await left.goto(`${url}page.js`);
      await called(other, runId, ["left", "other"]);
      await left.goBack();
      await left.waitForFunction(() => window.executor !== undefined);
      await go(other);
      await ends(other, runId, "other");
      await left.waitForTimeout(1_000);
      expect(await steps(other, runId)).toEqual(["before in left", "held in left", "held in other", "after in other"]);
      await other.close();
      const next = await start(left);
      await ends(left, next, "left");
    } finally {
      context = outer;
      await keeping.close();
    }
  });
});
