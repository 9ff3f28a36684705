/// <reference lib="webworker" />

import { createServiceWorker } from "../../worker/browser/service-worker.ts";
import { inspectorPage } from "../../worker/inspector/page.ts";
import { home } from "./home.ts";
import { fileReport } from "./skill.ts";

declare const self: ServiceWorkerGlobalScope;

/** The paths of everything that the page is made of; the build puts them here. */
declare const __SHELL__: readonly string[];

const cacheName = "shell";

// The service: /v1 and the inspector, over this browser's database.
createServiceWorker({
  ...home,
  skills: [fileReport],
  capabilities: [],
  inspector: inspectorPage,
  skipWaiting: true,
}).listen();

// The page itself, so that it opens without a network. What the service has answered does not come here.
self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(cacheName).then((cache) => cache.addAll([...__SHELL__])));
});
self.addEventListener("activate", (event) => event.waitUntil(dropOldFiles()));
self.addEventListener("fetch", (event) => {
  const { pathname, origin } = new URL(event.request.url);
  if (origin !== self.location.origin || !__SHELL__.includes(pathname)) return;
  event.respondWith(shellFile(pathname, event.request));
});

async function shellFile(pathname: string, request: Request): Promise<Response> {
  return (await caches.match(pathname)) ?? fetch(request);
}

async function dropOldFiles(): Promise<void> {
  const cache = await caches.open(cacheName);
  for (const { url } of await cache.keys()) {
    if (!__SHELL__.includes(new URL(url).pathname)) await cache.delete(url);
  }
}
