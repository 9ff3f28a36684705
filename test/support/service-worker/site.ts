import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import type { BrowserContext, Page } from "playwright";
import { rolldown } from "rolldown";
import type { WorkerSettings } from "./worker.ts";

/** A site with a service worker, on a server of its own. */
export interface Site {
  readonly url: string;
  /** The service worker's script, as it is served. */
  readonly workerScript: string;
  /** The paths that reached the server, but for bodies. */
  readonly requests: readonly string[];
  /** Where a page can get this body, one piece with each request, and an empty one behind the last. */
  offer(body: ReadableStreamDefaultReader<Uint8Array>): string;
  /** What a page has sent to this place, once. */
  taken(path: string): Buffer<ArrayBuffer>;
  /** Takes the server away, as a lost network does. */
  stop(): Promise<void>;
}

const html = `<!doctype html><meta charset="utf-8"><title>A site</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`;

/** Bundles the page and the service worker, and serves them. Every other path is answered by its name. */
export async function startSite(): Promise<Site> {
  bundles ??= Promise.all([bundle("page.ts", "esm"), bundle("worker.ts", "iife")]);
  const [page, workerScript] = await bundles;
  const files: Readonly<Record<string, readonly [type: string, text: string]>> = {
    "/": ["text/html", html],
    "/page.js": ["text/javascript", page],
    "/service-worker.js": ["text/javascript", workerScript],
  };
  const requests: string[] = [];
  const offered = new Map<string, ReadableStreamDefaultReader<Uint8Array>>();
  const taken = new Map<string, Buffer>();
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://site.test");
    if (pathname.startsWith("/bodies/")) {
      if (request.method === "PUT") taken.set(pathname, await buffer(request));
      return void response.end((await offered.get(pathname)?.read())?.value);
    }
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
    offer(body) {
      const path = `/bodies/${crypto.randomUUID()}`;
      offered.set(path, body);
      return path;
    },
    taken(path) {
      const bytes = taken.get(path);
      if (bytes === undefined) throw new Error(`no page has sent anything to ${path}`);
      taken.delete(path);
      return Buffer.from(bytes);
    },
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

async function bundle(file: string, format: "esm" | "iife"): Promise<string> {
  const build = await rolldown({ input: join(import.meta.dirname, file), platform: "browser" });
  const { output } = await build.generate({ format, codeSplitting: false });
  await build.close();
  return output[0].code;
}

export interface PageSettings {
  readonly name?: string;
  /** Whether the page executes the tenant's runs. */
  readonly serves?: "yes";
  readonly holdMs?: string;
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
