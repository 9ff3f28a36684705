import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { bundled } from "../bundled.ts";
import type { Task, Told } from "./page.ts";

/** A site whose one page does a task by itself, and tells its server how it goes. */
export interface House {
  /** The address of its page, which always does what was given last. */
  readonly url: string;
  give(task: Task): void;
  /** What pages have told since the last call, in order. */
  told(): readonly Told[];
  /** Takes the site's server away, as a lost network does. Pages can still tell. */
  close(): Promise<void>;
  /** Serves again, at the same address. */
  open(): Promise<void>;
  stop(): Promise<void>;
}

const html = `<!doctype html><meta charset="utf-8"><title>A task</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script>`;

export async function startHouse(): Promise<House> {
  const worker = join(import.meta.dirname, "..", "service-worker", "worker.ts");
  const scripts: Readonly<Record<string, string>> = {
    "/page.js": await bundled(join(import.meta.dirname, "page.ts"), "esm"),
    "/service-worker.js": await bundled(worker, "iife"),
  };
  let told: Told[] = [];
  let given: Task | undefined;
  // What pages tell goes to a server of its own, which stays when the site's goes.
  const ear = createServer(async (request, response) => {
    told.push((await json(request)) as Told);
    response.setHeader("access-control-allow-origin", "*");
    response.end("heard");
  });
  const site = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://house.test");
    if (pathname === "/task") return void response.end(JSON.stringify({ task: given, ear: earUrl }));
    const script = scripts[pathname];
    response.setHeader("content-type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? html);
  });
  const earUrl = await listening(ear);
  const url = await listening(site);
  return {
    url,
    give(task) {
      given = task;
    },
    told() {
      const all = told;
      told = [];
      return all;
    },
    async close() {
      await stopped(site);
    },
    async open() {
      site.listen(Number(new URL(url).port), "127.0.0.1");
      await once(site, "listening");
    },
    async stop() {
      await stopped(site);
      await stopped(ear);
    },
  };
}

async function listening(server: Server): Promise<string> {
  // Otherwise a connection that was idle while the machine stood still ends under its next request.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

async function stopped(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeAllConnections();
  await closed;
}
