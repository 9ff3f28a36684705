import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { BrowserContext, Page } from "playwright";
import { bundled } from "../bundled.ts";
import type { WorkerSettings } from "./worker.ts";

/** A site with a service worker, on a server of its own. */
export interface Site {
  readonly url: string;
  /** The service worker's script, as it is served. */
  readonly workerScript: string;
  /** The paths that reached the server. */
  readonly requests: readonly string[];
  /** Takes the server away, as a lost network does. */
  stop(): Promise<void>;
}

const html = `<!doctype html><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`;

const fileOf = (name: string) => join(import.meta.dirname, name);

/** Bundles the page and the service worker, and serves them. Every other path is answered by its name. */
export async function startSite(): Promise<Site> {
  bundles ??= Promise.all([bundled(fileOf("page.ts"), "esm"), bundled(fileOf("worker.ts"), "iife")]);
  const [page, workerScript] = await bundles;
  const files: Readonly<Record<string, readonly [type: string, text: string]>> = {
    "/": ["text/html", html],
    "/page.js": ["text/javascript", page],
    "/service-worker.js": ["text/javascript", workerScript],
  };
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://site.test");
    requests.push(pathname);
    const [type, text] = files[pathname] ?? ["text/plain", `the network, ${request.method} ${pathname}`];
    response.writeHead(200, { "content-type": type }).end(text);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    workerScript,
    requests,
    async stop() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** Of the page and of the service worker. */
let bundles: Promise<readonly [page: string, workerScript: string]> | undefined;

export interface PageSettings {
  readonly name?: string;
  /** Whether the page executes the tenant's runs. */
  readonly serves?: "yes";
  readonly holdMs?: string;
  /** Whether the page knows a version of the database that others do not. */
  readonly newer?: "yes";
  readonly worker?: WorkerSettings;
}

/** A page of the site whose requests go through the service worker. */
export async function openPage(context: BrowserContext, site: Site, settings: PageSettings = {}): Promise<Page> {
  const { worker = {}, ...rest } = settings;
  const script = `/service-worker.js?${new URLSearchParams({ settings: JSON.stringify(worker) })}`;
  const page = await context.newPage();
  await page.goto(`${site.url}/?${new URLSearchParams({ ...rest, worker: script })}`);
  await page.waitForFunction(() => window.site !== undefined);
  return page;
}
