import { type IndexedDbStoreOptions, indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { aFunction, aLength, anId, anObject, anything, given, type Kinds, needed } from "../../src/argument.ts";
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
import { aText, present } from "../../src/json.ts";
import { controlled } from "./registration.ts";
import { announceServing, defaultDatabase } from "./serving.ts";

/** The options of `createPage`. */
export interface PageOptions
  extends Pick<IndexedDbStoreOptions, "durability">,
    Pick<RuntimeOptions, "leaseMs" | "holdMs" | "maxStateBytes" | "telemetry" | "onError"> {
  /** The tenant whose runs this page executes: the tenant that the service worker assigns to its calls. */
  readonly tenant: string;
  readonly skills: readonly Skill[];
  readonly capabilities: readonly AnyCapability[];
  /** The name of the database, which the service worker must use too. Default: `orca-durable`. */
  readonly database?: string;
  /** The URL of the service worker's script. Default: no service worker is registered. */
  readonly serviceWorker?: string | URL;
  /** The options of the registration: its scope, and `type: "module"` if the script is a module. */
  readonly registration?: RegistrationOptions;
  /** The interval at which it looks for due runs, in milliseconds. Default: 1,000. */
  readonly everyMs?: number;
}

/** A page that executes its tenant's runs. */
export interface DurablePage {
  readonly runtime: Runtime;
  /** The tenant's runs, accessed without the service worker. */
  readonly runs: Runs;
  /**
   * Resolves when the service worker knows that this page executes runs, and the requests of the page go through it. Without
   * a service worker it resolves when others can see the page.
   *
   * @throws `unsupported` if the browser has no storage or no service workers for this page, as in a sandboxed frame or some
   * private windows, or if the page was stopped before; `invalid_definition` if the service worker cannot be registered or
   * does not cover this page; `store_outdated` if a newer version of the page has upgraded the database.
   */
  readonly ready: Promise<void>;
  /** Stops executing. Runs in progress are due immediately, for another page or the service worker. */
  stop(): Promise<void>;
}

const optionKinds: Kinds<PageOptions> = {
  tenant: needed(anId),
  skills: anything,
  capabilities: anything,
  database: aText,
  serviceWorker: ["an address", (value) => typeof value === "string" || value instanceof URL],
  registration: anObject,
  everyMs: aLength,
  durability: anything,
  leaseMs: anything,
  holdMs: anything,
  maxStateBytes: anything,
  telemetry: anything,
  onError: aFunction,
};

/** Failures of the medium that each look repeats until the medium recovers. */
const repeated: readonly ErrorCode[] = ["store_failed", "store_blocked", "quota_exceeded"];
const repeatedMs = 60_000;

/**
 * Makes this page execute the runs of its tenant, over the database that it shares with its service worker and with other
 * pages. This page executes the runs that they start, and its timers fire here. The lease of a run ensures that only one
 * place executes it.
 *
 * `onError` is called once if the browser lacks what a page needs, or if a newer version of the page has upgraded the
 * database: the page then executes nothing. It is called with a `corrupt_data` if the browser has deleted a damaged database. It is called with the same failure of the medium at most once a minute.
 *
 * @throws `invalid_request` if the tenant is not a valid id; `unsupported` without WebCrypto or BroadcastChannel.
 * @example
 * ```ts
 * import { createPage } from "orca-durable/page";
 * import { capabilities, skills } from "./skills.ts";
 *
 * const page = createPage({ tenant: "me", skills, capabilities, serviceWorker: "/service-worker.js" });
 * await page.ready; // from here on fetch("/v1/runs") is answered on this device
 * ```
 */
export function createPage(options: PageOptions): DurablePage {
  const { tenant, skills, capabilities, database = defaultDatabase, everyMs, ...rest } = given(options, optionKinds);
  const { durability, leaseMs, holdMs, maxStateBytes, telemetry, serviceWorker, registration } = rest;
  const stopped = new AbortController();
  const onError = untilOutdated(rest.onError ?? ((error: unknown) => console.error(error)), () => void stop());
  const store = indexedDbStore({ name: database, onDataLoss: onError, ...present({ durability }) });
  const runtime = createRuntime({
    serves: false,
    ...{ store, skills, capabilities, onError },
    notifier: broadcastNotifier(database),
    presence: webLocksPresence(database),
    ...present({ leaseMs, holdMs, maxStateBytes, telemetry }),
  });
  const runs = runtime.for(tenant);
  const ready = begin();
  // If it rejects, the page still executes, so callers need not await it.
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

  /** Upgrades the database before the service worker is asked whether it can read it. */
  async function opened(): Promise<void> {
    try {
      await store.dueRuns({ now: 0, tenant, limit: 1 });
    } catch (error) {
      if (isDurableError(error, "unsupported", "store_outdated")) throw error;
      // The medium may recover by the next look.
      onError(error);
    }
  }

  async function stop(): Promise<void> {
    stopped.abort(new DurableError("unsupported", "this page was stopped"));
    await runtime.stop();
  }
}

/**
 * Reports each failure of the medium at most once a minute, since every look meets it again. That the page is outdated is
 * reported once, and then `end` is called.
 */
function untilOutdated(report: OnError, end: () => void): OnError {
  const reportedAt = new Map<string, number>();
  let isOutdated = false;
  return (...given) => {
    const [error] = given;
    if (isDurableError(error, "store_outdated")) {
      if (isOutdated) return;
      isOutdated = true;
      report(...given);
      return end();
    }
    if (isDurableError(error) && repeated.includes(error.code)) {
      const before = reportedAt.get(error.message);
      if (before !== undefined && Date.now() - before < repeatedMs) return;
      reportedAt.set(error.message, Date.now());
    }
    report(...given);
  };
}
