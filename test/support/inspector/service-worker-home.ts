import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { chromium, type Page } from "playwright";
import { rolldown } from "rolldown";
import { chromiumLaunchOptions } from "../chromium.ts";
import { type InspectorHome, watchedContext } from "./home.ts";

const html = `<!doctype html><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,">`;

/** A service worker over IndexedDB, whose inspector and runs never leave the browser. */
export interface ServiceWorkerHome extends InspectorHome {
  /** An empty page of the site. */
  openSite(): Promise<Page>;
}

export async function serviceWorkerHome(): Promise<ServiceWorkerHome> {
  const script = await bundle();
  const server = createServer((request, response) => {
    const isScript = request.url === "/service-worker.js";
    response.writeHead(isScript || request.url === "/" ? 200 : 404, {
      "content-type": isScript ? "text/javascript" : "text/html",
    });
    response.end(isScript ? script : html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const browser = await chromium.launch(await chromiumLaunchOptions());
  const { context, expectNoFaults } = await watchedContext(browser, () => url);
  const outside = await context.newPage();
  await outside.goto(url);
  await outside.evaluate(async () => {
    await navigator.serviceWorker.register("/service-worker.js");
    await navigator.serviceWorker.ready;
    while (navigator.serviceWorker.controller === null) await new Promise((resolve) => setTimeout(resolve, 10));
  });
  return {
    async openSite() {
      const page = await context.newPage();
      await page.goto(url);
      return page;
    },
    async open(path = "/runs") {
      const page = await context.newPage();
      await page.goto(`${url}/durable/inspector#${path}`);
      return page;
    },
    async ask<T>(path: string, body?: unknown) {
      const { ok, status, text } = await outside.evaluate(
        async ([path, body]) => {
          const init = body === null ? {} : { method: "POST", body };
          const response = await fetch(`/durable${path}`, init);
          return { ok: response.ok, status: response.status, text: await response.text() };
        },
        [path, body === undefined ? null : JSON.stringify(body)] as const,
      );
      if (!ok) throw new Error(`${path}: ${status} ${text}`);
      return JSON.parse(text) as T;
    },
    async close() {
      await browser.close();
      server.close();
      server.closeAllConnections();
      expectNoFaults();
    },
  };
}

async function bundle(): Promise<string> {
  const build = await rolldown({ input: join(import.meta.dirname, "service-worker.ts"), platform: "browser" });
  const { output } = await build.generate({ format: "iife", codeSplitting: false });
  await build.close();
  return output[0].code;
}
