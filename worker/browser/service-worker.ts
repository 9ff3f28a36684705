import { type IndexedDbStoreOptions, indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { systemClock } from "../../src/clock.ts";
import { httpStatus } from "../../src/codec/index.ts";
import {
  type AnyCapability,
  broadcastNotifier,
  createRuntime,
  type OnError,
  type Runtime,
  type RuntimeOptions,
  type Skill,
  webLocksPresence,
} from "../../src/index.ts";
import { present } from "../../src/present.ts";
import { type AppOptions, type Call, type Caller, createApp } from "../http/index.ts";
import { logError } from "../http/middleware/failure.ts";
import { checkBasePath, isOurs, underBase } from "./service-worker-paths.ts";
import { type ServiceWorkerFetchEvent, type ServiceWorkerMessage, workerScope } from "./service-worker-scope.ts";
import { claimMessage, defaultDatabase, outdatedMessage, servedTenants, servingMessage } from "./serving.ts";
import { askToYield, followMessage, lookMessage, succession, takeOverMessage, yieldMessage } from "./succession.ts";

export type { Call, Caller, Role } from "../http/index.ts";
export type { ServiceWorkerFetchEvent } from "./service-worker-scope.ts";

/** Who calls: always the same tenant, as its admin, or whoever the hook says. */
type Callers =
  | {
      /**
       * The tenant of every call, which needs no key then: only pages of this origin reach a service worker, and those
       * can open the database themselves. A form that another site sends here is not taken.
       */
      readonly tenant: string;
      readonly authenticate?: never;
    }
  | {
      readonly tenant?: never;
      /**
       * Who makes the call: for which tenant, and in which role.
       *
       * @throws `unauthorized` or `forbidden` where it is made for nobody.
       */
      readonly authenticate: (call: Call<ServiceWorkerFetchEvent>) => Caller | Promise<Caller>;
    };

export type ServiceWorkerOptions = Callers &
  Pick<IndexedDbStoreOptions, "durability"> &
  Pick<RuntimeOptions, "leaseMs" | "holdMs" | "maxStateBytes" | "telemetry"> &
  Pick<
    AppOptions<ServiceWorkerFetchEvent>,
    "maxBodyBytes" | "maxBodyValues" | "maxImportBytes" | "inspector" | "stream"
  > & {
    readonly skills: readonly Skill[];
    readonly capabilities: readonly AnyCapability[];
    /** The database, by the name that the pages know too. Default `orca-durable`. */
    readonly database?: string;
    /**
     * The path under which everything is served, such as `/durable`. Where absent, the paths are served that the document
     * names (`/v1/runs`), and every other path of the site is left alone, also beside them (`/v1/login`).
     */
    readonly basePath?: string;
    /**
     * True where a new version of the worker takes over from the old one while pages are open. The old one ends its streams
     * then, whose clients connect again, and hands over what it executes after the step that is under way. Default false.
     */
    readonly skipWaiting?: boolean;
    /** False where pages alone execute, for capabilities that need a page. Default true: it executes where no page does. */
    readonly executes?: boolean;
    /** How long it goes on taking work after a request, in milliseconds. Default 20,000. */
    readonly passMs?: number;
    /** How long what is due is left to the pages that execute, before it is taken here. In milliseconds. Default 5,000. */
    readonly graceMs?: number;
    /**
     * Told of failures that are not the caller's, those of background work among them. Where a request met them, with the
     * trace id that its answer has. Default `console.error`.
     */
    readonly onError?: OnError;
  };

export interface DurableServiceWorker {
  /**
   * Answers the request where it is one of the service's, and says so. False is for all others, which are as untouched as if
   * nobody listened.
   */
  fetch(event: ServiceWorkerFetchEvent): boolean;
  /** Listens to the worker's events. To be called while the script is first evaluated, as browsers want it. */
  listen(): void;
}

/** After so long a client that only looks, or watches, has what is due taken again. */
const lookMs = 1_000;

/** Streams end before Chromium ends their requests, which it does after five minutes, and the service worker with them. */
const streamMaxMs = 240_000;

/**
 * The HTTP service over IndexedDB, in a service worker: `fetch("/v1/runs")` of this origin's pages is answered here, with or
 * without a network.
 *
 * It decides and commits, and pages that serve the tenant execute (see `createPage` of `orca-durable/page`). Where no page
 * does, it executes what a request brings and what is due, takes nothing new after `passMs`, and leaves the rest due; a run that
 * is watched through its stream goes on for as long as it is watched. Browsers stop a service worker whenever they like; what it
 * had under way is due again at once.
 *
 * @throws `invalid_definition` where `basePath` is not a path.
 * @example
 * createServiceWorker({ tenant: "me", skills, capabilities }).listen();
 */
export function createServiceWorker(options: ServiceWorkerOptions): DurableServiceWorker {
  const { skills, capabilities, database = defaultDatabase, basePath = "", executes = true } = options;
  const { passMs = 20_000, graceMs = 5_000, onError = logError } = options;
  const { durability, leaseMs, holdMs, maxStateBytes, telemetry } = options;
  const { maxBodyBytes, maxBodyValues, maxImportBytes, inspector, stream } = options;
  checkBasePath(basePath);
  const paths = { basePath, hasInspector: inspector !== undefined };
  const scope = workerScope();
  const versions = succession(scope);
  let isOutdated = false;
  const store = indexedDbStore({
    name: database,
    ...present({ durability }),
    onOutdated() {
      isOutdated = true;
      versions.standAside().catch(onError);
    },
  });
  const notifier = broadcastNotifier(database);
  const shared: RuntimeOptions = {
    ...{ store, skills, capabilities, onError },
    // What ends with one request must not end the channel of all.
    notifier: { ...notifier, close: () => {} },
    ...present({ leaseMs, holdMs, maxStateBytes, telemetry }),
  };
  const deciding = createRuntime({ ...shared, executes: false });
  const lookedAt = new Map<string, number>();

  const app = createApp<Visit>({
    authenticate({ env, ...call }) {
      if (options.authenticate === undefined) return { tenant: options.tenant, role: "admin" };
      return options.authenticate({ ...call, env: env.event });
    },
    runs(tenant, { env: visit }) {
      visit.tenant = tenant;
      if (!mayExecute() || isRead(visit) || isServed(visit, tenant)) return deciding.for(tenant);
      visit.executing = executing();
      return visit.executing.for(tenant);
    },
    stream: { maxMs: streamMaxMs, ...stream },
    onStream({ ended, close }, { env: visit }) {
      const { yielded } = versions;
      if (yielded.aborted) close();
      yielded.addEventListener("abort", close);
      ended.addEventListener("abort", () => yielded.removeEventListener("abort", close));
      if (visit.tenant !== undefined) visit.background(accompany(visit.tenant, ended));
    },
    onError,
    ...present({ maxBodyBytes, maxBodyValues, maxImportBytes, inspector, telemetry }),
  });

  /** False also where the next version is to execute, which waits until this one has nothing more to do. */
  function mayExecute(): boolean {
    return executes && !isOutdated && !versions.yielded.aborted;
  }

  /** A runtime that executes for as long as one request keeps this worker awake, under a name of its own. */
  function executing(isOver: () => boolean = timeout(passMs)): Runtime {
    const { yielded } = versions;
    const isSpent = () => yielded.aborted || isOver();
    // A body that is stuck must be told before it is handed over, or it would be for ever.
    const bodyQuietMs = passMs * 0.8;
    return createRuntime({ ...shared, presence: webLocksPresence(database), isSpent, bodyQuietMs });
  }

  async function answer(visit: Visit): Promise<Response> {
    visit.served = await servedTenants(database);
    const context = { waitUntil: visit.background, passThroughOnException() {}, props: {} };
    const response = await app.fetch(await underBase(visit.event.request, basePath), visit, context);
    // By then the next version answers.
    if (isOutdated && response.status === httpStatus.store_outdated) response.headers.set("retry-after", "1");
    return response;
  }

  /** What is to be done behind the answer, where it is not for a page to do. */
  async function goOn(visit: Visit): Promise<void> {
    const { tenant } = visit;
    if (tenant === undefined || !mayExecute()) return;
    if (visit.executing !== undefined) return work(visit.executing, tenant);
    const isPageThere = isServed(visit, tenant);
    if (isRead(visit)) {
      // A client that polls keeps its runs going, and must not cost more than it gains.
      if (Date.now() - (lookedAt.get(tenant) ?? 0) < lookMs) return;
      lookedAt.set(tenant, Date.now());
    } else {
      await systemClock.sleep(graceMs, versions.yielded);
      if (!mayExecute()) return;
    }
    if (!isPageThere || (await isLeftDue(tenant))) await work(executing(), tenant);
  }

  /** Takes what is due for as long as a stream watches: nothing else would, where no page does. */
  async function accompany(tenant: string, ended: AbortSignal): Promise<void> {
    let runtime: Runtime | undefined;
    let isOver = () => false;
    ended.addEventListener("abort", () => {
      isOver = timeout(passMs);
    });
    for (;;) {
      await systemClock.sleep(lookMs, ended);
      if (ended.aborted || !mayExecute()) break;
      // Another stream of the tenant may have looked.
      if (Date.now() - (lookedAt.get(tenant) ?? 0) < lookMs / 2) continue;
      lookedAt.set(tenant, Date.now());
      if (((await servedTenants(database))?.has(tenant) ?? true) && !(await isLeftDue(tenant))) continue;
      runtime ??= executing(() => isOver());
      // Not awaited: a step that takes long must not keep other runs waiting.
      runtime.drain({ tenant }).catch(onError);
    }
    await runtime?.idle();
    await runtime?.stop();
  }

  /** True where pages have left something due for longer than they are given: they are frozen, or gone meanwhile. */
  async function isLeftDue(tenant: string): Promise<boolean> {
    return (await store.dueRuns({ now: Date.now() - graceMs, tenant, limit: 1 })).length > 0;
  }

  async function work(runtime: Runtime, tenant: string): Promise<void> {
    try {
      await runtime.drain({ tenant });
    } finally {
      await runtime.idle();
      await runtime.stop();
    }
  }

  function fetch(event: ServiceWorkerFetchEvent): boolean {
    if (!isOurs(event.request, scope.location.origin, paths)) return false;
    versions.askNext();
    const visit = visitOf(event, onError);
    const answered = answer(visit);
    visit.background(answered.then(() => goOn(visit)));
    event.respondWith(answered);
    return true;
  }

  function hear(event: ServiceWorkerMessage): void {
    switch (event.data) {
      case claimMessage:
        event.waitUntil(claim(event).catch(onError));
        break;
      case yieldMessage:
        versions.yield();
        event.ports[0]?.postMessage(yieldMessage);
        break;
      case followMessage:
        if (options.skipWaiting !== true) break;
        event.ports[0]?.postMessage(yieldMessage);
        // Again: Chromium makes only the instance that runs by then end as soon as it has nothing to do.
        event.waitUntil(scope.skipWaiting());
        break;
      case takeOverMessage:
        event.waitUntil(scope.skipWaiting());
        break;
      case lookMessage:
        event.waitUntil(look().catch(onError));
    }
  }

  /** Takes the page under control, and says whether its requests are answered here. */
  async function claim({ ports: [port] }: ServiceWorkerMessage): Promise<void> {
    versions.askNext();
    await scope.clients.claim();
    // Opens the database; what else may be wrong with it, the page's requests are told.
    await store.dueRuns({ now: 0, limit: 1 }).catch(() => undefined);
    port?.postMessage(isOutdated ? outdatedMessage : servingMessage);
    if (isOutdated) await versions.standAside();
  }

  /** What the version before has left due. */
  async function look(): Promise<void> {
    const { tenant } = options;
    if (tenant === undefined || !mayExecute()) return;
    const isPageThere = (await servedTenants(database))?.has(tenant) ?? true;
    if (!isPageThere) await work(executing(), tenant);
  }

  return {
    fetch,
    listen() {
      scope.addEventListener("install", (event) => {
        if (options.skipWaiting !== true) return;
        event.waitUntil(askToYield(scope.registration.active).then(() => scope.skipWaiting()));
      });
      scope.addEventListener("activate", (event) => {
        event.waitUntil(scope.clients.claim());
        scope.registration.active?.postMessage(lookMessage);
      });
      scope.addEventListener("fetch", (event) => void fetch(event));
      scope.addEventListener("message", hear);
    },
  };
}

/** True after so many milliseconds. */
function timeout(ms: number): () => boolean {
  const endsAt = Date.now() + ms;
  return () => Date.now() >= endsAt;
}

/** One request, and what the worker does for it. */
interface Visit {
  readonly event: ServiceWorkerFetchEvent;
  /** Keeps the worker awake until the work is done. */
  readonly background: (work: Promise<unknown>) => void;
  /** The tenants for which pages execute; `undefined` where the platform cannot say. */
  served?: ReadonlySet<string> | undefined;
  /** Who called, once that is known. */
  tenant?: string;
  executing?: Runtime;
}

function visitOf(event: ServiceWorkerFetchEvent, onError: (error: unknown) => void): Visit {
  let underWay = 0;
  let over = () => {};
  // One for all, because an event that was answered takes no other.
  event.waitUntil(
    new Promise<void>((resolve) => {
      over = resolve;
    }),
  );
  const background = async (work: Promise<unknown>) => {
    underWay++;
    await work.catch(onError);
    if (--underWay === 0) over();
  };
  return { event, background };
}

function isRead({ event }: Visit): boolean {
  return event.request.method === "GET" || event.request.method === "HEAD";
}

// Where the platform cannot say, there may be one, and it is given its time.
function isServed({ served }: Visit, tenant: string): boolean {
  return served?.has(tenant) ?? true;
}
