import { expectKind } from "../argument.ts";
import { onAbort } from "../clock.ts";
import { DurableError } from "../errors.ts";
import { aText } from "../json.ts";

/**
 * Detects which executors are alive, faster than a lease does. With it a dead tab's runs are taken at once; without it,
 * when their leases lapse. An executor that it does not know counts as alive.
 */
export interface Presence {
  /** The prefix of every name that this presence can judge. */
  readonly prefix: string;
  /**
   * Announces the executor as alive until it is released or its page dies. Resolves once others can see it.
   *
   * @throws `unsupported` if the platform does not allow it, as in a sandboxed frame.
   */
  announce(executor: string): Promise<void>;
  isGone(executor: string): Promise<boolean>;
  /** Resolves when that executor is gone, or when `signal` aborts. */
  whenGone(executor: string, signal: AbortSignal): Promise<void>;
  release(): void;
}

/**
 * Presence by Web Locks: each executor holds an exclusive lock of its name, which the browser frees when its page dies.
 * A waiter requests the same lock as a shared one, so that all waiters get it at once: a waiter in a tab with a blocked
 * thread does not delay the others. A frozen page keeps its lock, and loses its runs when their leases lapse.
 *
 * `undefined` if the platform has no Web Locks.
 *
 * @example
 * ```ts
 * import { createRuntime, webLocksPresence } from "orca-durable";
 * import { indexedDbStore } from "orca-durable/indexeddb";
 * import { skills } from "./skills.ts";
 *
 * export const runtime = createRuntime({ store: indexedDbStore(), skills, presence: webLocksPresence() });
 * ```
 */
export function webLocksPresence(name = "orca-durable"): Presence | undefined {
  expectKind(name, aText, "name");
  const locks = (globalThis as { navigator?: { locks?: LockManager } }).navigator?.locks;
  if (locks === undefined) return undefined;
  const prefix = "tab_";
  const lockName = (executor: string) => `${name}/${executor}`;
  const released = new AbortController();
  const isKnown = (executor: string) => executor.startsWith(prefix);
  return {
    prefix,
    announce(executor) {
      return new Promise((resolve, reject) => {
        const hold = () => {
          resolve();
          return aborted(released.signal);
        };
        asking(() => locks.request(lockName(executor), hold)).catch(reject);
      });
    },
    async isGone(executor) {
      if (!isKnown(executor)) return false;
      const { held = [] } = await asking(() => locks.query());
      // A shared lock belongs to a page that waits.
      return !held.some((lock) => lock.mode === "exclusive" && lock.name === lockName(executor));
    },
    async whenGone(executor, signal) {
      if (!isKnown(executor)) return aborted(signal);
      try {
        await asking(() => locks.request(lockName(executor), { mode: "shared", signal }, () => {}));
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    release: () => released.abort(),
  };
}

/** @throws `unsupported` if Web Locks are not available on this page. */
async function asking<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (cause) {
    if (!isRefusal(cause)) throw cause;
    throw new DurableError("unsupported", "Web Locks are not available on this page", {
      hint: "a sandboxed frame needs allow-same-origin",
      cause,
    });
  }
}

/** Of an opaque origin, or of a document that is no longer shown. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && (error.name === "SecurityError" || error.name === "InvalidStateError");
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => void onAbort(signal, resolve));
}
