import type { ServiceWorkerScope, ServiceWorkerVersion } from "./service-worker-scope.ts";

/** By it a version that does not wait asks the one before to end what keeps it busy: a browser waits for that. */
export const yieldMessage = "orca-durable:yield";

/** By it a version that can no longer serve asks the next one not to wait. */
export const takeOverMessage = "orca-durable:take-over";

/** By it a version that has just taken over asks itself to look for what is due, once it may. */
export const lookMessage = "orca-durable:look";

/**
 * How one version of a service worker follows another. A browser makes the next one wait until the pages of the last are gone;
 * one that skips that waits all the same until the last has nothing more to do, for minutes where it streams.
 */
export interface Succession {
  /** Aborts once the next version wants to take over. Where that one fails, it is another signal that has not aborted. */
  readonly yielded: AbortSignal;
  yield(): void;
  /** Makes the next version take over, as soon as there is one. This one cannot serve any more. */
  standAside(): Promise<void>;
}

/** What is known of the next version may be late by so long. */
const graceMs = 10_000;

export function succession({ registration }: Pick<ServiceWorkerScope, "registration">): Succession {
  let yielding = new AbortController();
  let yieldedAt = 0;
  const next = () => registration.waiting ?? registration.installing;
  const yieldNow = () => {
    yieldedAt = Date.now();
    yielding.abort();
  };
  return {
    get yielded() {
      const isOver = yielding.signal.aborted && next() === null && Date.now() - yieldedAt > graceMs;
      if (isOver) yielding = new AbortController();
      return yielding.signal;
    },
    yield: yieldNow,
    async standAside() {
      if (next() === null) await registration.update();
      const successor = next();
      if (successor === null) return;
      yieldNow();
      if (await isInstalled(successor)) successor.postMessage(takeOverMessage);
    },
  };
}

/** Resolves once it is installed, or has failed to. */
function isInstalled(version: ServiceWorkerVersion): Promise<boolean> {
  return new Promise((resolve) => {
    const look = () => {
      if (version.state !== "installing" && version.state !== "parsed") resolve(version.state !== "redundant");
    };
    version.addEventListener("statechange", look);
    look();
  });
}
