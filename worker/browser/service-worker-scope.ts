// The types of a service worker, as far as they are used here. TypeScript has them in a library that conflicts with the one
// for pages, with which this package is compiled.

/** A `FetchEvent`. */
export interface ServiceWorkerFetchEvent {
  readonly request: Request;
  /** The id of the page or worker that made the request. */
  readonly clientId: string;
  respondWith(response: Promise<Response>): void;
  waitUntil(work: Promise<unknown>): void;
}

/** A `ServiceWorker`, as another version sees it. */
export interface ServiceWorkerVersion {
  readonly state: string;
  postMessage(message: string, ports?: MessagePort[]): void;
  addEventListener(type: "statechange", listener: () => void): void;
}

/** A `ServiceWorkerRegistration`: the versions of one service worker. */
export interface ServiceWorkerVersions {
  readonly installing: ServiceWorkerVersion | null;
  readonly waiting: ServiceWorkerVersion | null;
  readonly active: ServiceWorkerVersion | null;
  update(): Promise<unknown>;
}

/** A message from a page or from another version of the service worker. */
export interface ServiceWorkerMessage extends Pick<ServiceWorkerFetchEvent, "waitUntil"> {
  readonly data: unknown;
  readonly ports: readonly { postMessage(message: string): void }[];
}

/** A `ServiceWorkerGlobalScope`. */
export interface ServiceWorkerScope {
  readonly location: { readonly origin: string };
  readonly clients: { claim(): Promise<void> };
  readonly registration: ServiceWorkerVersions;
  skipWaiting(): Promise<void>;
  addEventListener(
    type: "install" | "activate",
    listener: (event: Pick<ServiceWorkerFetchEvent, "waitUntil">) => void,
  ): void;
  addEventListener(type: "fetch", listener: (event: ServiceWorkerFetchEvent) => void): void;
  addEventListener(type: "message", listener: (event: ServiceWorkerMessage) => void): void;
}

/** The global scope of a service worker. Call this only in a service worker. */
export function workerScope(): ServiceWorkerScope {
  return globalThis as unknown as ServiceWorkerScope;
}
