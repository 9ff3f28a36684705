import { once } from "node:events";
import { createServer } from "node:http";
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
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://house.test");
    if (request.method === "POST") {
      told.push((await json(request)) as Told);
      return void response.end("heard");
    }
    if (pathname === "/task") return void response.end(JSON.stringify(given));
    const script = scripts[pathname];
    response.setHeader("content-type", script === undefined ? "text/html" : "text/javascript");
    response.end(script ?? html);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    give(task) {
      given = task;
    },
    told() {
      const all = told;
      told = [];
      return all;
    },
    async stop() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
