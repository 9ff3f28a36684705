import { type IndexedDbStoreOptions, indexedDbStore } from "../../adapters/indexeddb/index.ts";
import {
  type AnyCapability,
  broadcastNotifier,
  createRuntime,
  DurableError,
  type ErrorCode,
  isDurableError,
  type OnError,
  type Runs,
  type Runtime,
  type RuntimeOptions,
  type Skill,
  webLocksPresence,
} from "../../src/index.ts";
import { present } from "../../src/present.ts";
import { controlled } from "./registration.ts";
import { announceServing, defaultDatabase } from "./serving.ts";

export interface PageOptions
  extends Pick<IndexedDbStoreOptions, "durability">,
    Pick<RuntimeOptions, "leaseMs" | "holdMs" | "maxStateBytes" | "telemetry" | "onError"> {
  /** Whose runs this page executes: the tenant that the service worker knows its calls by. */
  readonly tenant: string;
  readonly skills: readonly Skill[];
  readonly capabilities: readonly AnyCapability[];
  /** The database, by the name that the service worker knows too. Default `orca-durable`. */
  readonly database?: string;
  /** The address of the service worker's script. None is registered where it is absent. */
  readonly serviceWorker?: string | URL;
  /** How it is registered: its scope, and `type: "module"` where the script is a module. */
  readonly registration?: RegistrationOptions;
  /** How often it looks for what is due, in milliseconds. Default 1,000. */
  readonly everyMs?: number;
}

/** A page that executes its tenant's runs. */
export interface DurablePage {
  readonly runtime: Runtime;
  /** The tenant's runs, without a service worker in between. */
  readonly runs: Runs;
  /**
   * Resolves once the service worker knows that this page executes, and the page's requests go through it. Without one it
   * is resolved as soon as others can see the page.
   *
   * @throws `unsupported` where the browser has no storage or no service workers for this page, as in a sandboxed frame or
   * some private windows, or where it was stopped before; `invalid_definition` where the service worker cannot be registered,
   * or does not cover this page; `store_outdated` where a newer version of the page has upgraded the database.
   */
  readonly ready: Promise<void>;
  /** Executes nothing more; what was under way is due at once, for another page or the service worker. */
  stop(): Promise<void>;
}

/** What the medium says again at each look, until it is well again. */
const repeated: readonly ErrorCode[] = ["store_failed", "store_blocked", "quota_exceeded"];
const repeatedMs = 60_000;

/**
 * Makes this page execute its tenant's runs, over the database that it shares with its service worker and with other pages:
 * what they start is executed here, and here timers tick. Each run is executed in one place, by its lease.
 *
 * `onError` is called once where the browser refuses what a page needs, or a newer version of the page has upgraded the
 * database: the page executes nothing then. Of the medium's failures it is called with each once a minute.
 *
 * @throws `invalid_request` where the tenant's name is not an id; `unsupported` without WebCrypto or BroadcastChannel.
 * @example
 * const page = createPage({ tenant: "me", skills, capabilities, serviceWorker: "/service-worker.js" });
 * await page.ready; // from here on fetch("/v1/runs") is answered on this device
 */
export function createPage(options: PageOptions): DurablePage {
  const { tenant, skills, capabilities, database = defaultDatabase, everyMs } = options;
  const { durability, leaseMs, holdMs, maxStateBytes, telemetry, serviceWorker, registration } = options;
  const stopped = new AbortController();
  const onError = untilOutdated(options.onError ?? ((error: unknown) => console.error(error)), () => void stop());
  const store = indexedDbStore({ name: database, ...present({ durability }) });
  const runtime = createRuntime({
    ...{ store, skills, capabilities, onError },
    notifier: broadcastNotifier(database),
    presence: webLocksPresence(database),
    ...present({ leaseMs, holdMs, maxStateBytes, telemetry }),
  });
  const runs = runtime.for(tenant);
  const ready = begin();
  // Without it the page executes all the same, so that its callers need not await it.
  ready.catch((error) => {
    if (!stopped.signal.aborted) onError(error);
  });
  return { runtime, runs, ready, stop };

  async function begin(): Promise<void> {
    await opened();
    stopped.signal.throwIfAborted();
    const announced = announceServing(database, tenant, stopped.signal);
    runtime.serve({ tenant, signal: stopped.signal, ...present({ everyMs }) }).catch(onError);
    await announced;
    if (serviceWorker === undefined) return;
    await controlled(serviceWorker, registration, stopped.signal);
  }

  /** Upgrades the database, before the service worker is asked whether it can read it. */
  async function opened(): Promise<void> {
    try {
      await store.dueRuns({ now: 0, tenant, limit: 1 });
    } catch (error) {
      if (isDurableError(error, "unsupported") || isDurableError(error, "store_outdated")) throw error;
      // It may be well at the next look.
      onError(error);
    }
  }

  async function stop(): Promise<void> {
    stopped.abort(new DurableError("unsupported", "this page was stopped"));
    await runtime.stop();
  }
}

/**
 * Tells the medium's failures once a minute, since each look meets them again. That the page is outdated is told once, and
 * `end` called with it.
 */
function untilOutdated(tell: OnError, end: () => void): OnError {
  const toldAt = new Map<string, number>();
  let isOutdated = false;
  return (...given) => {
    const [error] = given;
    if (isDurableError(error, "store_outdated")) {
      if (isOutdated) return;
      isOutdated = true;
      tell(...given);
      return end();
    }
    if (isDurableError(error) && repeated.includes(error.code)) {
      const before = toldAt.get(error.message);
      if (before !== undefined && Date.now() - before < repeatedMs) return;
      toldAt.set(error.message, Date.now());
    }
    tell(...given);
  };
}
