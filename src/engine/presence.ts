/**
 * Knows which executors are alive, better than a lease does. With it a dead tab's runs are taken at once; without it, when
 * their leases lapse. An executor that it does not know counts as alive.
 */
export interface Presence {
  /** Begins every name that this presence can judge. */
  readonly prefix: string;
  /** Makes the executor known as alive until it is released or its page dies. Resolves once others can see it. */
  announce(executor: string): Promise<void>;
  isGone(executor: string): Promise<boolean>;
  /** Resolves when that executor is gone, or when `signal` aborts. */
  whenGone(executor: string, signal: AbortSignal): Promise<void>;
  release(): void;
}

/**
 * Presence by Web Locks: each executor holds a lock of its name, which the browser frees when its page dies. A frozen page
 * keeps its lock, and loses its runs when their leases lapse. `undefined` where the platform has no Web Locks.
 */
export function webLocksPresence(name = "orca-durable"): Presence | undefined {
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
        locks
          .request(lockName(executor), () => {
            resolve();
            return aborted(released.signal);
          })
          .catch(reject);
      });
    },
    async isGone(executor) {
      if (!isKnown(executor)) return false;
      const { held = [] } = await locks.query();
      return !held.some((lock) => lock.name === lockName(executor));
    },
    async whenGone(executor, signal) {
      if (!isKnown(executor)) return aborted(signal);
      try {
        await locks.request(lockName(executor), { signal }, () => {});
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    release: () => released.abort(),
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
