import { type Browser, chromium } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumLaunchOptions } from "./support/chromium.ts";
import { type HttpHome, homeKeys } from "./support/http-home.ts";
import { testHttp } from "./support/http-suite.ts";
import { relay } from "./support/service-worker/relay.ts";
import { openPage, type Site, startSite } from "./support/service-worker/site.ts";

// What is promised over HTTP, asked of a service worker in Chromium: each request goes through `fetch` of a page.

const basePath = "/durable";

let site: Site;
let browser: Browser;
let page: HttpHome;

beforeAll(async () => {
  site = await startSite();
  browser = await chromium.launch(await chromiumLaunchOptions());
  const keys = [...homeKeys()];
  const settings = { worker: { basePath, keys } };
  page = await relay(await openPage(await browser.newContext(), site, settings), site, basePath);
});

afterAll(async () => {
  await browser?.close();
  await site?.stop();
});

testHttp({ fetch: (request) => page.fetch(request), drain: () => page.drain() });

test("none of it reached the server", () => {
  expect(new Set(site.requests)).toEqual(new Set(["/", "/page.js", "/service-worker.js"]));
});
