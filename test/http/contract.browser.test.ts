import { deleteDB } from "idb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { createRuntime } from "../../src/index.ts";
import { defaultDatabase } from "../../worker/browser/serving.ts";
import { scheduling } from "../../worker/schedules/index.ts";
import { passedPath, serviceWorkerPath } from "../support/engines/site-paths.ts";
import { homeKeys } from "../support/http-home.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";
import { sendsStreams } from "../support/sends-streams.ts";
import type { WorkerSettings } from "../support/service-worker/worker.ts";
import { testHttp } from "./contract/suite.ts";

// What is promised over HTTP, asked of the service worker by the page itself.

const basePath = "/durable";

let registration: ServiceWorkerRegistration | undefined;

beforeAll(async () => {
  const settings: WorkerSettings = { basePath, keys: [...homeKeys()] };
  const script = `${serviceWorkerPath}?${new URLSearchParams({ settings: JSON.stringify(settings) })}`;
  registration = await navigator.serviceWorker.register(script);
  while (navigator.serviceWorker.controller === null) await new Promise((resolve) => setTimeout(resolve, 10));
});

afterAll(async () => {
  await registration?.unregister();
  await deleteDB(defaultDatabase);
});

testHttp({ fetch: async (request) => fetch(await addressed(request)), drain });

/** Takes what is due, of all tenants. */
async function drain(): Promise<void> {
  const store = indexedDbStore({ name: defaultDatabase });
  const runtime = createRuntime({
    serves: false,
    store,
    skills: [...httpSkills, scheduling],
    capabilities: httpCapabilities,
  });
  await runtime.drain();
  await runtime.idle();
  await runtime.stop();
  await store.close();
}

/** The same request, to this site. */
async function addressed(request: Request): Promise<Request> {
  const { pathname, search } = new URL(request.url);
  const { method, headers, signal } = request;
  const body = await bodyOf(request);
  return new Request(`${location.origin}${basePath}${pathname}${search}`, { method, headers, signal, ...body });
}

/** A body that does not end soon goes on as a stream, where the browser can send one. */
async function bodyOf(request: Request): Promise<object> {
  if (request.method === "GET" || request.method === "HEAD") return {};
  if (!sendsStreams || request.body === null) return { body: await request.arrayBuffer() };
  const reader = request.body.getReader();
  const read: Uint8Array<ArrayBuffer>[] = [];
  for (let bytes = 0; bytes <= 64 * 1024; ) {
    const { done, value } = await reader.read();
    if (done) return { body: new Blob(read) };
    read.push(value);
    bytes += value.length;
  }
  const rest = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = read.shift() ?? (await reader.read()).value;
        if (next === undefined) controller.close();
        else controller.enqueue(next);
      },
    },
    // Nothing is read before it is asked for.
    { highWaterMark: 0 },
  );
  return { body: rest, duplex: "half" };
}

test("none of it reached the server", async () => {
  expect(await (await fetch(`${passedPath}?under=${basePath}`)).json()).toEqual([]);
  // Of a name of its own: the engines share one server.
  const beside = `/beside-${crypto.randomUUID()}`;
  await fetch(beside);
  expect(await (await fetch(`${passedPath}?under=${beside}`)).json()).toEqual([beside]);
});
