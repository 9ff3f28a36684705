import { type Browser, type BrowserContext, chromium, type Page } from "playwright";
import { createServer, type ViteDevServer } from "vite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chromiumLaunchOptions, newContext } from "../support/chromium.ts";
import type { MadePage, Told } from "../support/page/page.ts";

// What createPage does where the browser, the site or the database refuses something; on Vite's server, as one works on a site.

let bare: ViteDevServer;
let allowing: ViteDevServer;
let browser: Browser;
let context: BrowserContext;

const serve = async (headers: Record<string, string>): Promise<ViteDevServer> => {
  const server = await createServer({
    configFile: false,
    root: "test/support/page",
    cacheDir: `${process.cwd()}/node_modules/.vite/page`,
    // Modules as they are: bundled on demand, they would be found when the service worker asks, too late for it.
    optimizeDeps: { exclude: ["idb", "hono", "valibot"] },
    worker: { format: "es" },
    // A frame of an opaque origin asks for them as another site would.
    server: { host: "127.0.0.1", port: 0, hmr: false, watch: null, cors: true, headers },
    logLevel: "error",
  });
  await server.listen();
  return server;
};

beforeAll(async () => {
  bare = await serve({});
  allowing = await serve({ "Service-Worker-Allowed": "/" });
  browser = await chromium.launch(await chromiumLaunchOptions());
});

afterAll(async () => {
  await browser?.close();
  await bare?.close();
  await allowing?.close();
});

beforeEach(async () => {
  context = await newContext(browser);
});

afterEach(() => context.close());

const addressOf = (made: MadePage, server: ViteDevServer) =>
  `${server.resolvedUrls?.local[0]}?${new URLSearchParams({ made: JSON.stringify(made) })}`;

async function open(made: MadePage, server = bare): Promise<Page> {
  const page = await context.newPage();
  await page.goto(addressOf(made, server));
  await page.waitForFunction(() => window.tried !== undefined);
  return page;
}

type Tried = Pick<Page, "evaluate">;

const patience = { interval: 50 };

const ready = (page: Tried) => page.evaluate(() => window.tried.ready());
const errors = (page: Tried): Promise<readonly Told[]> => page.evaluate(() => window.tried.errors);
const locks = (page: Tried) => page.evaluate(() => window.tried.locks());
const settled = (page: Tried, expected: unknown) => expect.poll(() => ready(page), patience).toEqual(expected);
const told = (code: string, hint: string) =>
  expect.objectContaining({ code, hint: expect.stringContaining(hint) }) as unknown;

describe("a service worker", () => {
  const module = { type: "module" } as const;
  const allowed = "Service-Worker-Allowed";

  test.each<[string, MadePage, string, string]>([
    ["whose scope does not cover the page", { worker: "nested", registration: module }, "invalid_definition", allowed],
    [
      "that may not have the scope it asks for",
      { worker: "nested", registration: { ...module, scope: "/" } },
      "invalid_definition",
      allowed,
    ],
    ["whose script is missing", { worker: "/missing/script.js" }, "invalid_definition", "must exist"],
    ["that fails to be installed", { worker: "/fails.js" }, "invalid_definition", ""],
  ])("%s: ready says so, once, and the page executes all the same", async (_, made, code, hint) => {
    const page = await open(made);
    await settled(page, hint === "" ? expect.objectContaining({ code }) : told(code, hint));
    expect(await page.evaluate(() => window.tried.run())).toBe("done");
    await page.waitForTimeout(1_500);
    expect(await errors(page)).toEqual([await ready(page)]);
  });

  test("serves the page where the site does what the hint says", async () => {
    const page = await open({ worker: "nested", registration: { ...module, scope: "/" } }, allowing);
    await settled(page, "ready");
    expect(await page.evaluate(async () => (await fetch("/v1/runs")).json())).toMatchObject({ runs: [] });
    expect(await errors(page)).toEqual([]);
  });

  test("that does not take the page: ready ends, and is not left open", async () => {
    const page = await open({ worker: "/silent.js" });
    await expect.poll(() => ready(page), { interval: 200 }).toEqual(told("invalid_definition", "listen()"));
  });
});

describe("a page that may have no storage", () => {
  test("as in a sandboxed frame: one typed error, and no second attempt", async () => {
    const page = await context.newPage();
    const raw: string[] = [];
    page.on("pageerror", (error) => raw.push(String(error)));
    await page.goto(`${bare.resolvedUrls?.local[0]}silent.js`);
    const made = addressOf({ worker: "/silent.js", everyMs: 100 }, bare);
    await page.evaluate((src) => {
      const frame = document.createElement("iframe");
      frame.setAttribute("sandbox", "allow-scripts");
      frame.src = src;
      document.body.append(frame);
    }, made);
    await expect.poll(() => page.frames().length, patience).toBe(2);
    const frame = page.frames()[1];
    if (frame === undefined) throw new Error("there is no frame");
    await frame.waitForFunction(() => window.tried !== undefined);
    await settled(frame, told("unsupported", "allow-same-origin"));
    await page.waitForTimeout(1_500);
    expect(await errors(frame)).toEqual([told("unsupported", "allow-same-origin")]);
    expect(raw).toEqual([]);
    expect(await frame.evaluate(() => window.tried.run())).toEqual(told("unsupported", "allow-same-origin"));
    await frame.evaluate(() => window.tried.stop());
  });
});

describe("a page whose medium fails", () => {
  test("tells each failure once, not at each of its looks", async () => {
    const page = await open({ isBroken: true, everyMs: 100 });
    await settled(page, "ready");
    await expect.poll(() => page.evaluate(() => window.tried.transactions()), patience).toBeGreaterThan(10);
    const found = await errors(page);
    expect(found.length).toBeGreaterThan(0);
    expect(found.every(({ code }) => code === "store_failed")).toBe(true);
    expect(new Set(found.map(({ message }) => message)).size).toBe(found.length);
  });
});

describe("a page that a newer version of it has outdated", () => {
  test("says so once, asks for nothing more, and leaves the tenant to others", async () => {
    const old = await open({ everyMs: 100 });
    await settled(old, "ready");
    expect((await locks(old)).held.filter((name) => name.includes("/serves/"))).toHaveLength(1);
    const next = await open({ isNewer: true });
    await settled(next, "ready");
    await expect.poll(() => errors(old), patience).toEqual([told("store_outdated", "reload this page")]);
    await expect.poll(async () => (await locks(next)).held, patience).toHaveLength(2);
    const before = await old.evaluate(() => window.tried.transactions());
    await old.waitForTimeout(1_000);
    expect(await old.evaluate(() => window.tried.transactions())).toBe(before);
    expect(await errors(old)).toHaveLength(1);
    expect(await next.evaluate(() => window.tried.run())).toBe("done");
  });

  test("before it was opened: ready rejects, and it holds nothing", async () => {
    await settled(await open({ isNewer: true }), "ready");
    const old = await open({ everyMs: 100 });
    await settled(old, told("store_outdated", "reload this page"));
    await old.waitForTimeout(500);
    expect(await errors(old)).toEqual([told("store_outdated", "reload this page")]);
    await expect.poll(async () => (await locks(old)).held, patience).toHaveLength(2);
  });
});

describe("a page that is stopped", () => {
  test("holds no lock, asks nothing of the database, and tells nothing", async () => {
    const [page, other] = [await open({ everyMs: 100 }), await open({ everyMs: 100 })];
    await settled(page, "ready");
    await page.evaluate(() => window.tried.stop());
    await page.evaluate(() => window.tried.stop());
    await settled(other, "ready");
    await expect.poll(async () => (await locks(other)).held, patience).toHaveLength(2);
    const before = await page.evaluate(() => window.tried.transactions());
    await other.evaluate(() => window.tried.run());
    await page.waitForTimeout(1_000);
    expect(await page.evaluate(() => window.tried.transactions())).toBe(before);
    await other.evaluate(() => window.tried.stop());
    await expect.poll(() => locks(page), patience).toEqual({ held: [], pending: 0 });
    expect([...(await errors(page)), ...(await errors(other))]).toEqual([]);
  });

  test("before it is ready: ready rejects, and no hook is called", async () => {
    const page = await open({ worker: "/silent.js" });
    await page.evaluate(() => window.tried.stop());
    await settled(page, expect.objectContaining({ code: "unsupported", message: "this page was stopped" }));
    expect(await errors(page)).toEqual([]);
    await expect.poll(() => locks(page), patience).toEqual({ held: [], pending: 0 });
  });
});
