// The types of a service worker, as far as they are used here: TypeScript has them in a library that contradicts the one of
// pages, and this package is compiled with that.

/** A `FetchEvent`. */
export interface ServiceWorkerFetchEvent extends ExtendableEvent {
  readonly request: Request;
  /** Names the page or worker that made the request. */
  readonly clientId: string;
  respondWith(response: Promise<Response>): void;
}

interface ExtendableEvent {
  waitUntil(work: Promise<unknown>): void;
}

/** A `ServiceWorkerGlobalScope`. */
export interface ServiceWorkerScope {
  readonly location: { readonly origin: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(type: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
  addEventListener(type: "fetch", listener: (event: ServiceWorkerFetchEvent) => void): void;
  addEventListener(type: "message", listener: (event: ExtendableEvent & { readonly data: unknown }) => void): void;
}

/** What is global in a service worker, which is the only place for code that calls this. */
export function workerScope(): ServiceWorkerScope {
  return globalThis as unknown as ServiceWorkerScope;
}
