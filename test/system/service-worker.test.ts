import { type Browser, type BrowserContext, chromium, type Page } from "playwright";
import { parseSync } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";
import { openPage, type PageSettings, type Site, startSite } from "../support/service-worker/site.ts";
import type { WorkerSettings } from "../support/service-worker/worker.ts";

// A real service worker and real pages of one site, in one browser, over one IndexedDB. A page that serves executes; any other
// is a client and no more.

let site: Site;
let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  browser = await chromium.launch(await chromiumLaunchOptions());
});

afterAll(() => browser?.close());

// With a storage of its own, and so a service worker of its own.
beforeEach(async () => {
  site = await startSite();
  context = await newContext(browser);
});

afterEach(async () => {
  await context.close();
  await site.stop();
});

const open = (name: string, settings: Omit<PageSettings, "name"> = {}) =>
  openPage(context, site, { name, ...settings });
const openExecuting = (name: string, worker: WorkerSettings = {}) => open(name, { serves: "yes", worker });

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the service answers; the tests say what they expect.
  readonly body: any;
}

/** Calls the service by `fetch` in the page. */
function call(page: Page, method: string, path: string, body?: object): Promise<Answer> {
  return page.evaluate(
    async ([method, path, body]) => {
      const response = await fetch(path, { method, ...(body === null ? {} : { body: JSON.stringify(body) }) });
      return { status: response.status, body: await response.json() };
    },
    [method, path, body ?? null] as const,
  );
}

async function start(page: Page, skillId: string, inputs: object = {}): Promise<string> {
  const { status, body } = await call(page, "POST", "/v1/runs", { skill_id: skillId, inputs });
  expect([status, body.status], JSON.stringify(body)).toEqual([201, "running"]);
  return body.run_id;
}

const look = (page: Page, runId: string) => page.evaluate((runId) => window.site.look(runId), runId);
const callers = (page: Page, runId: string) => page.evaluate((runId) => window.site.callers(runId), runId);
const openLatch = (page: Page, latch: string) => page.evaluate((latch) => window.site.openLatch(latch), latch);

const patience = { interval: 50 };
const hour = 3_600_000;

const reaches = (page: Page, runId: string, expected: object) =>
  expect.poll(() => look(page, runId), patience).toMatchObject(expected);
const called = (page: Page, runId: string, names: readonly string[]) =>
  expect.poll(() => callers(page, runId), patience).toEqual(names);
const endsBy = (page: Page, runId: string, by: string) => reaches(page, runId, { status: "completed", result: { by } });
const count = (events: readonly string[], type: string) => events.filter((event) => event === type).length;

async function stopServiceWorkers(page: Page): Promise<void> {
  const session = await context.newCDPSession(page);
  await session.send("ServiceWorker.enable");
  await session.send("ServiceWorker.stopAllWorkers");
  await session.detach();
}

describe("what the service worker answers", () => {
  test("the service's own paths; all others reach the network untouched", async () => {
    const page = await open("client");
    const asked = async (path: string, init: { method?: string; body?: string } = {}) =>
      page.evaluate(async ([path, init]) => (await fetch(path, init)).text(), [path, init] as const);
    const others = [
      "/hello.txt",
      "/v2/runs",
      "/v1x",
      "/runs/v1/runs",
      "/reference.html",
      "/v1/login",
      "/v1/",
      "/inspector",
    ];
    for (const path of others) {
      expect(await asked(path)).toBe(`the network, GET ${path}`);
    }
    for (const path of ["/form", "/v1/login"]) {
      expect(await asked(path, { method: "POST", body: "x" })).toBe(`the network, POST ${path}`);
    }
    expect(JSON.parse(await asked("/v1/health"))).toEqual({ status: "ok" });
    expect(JSON.parse(await asked("/openapi.json"))).toMatchObject({ openapi: "3.1.0" });
    expect(JSON.parse(await asked("/v1/runs/nothing"))).toMatchObject({ error: { code: "not_found" } });
    expect(new Set(site.requests)).toEqual(new Set(["/", "/page.js", "/service-worker.js", "/form", ...others]));
  });

  test("not the form of another site, which makes no run here", async () => {
    const page = await open("client");
    const foreign = await startSite();
    try {
      const other = await context.newPage();
      await other.goto(`${foreign.url.replace("127.0.0.1", "localhost")}/elsewhere`);
      await other.setContent(`
        <form method="post" enctype="text/plain" action="${site.url}/v1/run_async">
          <input name='{"skill_id": "shown.held", "inputs": {"a' value='": 1}}'>
        </form>`);
      const submitted = other.waitForNavigation();
      await other.evaluate(() => document.forms[0]?.submit());
      await submitted;
      expect(await other.textContent("body")).toBe("the network, POST /v1/run_async");
      expect((await call(page, "GET", "/v1/runs")).body).toMatchObject({ runs: [], pagination: { total: 0 } });
    } finally {
      await foreign.stop();
    }
  });

  test("everything without a network, where a run completes too", async () => {
    const page = await open("client");
    await context.setOffline(true);
    await site.stop();
    const runId = await start(page, "http.chain", { value: "offline" });
    await reaches(page, runId, { status: "completed", result: { value: "offline" } });
    expect((await call(page, "GET", `/v1/runs/${runId}/checkpoints`)).body).toMatchObject({ total: 5 });
    expect(await page.evaluate(() => fetch("/hello.txt").catch((error: unknown) => String(error)))).toContain(
      "Failed to fetch",
    );
  });

  test("a page that was reloaded past every cache", async () => {
    const page = await openExecuting("page");
    const session = await context.newCDPSession(page);
    await session.send("Page.reload", { ignoreCache: true });
    await page.waitForFunction(() => window.site !== undefined && navigator.serviceWorker.controller !== null);
    await endsBy(page, await start(page, "shown.gated").then((runId) => approved(page, runId)), "page");
  });
});

async function approved(page: Page, runId: string): Promise<string> {
  await reaches(page, runId, { status: "waiting_for_human" });
  expect((await call(page, "POST", `/v1/runs/${runId}/approve`, { approver: "a person" })).status).toBe(200);
  return runId;
}

/**
 * The ids of the run's events as an `EventSource` of the page gets them, until the run has ended. Chromium's gives up when its
 * service worker dies, instead of connecting again; then another goes on behind the last event.
 */
function streamed(page: Page, runId: string): Promise<string[]> {
  return page.evaluate(
    (runId) =>
      new Promise<string[]>((resolve) => {
        const ids: string[] = [];
        Object.assign(window, { [`seen:${runId}`]: ids });
        const connect = (after: string) => {
          const events = new EventSource(`/v1/runs/${runId}/stream${after}`);
          events.onmessage = ({ data }) => ids.push(JSON.parse(data).event_id);
          events.onerror = () => {
            const after = ids.length === 0 ? "" : `?after=${ids.at(-1)}`;
            if (events.readyState === EventSource.CLOSED) setTimeout(connect, 100, after);
          };
          events.addEventListener("end", () => {
            events.close();
            resolve(ids);
          });
        };
        connect("");
      }),
    runId,
  );
}

/** How many events {@link streamed} has got so far. */
function seen(page: Page, runId: string): Promise<number> {
  return page.evaluate((name) => (window as unknown as Record<string, string[]>)[name]?.length ?? 0, `seen:${runId}`);
}

describe("with a page that executes", () => {
  // The service worker must have no part in it, however long the page takes.
  const worker: WorkerSettings = { graceMs: hour };

  test("another page's requests are decided by the service worker, and their runs executed by the one", async () => {
    const [client, home] = [await open("client", { worker }), await openExecuting("home", worker)];
    const runId = await start(client, "shown.gated");
    await approved(client, runId);
    await endsBy(client, runId, "home");
    const { events } = await look(home, runId);
    expect(count(events, "run.approved")).toBe(1);
    expect((await call(client, "GET", `/v1/runs/${runId}`)).body).toMatchObject({ result: { by: "home" } });
  });

  test("that executes offline", async () => {
    const page = await openExecuting("page", worker);
    await context.setOffline(true);
    await site.stop();
    await endsBy(page, await approved(page, await start(page, "shown.gated")), "page");
  });

  test("pages see its events as they happen, also across the death of the service worker", async () => {
    const [a, b] = [await open("a", { worker }), await open("b", { worker })];
    const home = await openExecuting("home", worker);
    const runId = await start(a, "shown.held", { latch: "x" });
    const streams = [streamed(a, runId), b.evaluate((runId) => window.site.watch(runId), runId)];
    await called(a, runId, ["home"]);
    await expect.poll(() => seen(a, runId), patience).toBeGreaterThan(2);
    await stopServiceWorkers(a);
    await openLatch(home, "x");
    const all = await streams[0];
    expect(await streams[1]).toEqual(all);
    const { events } = (await call(home, "GET", `/v1/runs/${runId}/events`)).body;
    expect(all).toEqual(events.map((event: { event_id: string }) => event.event_id));
    expect(await look(home, runId)).toMatchObject({ status: "completed", result: { by: "home" } });
  });

  test("its timers tick", async () => {
    const page = await open("page", { serves: "yes", holdMs: "1", worker });
    const runId = await start(page, "shown.sleeping");
    await endsBy(page, runId, "page");
    // It was parked, and not merely waited for.
    expect((await look(page, runId)).events).toContain("step.sleeping");
  });

  test("that stands still the service worker executes, though the page has its lock", async () => {
    const settings: WorkerSettings = { graceMs: 500 };
    const [still, client] = [await openExecuting("still", settings), await open("client", { worker: settings })];
    const session = await context.newCDPSession(still);
    await session.send("Debugger.enable");
    await session.send("Debugger.pause");
    const runId = await start(client, "shown.held", { latch: "x" });
    await called(client, runId, ["service worker"]);
    await openLatch(client, "x");
    await endsBy(client, runId, "service worker");
    const before = await look(client, runId);
    await session.send("Debugger.resume");
    await still.waitForTimeout(1_500);
    expect([await callers(client, runId), await look(client, runId)]).toEqual([["service worker"], before]);
  });

  test("two of them and the service worker race, and each run is executed once", async () => {
    const settings: WorkerSettings = { graceMs: 1 };
    const client = await open("client", { worker: settings });
    await openExecuting("a", settings);
    await openExecuting("b", settings);
    await openLatch(client, "open");
    const ids = await Promise.all(Array.from({ length: 24 }, () => start(client, "shown.held", { latch: "open" })));
    for (const runId of ids) await reaches(client, runId, { status: "completed" });
    const executors = await Promise.all(ids.map((runId) => callers(client, runId)));
    expect(executors.map(({ length }) => length)).toEqual(ids.map(() => 1));
    for (const runId of ids) {
      const { events } = await look(client, runId);
      expect([count(events, "step.completed"), count(events, "run.recovered")]).toEqual([3, 0]);
    }
  });
});

describe("a browser that lacks something", () => {
  test("without service workers: the page says so, and executes all the same", async () => {
    const page = await context.newPage();
    await page.addInitScript(() => Reflect.deleteProperty(Navigator.prototype, "serviceWorker"));
    const complaint = page.waitForEvent("pageerror");
    await page.goto(`${site.url}/?serves=yes&worker=/service-worker.js`);
    expect(await complaint).toMatchObject({ message: expect.stringContaining("service workers are not available") });
    expect(await page.evaluate(async () => (await navigator.locks.query()).held?.map(({ name }) => name))).toContain(
      "orca-durable/serves/me",
    );
  });

  test("without Web Locks the service worker leaves a run to whatever page may execute", async () => {
    const worker: WorkerSettings = { locks: false, graceMs: hour };
    const client = await open("client", { worker });
    await openLatch(client, "x");
    const runId = await start(client, "shown.held", { latch: "x" });
    await client.waitForTimeout(1_000);
    expect(await callers(client, runId)).toEqual([]);
    await openExecuting("page", worker);
    await endsBy(client, runId, "page");
  });

  test("without Web Locks it executes what no page has taken", async () => {
    const client = await open("client", { worker: { locks: false, graceMs: 500 } });
    await openLatch(client, "x");
    await endsBy(client, await start(client, "shown.held", { latch: "x" }), "service worker");
  });
});

describe("with no page that executes", () => {
  test("the service worker does", async () => {
    const client = await open("client");
    await openLatch(client, "x");
    await endsBy(client, await start(client, "shown.held", { latch: "x" }), "service worker");
  });

  test("it does where such a page has closed", async () => {
    const [client, home] = [await open("client", { worker: { graceMs: hour } }), await openExecuting("home")];
    await home.close();
    const held = () => client.evaluate(async () => (await navigator.locks.query()).held?.map(({ name }) => name));
    await expect.poll(held, patience).not.toContain("orca-durable/serves/me");
    await openLatch(client, "x");
    await endsBy(client, await start(client, "shown.held", { latch: "x" }), "service worker");
  });

  test("it takes what such a page was executing when it closed, at the next request", async () => {
    const [client, home] = [await open("client"), await openExecuting("home")];
    const runId = await start(client, "shown.held", { latch: "x" });
    await called(client, runId, ["home"]);
    await home.close();
    await openLatch(client, "x");
    await expect
      .poll(async () => (await call(client, "GET", `/v1/runs/${runId}`)).body, patience)
      .toMatchObject({ status: "completed", result: { by: "service worker" } });
    expect(await callers(client, runId)).toEqual(["home", "service worker"]);
  });

  test("it takes no further step once its time is over, and a page goes on from there", async () => {
    const worker: WorkerSettings = { passMs: 5_000 };
    const client = await open("client", { worker });
    const runId = await start(client, "shown.held", { latch: "x" });
    await called(client, runId, ["service worker"]);
    await client.waitForTimeout(5_100);
    await openLatch(client, "x");
    const handedOver = (events: readonly string[]) => count(events, "step.completed");
    await expect.poll(async () => handedOver((await look(client, runId)).events), patience).toBe(2);
    await client.waitForTimeout(1_500);
    expect(await look(client, runId)).toMatchObject({ status: "running" });
    await openExecuting("page", worker);
    await reaches(client, runId, { status: "completed", result: { by: "service worker", endedBy: "page" } });
    expect(await callers(client, runId)).toEqual(["service worker"]);
  });

  test("a timer waits until the next request", async () => {
    const client = await open("client", { worker: { holdMs: 1 } });
    const runId = await start(client, "shown.sleeping");
    await expect.poll(async () => (await look(client, runId)).events, patience).toContain("step.sleeping");
    await client.waitForTimeout(5_000);
    expect(await look(client, runId)).toMatchObject({ status: "running" });
    await expect
      .poll(async () => (await call(client, "GET", "/v1/runs")).body.runs, patience)
      .toMatchObject([{ run_id: runId, status: "completed", result: { by: "service worker" } }]);
  });

  test("it leaves everything to the next one, where it was made not to execute", async () => {
    const worker: WorkerSettings = { executes: false };
    const client = await open("client", { worker });
    const runId = await start(client, "shown.gated");
    await client.waitForTimeout(1_000);
    await call(client, "GET", "/v1/runs");
    expect((await look(client, runId)).events).toEqual(["run.started", "checkpoint.saved"]);
    await openExecuting("page", worker);
    await endsBy(client, await approved(client, runId), "page");
  });

  test.each(["page", "request"])("its death in mid-run loses nothing: the run ends with the next %s", async (next) => {
    const client = await open("client");
    const runId = await start(client, "shown.held", { latch: "x" });
    await called(client, runId, ["service worker"]);
    await stopServiceWorkers(client);
    const by = next === "page" ? "page" : "service worker";
    if (next === "page") await openExecuting("page");
    else await call(client, "GET", "/v1/runs");
    await called(client, runId, ["service worker", by]);
    await openLatch(client, "x");
    await endsBy(client, runId, by);
    const { events } = await look(client, runId);
    expect([count(events, "step.completed"), count(events, "run.recovered")]).toEqual([3, 1]);
  });
});

describe("a run that is watched, with no page that executes,", () => {
  /** Watches the run through its stream, and asks for nothing else. */
  const watched = (page: Page, runId: string) => page.evaluate((runId) => window.site.watch(runId), runId);

  test("goes on when the time of the request that started it is over", async () => {
    const client = await open("client", { worker: { passMs: 4_000 } });
    const runId = await start(client, "shown.held", { latch: "x" });
    await called(client, runId, ["service worker"]);
    const seen = watched(client, runId);
    await client.waitForTimeout(5_500);
    await openLatch(client, "x");
    const ids = await seen;
    const { events, ...run } = await look(client, runId);
    expect(run).toEqual({ status: "completed", result: { by: "service worker", endedBy: "service worker" } });
    expect(ids).toHaveLength(events.length);
    expect(await callers(client, runId)).toEqual(["service worker"]);
  });

  test("wakes from its sleeps", async () => {
    const client = await open("client", { worker: { holdMs: 1, passMs: 300 } });
    const runId = await start(client, "shown.napping");
    await watched(client, runId);
    const { status, events } = await look(client, runId);
    expect([status, count(events, "step.sleeping")]).toEqual(["completed", 3]);
  });

  test("parks again once its reader has left", async () => {
    const client = await open("client", { worker: { holdMs: 1, passMs: 300 } });
    const runId = await start(client, "shown.napping");
    await client.evaluate(async (runId) => {
      const left = new AbortController();
      const response = await fetch(`/v1/runs/${runId}/stream`, { signal: left.signal });
      await response.body?.getReader().read();
      left.abort();
    }, runId);
    await client.waitForTimeout(4_000);
    expect(await look(client, runId)).toMatchObject({ status: "running" });
  });
});

describe("a new version of the service worker", () => {
  const scriptOf = (page: Page) => page.evaluate(() => navigator.serviceWorker.controller?.scriptURL ?? "");
  /** Until the page's requests go through the version of that number. */
  const goesThrough = (page: Page, version: number) =>
    expect
      .poll(async () => new URL(await scriptOf(page)).searchParams.get("settings"), patience)
      .toContain(`"version":${version}`);

  test("that does not wait takes over at once though a run is watched, and the watch goes on", async () => {
    const [client, home] = [
      await open("client", { worker: { version: 1 } }),
      await openExecuting("home", { version: 1 }),
    ];
    const runId = await start(client, "shown.held", { latch: "x" });
    await called(client, runId, ["home"]);
    const streams = [client.evaluate((runId) => window.site.watch(runId), runId), streamed(client, runId)];
    await expect.poll(() => seen(client, runId), patience).toBeGreaterThan(2);
    await open("other", { worker: { version: 2 } });
    await goesThrough(client, 2);
    await openLatch(home, "x");
    const watched = await Promise.all(streams);
    const { events } = (await call(home, "GET", `/v1/runs/${runId}/events`)).body;
    const ids = events.map((event: { event_id: string }) => event.event_id);
    // Chromium tells a service worker no Last-Event-ID, so that an EventSource starts over.
    expect(watched.map((seen) => [...new Set(seen)])).toEqual([ids, ids]);
    expect(watched[0]).toHaveLength(ids.length);
  });

  // By then the next one has not been installed yet, has just been, or has been waiting.
  test.each([0, 200, 600])("that does not wait gets what the last one executes, after its step (%i ms)", async (ms) => {
    const client = await open("client", { worker: { version: 1 } });
    const runId = await start(client, "shown.held", { latch: "x" });
    await called(client, runId, ["service worker"]);
    await open("other", { worker: { version: 2 } });
    await client.waitForTimeout(ms);
    await openLatch(client, "x");
    await goesThrough(client, 2);
    await endsBy(client, runId, "service worker");
    const { events } = await look(client, runId);
    expect([count(events, "step.completed"), count(events, "run.recovered")]).toEqual([3, 0]);
    expect(await callers(client, runId)).toEqual(["service worker"]);
  });

  test("that does not wait takes over from one that a request started anew meanwhile", async () => {
    const client = await open("client", { worker: { version: 1 } });
    // Requests while it stops have it start again; that one knows nothing of the next version.
    const asked = client.evaluate(async () => {
      let isBornAgain = false;
      new BroadcastChannel("births").onmessage = ({ data }) => {
        isBornAgain ||= data === 1;
      };
      for (const end = Date.now() + 8_000; !isBornAgain && Date.now() < end; ) {
        await (await fetch("/v1/health")).text();
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 8));
      }
    });
    await open("other", { worker: { version: 2 } });
    await asked;
    await goesThrough(client, 2);
    await openLatch(client, "x");
    await endsBy(client, await start(client, "shown.held", { latch: "x" }), "service worker");
  });

  test("that waits leaves the last one as it is", async () => {
    const client = await open("client", { worker: { version: 1 } });
    await open("other", { worker: { version: 2, skipWaiting: false } });
    await client.waitForTimeout(1_000);
    expect(await scriptOf(client)).toContain("%22version%22%3A1");
    await openLatch(client, "x");
    await endsBy(client, await start(client, "shown.held", { latch: "x" }), "service worker");
  });

  test("comes with an upgrade of the database: the last one stands aside, and every tab works at once", async () => {
    const old = await open("old", { worker: { version: 1 } });
    await openLatch(old, "x");
    const before = await start(old, "shown.held", { latch: "x" });
    await endsBy(old, before, "service worker");
    const next: WorkerSettings = { version: 2, newer: true, skipWaiting: false };
    const page = await open("new", { serves: "yes", newer: "yes", worker: next });
    // The page's `ready` has resolved.
    await endsBy(page, await start(page, "shown.held", { latch: "x" }), "new");
    await goesThrough(old, 2);
    expect(await call(old, "GET", `/v1/runs/${before}`)).toMatchObject({ status: 200, body: { status: "completed" } });
    const another = await open("another", { newer: "yes", worker: next });
    expect(await call(another, "GET", `/v1/runs/${before}`)).toMatchObject({ status: 200 });
  });

  test("that does not follow the upgrade: the page reports it, and requests are answered with a retry time", async () => {
    const worker: WorkerSettings = { version: 1 };
    const old = await open("old", { worker });
    await start(old, "shown.gated");
    const page = await context.newPage();
    const complaint = page.waitForEvent("pageerror");
    const script = new URL(await scriptOf(old));
    await page.goto(
      `${site.url}/?${new URLSearchParams({ serves: "yes", newer: "yes", worker: script.pathname + script.search })}`,
    );
    await expect
      .poll(() => call(old, "GET", "/v1/runs"), patience)
      .toMatchObject({
        status: 503,
        body: { error: { code: "store_outdated" } },
      });
    expect(await old.evaluate(async () => (await fetch("/v1/runs")).headers.get("retry-after"))).toBe("1");
    expect(await complaint).toMatchObject({ message: expect.stringContaining("older than the database") });
  });
});

test("the script has no dynamic import, which service workers refuse", () => {
  const { program, errors } = parseSync("service-worker.js", site.workerScript);
  expect(errors).toEqual([]);
  expect(JSON.stringify(program)).toContain('"CallExpression"');
  expect(JSON.stringify(program)).not.toContain('"ImportExpression"');
});
