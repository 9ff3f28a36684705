import { type IndexedDbStoreOptions, indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { aFunction, aLength, anId, anything, atLeast0, expectKind, given, type Kinds } from "../../src/argument.ts";
import { systemClock } from "../../src/clock.ts";
import { httpStatus } from "../../src/errors.ts";
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
import { aFlag, aText, present } from "../../src/json.ts";
import { type AppOptions, type Call, type Caller, createApp } from "../http/index.ts";
import { logError } from "../http/middleware/failure.ts";
import { streamKinds } from "../http/stream.ts";
import { checkBasePath, isOurs, servedPaths, underBase } from "./service-worker-paths.ts";
import { type ServiceWorkerFetchEvent, type ServiceWorkerMessage, workerScope } from "./service-worker-scope.ts";
import { claimMessage, defaultDatabase, outdatedMessage, servedTenants, servingMessage } from "./serving.ts";
import { askToYield, followMessage, lookMessage, succession, takeOverMessage, yieldMessage } from "./succession.ts";

export type { Call, Caller, Role } from "../http/index.ts";
export type { ServiceWorkerFetchEvent } from "./service-worker-scope.ts";

/** The caller of each request: a fixed tenant as its admin, or the result of the hook. */
export type ServiceWorkerCallers =
  | {
      /**
       * The tenant of every call. No key is needed: only pages of this origin reach a service worker, and they can open the
       * database themselves. Forms that another site sends here are rejected.
       */
      readonly tenant: string;
      readonly authenticate?: never;
    }
  | {
      readonly tenant?: never;
      /**
       * Returns the caller: the tenant and the role.
       *
       * @throws `unauthorized` or `forbidden` if the caller is not allowed to call.
       */
      readonly authenticate: (call: Call<ServiceWorkerFetchEvent>) => Caller | Promise<Caller>;
    };

/** The options of `createServiceWorker`. */
export type ServiceWorkerOptions = ServiceWorkerCallers &
  Pick<IndexedDbStoreOptions, "durability"> &
  Pick<RuntimeOptions, "leaseMs" | "holdMs" | "maxStateBytes" | "telemetry"> &
  Pick<
    AppOptions<ServiceWorkerFetchEvent>,
    "maxBodyBytes" | "maxBodyValues" | "maxImportBytes" | "inspector" | "reference" | "schedules" | "stream"
  > & {
    readonly skills: readonly Skill[];
    readonly capabilities: readonly AnyCapability[];
    /** The name of the database, which the pages must use too. Default: `orca-durable`. */
    readonly database?: string;
    /**
     * The path below which everything is served, such as `/durable`. Without it, only the paths of the service (`/v1/runs`)
     * are served; every other path of the site is left alone, also one beside them (`/v1/login`).
     */
    readonly basePath?: string;
    /**
     * True if a new version of the worker takes over from the old one while pages are open. The old one then ends its
     * streams, whose clients reconnect, and hands over its runs after the current step. Default: false.
     */
    readonly skipWaiting?: boolean;
    /**
     * False if only pages execute, for capabilities that need a page. Default: true, so that the service worker executes when
     * no page does.
     */
    readonly executes?: boolean;
    /** How long the worker continues to take work after a request, in milliseconds. Default: 20,000. */
    readonly passMs?: number;
    /** How long due runs are left to the pages that execute, before the worker takes them. In milliseconds. Default: 5,000. */
    readonly graceMs?: number;
    /**
     * Called with each failure that the caller did not cause, including failures of background work. If a request met it, the
     * context has the trace id of its answer. Default: `console.error`.
     */
    readonly onError?: OnError;
  };

const optionKinds: Kinds<ServiceWorkerOptions> = {
  tenant: anId,
  authenticate: aFunction,
  skills: anything,
  capabilities: anything,
  database: aText,
  basePath: aText,
  skipWaiting: aFlag,
  executes: aFlag,
  passMs: aLength,
  graceMs: atLeast0("milliseconds"),
  onError: aFunction,
  durability: anything,
  leaseMs: anything,
  holdMs: anything,
  maxStateBytes: anything,
  telemetry: anything,
  maxBodyBytes: anything,
  maxBodyValues: anything,
  maxImportBytes: anything,
  inspector: anything,
  reference: anything,
  schedules: anything,
  stream: anything,
};

/** The result of `createServiceWorker`. */
export interface DurableServiceWorker {
  /**
   * Answers the request if it belongs to the service, and returns true. Otherwise returns false, and the request is
   * untouched.
   */
  fetch(event: ServiceWorkerFetchEvent): boolean;
  /** Listens to the events of the worker. Call it when the script is first evaluated, as browsers require. */
  listen(): void;
}

/** The interval at which requests of one tenant that only read or watch make the worker execute due runs. */
const lookMs = 1_000;

/** Streams end before Chromium ends their requests after five minutes, and the service worker with them. */
const streamMaxMs = 240_000;

/**
 * The HTTP service over IndexedDB, in a service worker: it answers `fetch("/v1/runs")` of pages of this origin, with or
 * without a network.
 *
 * The worker decides and commits, and pages that serve the tenant execute (see `createPage` of `orca-durable/page`). If no
 * page does, the worker executes what a request starts and what is due, takes nothing new after `passMs`, and leaves the rest
 * due. A run that is watched through its stream continues as long as it is watched. Browsers stop a service worker at any
 * time; its runs are then due again immediately.
 *
 * @throws `invalid_definition` if `basePath` is not a path.
 * @example
 * ```ts
 * import { createServiceWorker } from "orca-durable/service-worker";
 * import { capabilities, skills } from "./skills.ts";
 *
 * createServiceWorker({ tenant: "me", skills, capabilities }).listen();
 * ```
 */
export function createServiceWorker(from: ServiceWorkerOptions): DurableServiceWorker {
  const options = given(from, optionKinds);
  const { skills, capabilities, database = defaultDatabase, basePath = "", executes = true } = options;
  const { passMs = 20_000, graceMs = 5_000, onError = logError } = options;
  const { durability, leaseMs, holdMs, maxStateBytes, telemetry } = options;
  const { maxBodyBytes, maxBodyValues, maxImportBytes, inspector, reference, schedules, stream = {} } = options;
  if (options.authenticate === undefined) expectKind(options.tenant, anId, "tenant");
  checkBasePath(basePath);
  const scope = workerScope();
  const versions = succession(scope);
  let isOutdated = false;
  const store = indexedDbStore({
    name: database,
    ...present({ durability }),
    onDataLoss: onError,
    onOutdated() {
      isOutdated = true;
      versions.standAside().catch(onError);
    },
  });
  const notifier = broadcastNotifier(database);
  const shared: RuntimeOptions = {
    ...{ store, skills, capabilities, onError },
    // The end of one runtime must not close the channel that all of them share.
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
    stream: { maxMs: streamMaxMs, ...given(stream, streamKinds, "stream", "stream") },
    onStream({ ended, close }, { env: visit }) {
      const { yielded } = versions;
      if (yielded.aborted) close();
      yielded.addEventListener("abort", close);
      ended.addEventListener("abort", () => yielded.removeEventListener("abort", close));
      if (visit.tenant !== undefined) visit.background(accompany(visit.tenant, ended));
    },
    onError,
    ...present({ maxBodyBytes, maxBodyValues, maxImportBytes, inspector, reference, schedules, telemetry }),
  });
  const paths = servedPaths(app, { basePath, hasReference: reference !== undefined });

  /** False also if the next version is to execute: it waits until this version has nothing more to do. */
  function mayExecute(): boolean {
    return executes && !isOutdated && !versions.yielded.aborted;
  }

  /** A runtime that executes for as long as one request keeps this worker awake, under a name of its own. */
  function executing(isOver: () => boolean = timeout(passMs)): Runtime {
    const { yielded } = versions;
    const isSpent = () => yielded.aborted || isOver();
    // A stuck body must be detected before it is handed over, or it would never be.
    const bodyQuietMs = passMs * 0.8;
    return createRuntime({ serves: false, ...shared, presence: webLocksPresence(database), isSpent, bodyQuietMs });
  }

  async function answer(visit: Visit): Promise<Response> {
    visit.served = await servedTenants(database);
    const context = { waitUntil: visit.background, passThroughOnException() {}, props: {} };
    const response = await app.fetch(await underBase(visit.event.request, basePath), visit, context);
    // By then, the next version answers.
    if (isOutdated && response.status === httpStatus.store_outdated) response.headers.set("retry-after", "1");
    return response;
  }

  /** Continues the work after the answer, if no page does it. */
  async function goOn(visit: Visit): Promise<void> {
    const { tenant } = visit;
    if (tenant === undefined || !mayExecute()) return;
    if (visit.executing !== undefined) return work(visit.executing, tenant);
    const isPageThere = isServed(visit, tenant);
    if (isRead(visit)) {
      // A client that polls keeps its runs going, but must not cost more than it gains.
      if (Date.now() - (lookedAt.get(tenant) ?? 0) < lookMs) return;
      lookedAt.set(tenant, Date.now());
    } else {
      await systemClock.sleep(graceMs, versions.yielded);
      if (!mayExecute()) return;
    }
    if (!isPageThere || (await isLeftDue(tenant))) await work(executing(), tenant);
  }

  /** Executes due runs while a stream watches: otherwise nothing would, if no page does. */
  async function accompany(tenant: string, ended: AbortSignal): Promise<void> {
    let runtime: Runtime | undefined;
    let isOver = () => false;
    ended.addEventListener("abort", () => {
      isOver = timeout(passMs);
    });
    for (;;) {
      await systemClock.sleep(lookMs, ended);
      if (ended.aborted || !mayExecute()) break;
      // Another stream of the tenant may have looked already.
      if (Date.now() - (lookedAt.get(tenant) ?? 0) < lookMs / 2) continue;
      lookedAt.set(tenant, Date.now());
      if (((await servedTenants(database))?.has(tenant) ?? true) && !(await isLeftDue(tenant))) continue;
      runtime ??= executing(() => isOver());
      // Not awaited: a long step must not keep other runs waiting.
      runtime.drain({ tenant }).catch(onError);
    }
    await runtime?.idle();
    await runtime?.stop();
  }

  /** True if pages have left runs due for longer than the grace period: they are frozen or gone. */
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
        // Called again: Chromium makes only the current instance end as soon as it has nothing to do.
        event.waitUntil(scope.skipWaiting());
        break;
      case takeOverMessage:
        event.waitUntil(scope.skipWaiting());
        break;
      case lookMessage:
        event.waitUntil(look().catch(onError));
    }
  }

  /** Takes control of the page, and answers whether its requests are answered here. */
  async function claim({ ports: [port] }: ServiceWorkerMessage): Promise<void> {
    versions.askNext();
    await scope.clients.claim();
    // Opens the database. Any other problem with it is reported to the requests of the page.
    await store.dueRuns({ now: 0, limit: 1 }).catch(() => undefined);
    port?.postMessage(isOutdated ? outdatedMessage : servingMessage);
    if (isOutdated) await versions.standAside();
  }

  /** Executes what the previous version has left due. */
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

/** Returns a function that is true after `ms` milliseconds. */
function timeout(ms: number): () => boolean {
  const endsAt = Date.now() + ms;
  return () => Date.now() >= endsAt;
}

/** One request, and the work that it causes. */
interface Visit {
  readonly event: ServiceWorkerFetchEvent;
  /** Keeps the worker awake until the work settles. */
  readonly background: (work: Promise<unknown>) => void;
  /** The tenants for which pages execute; `undefined` if the platform cannot say. */
  served?: ReadonlySet<string> | undefined;
  /** The tenant of the caller, once it is known. */
  tenant?: string;
  executing?: Runtime;
}

function visitOf(event: ServiceWorkerFetchEvent, onError: (error: unknown) => void): Visit {
  let underWay = 0;
  let over = () => {};
  // One promise for all the work, because an event that was answered accepts no other.
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

// If the platform cannot say, there may be a page, and it gets its grace period.
function isServed({ served }: Visit, tenant: string): boolean {
  return served?.has(tenant) ?? true;
}
