import { type IndexedDbStoreOptions, indexedDbStore } from "../adapters/indexeddb/index.ts";
import {
  type AnyCapability,
  broadcastNotifier,
  createRuntime,
  DurableError,
  type Runs,
  type Runtime,
  type RuntimeOptions,
  type Skill,
  webLocksPresence,
} from "../src/index.ts";
import { present } from "../src/present.ts";
import { announceServing, claimMessage, defaultDatabase } from "./serving.ts";

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
   * @throws `unsupported` where there are no service workers, as in some private windows; what the browser says where it
   * refuses the script.
   */
  readonly ready: Promise<void>;
  /** Executes nothing more; what was under way is due at once, for another page or the service worker. */
  stop(): Promise<void>;
}

/**
 * Makes this page execute its tenant's runs, over the database that it shares with its service worker and with other pages:
 * what they start is executed here, and here timers tick. Each run is executed in one place, by its lease.
 */
export function createPage(options: PageOptions): DurablePage {
  const { tenant, skills, capabilities, database = defaultDatabase, everyMs } = options;
  const { durability, leaseMs, holdMs, maxStateBytes, telemetry, onError } = options;
  const runtime = createRuntime({
    store: indexedDbStore({ name: database, ...present({ durability }) }),
    ...{ skills, capabilities },
    notifier: broadcastNotifier(database),
    presence: webLocksPresence(database),
    ...present({ leaseMs, holdMs, maxStateBytes, telemetry, onError }),
  });
  const runs = runtime.for(tenant);
  const stopped = new AbortController();
  const report = onError ?? ((error: unknown) => console.error(error));
  const announced = announceServing(database, tenant, stopped.signal);
  runtime.serve({ tenant, signal: stopped.signal, ...present({ everyMs }) }).catch(report);
  const ready = Promise.all([announced, controlled(options)]).then(() => undefined);
  // Without it the page executes all the same, so that nobody need wait for it.
  ready.catch(report);
  return {
    ...{ runtime, runs, ready },
    async stop() {
      stopped.abort();
      await runtime.stop();
    },
  };
}

async function controlled({ serviceWorker, registration }: PageOptions): Promise<void> {
  if (serviceWorker === undefined) return;
  const container = (globalThis as { navigator?: Partial<Navigator> }).navigator?.serviceWorker;
  if (container === undefined) {
    throw new DurableError("unsupported", "this page has no service workers", {
      hint: "They need https or localhost, and some browsers have none in a private window.",
    });
  }
  await container.register(serviceWorker, registration);
  const { active } = await container.ready;
  if (container.controller !== null) return;
  await new Promise<void>((resolve) => {
    container.addEventListener("controllerchange", () => resolve(), { once: true });
    active?.postMessage(claimMessage);
  });
}
