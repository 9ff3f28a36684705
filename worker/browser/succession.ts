import { systemClock } from "../../src/clock.ts";
import type { ServiceWorkerScope, ServiceWorkerVersion } from "./service-worker-scope.ts";

/**
 * By it a version that does not wait asks the one before to end what keeps it busy: a browser waits for that. The answer, which
 * is the same message, comes through the port.
 */
export const yieldMessage = "orca-durable:yield";

/**
 * By it a version that was started anew asks the next one whether it waits, since it cannot have heard that it has to yield. A
 * version that does not wait answers with {@link yieldMessage} through the port.
 */
export const followMessage = "orca-durable:follow";

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
  /** Asks the next version once whether it waits, if it was there before this instance of the script. */
  askNext(): void;
  /** Makes the next version take over, as soon as there is one. This one cannot serve any more. */
  standAside(): Promise<void>;
}

/** What is known of the next version may be late by so long. */
const graceMs = 10_000;

/** A version that has not answered by then is not made by `createServiceWorker`, or is blocked. */
const answerMs = 3_000;

/** Asks a version to yield, and resolves once it has, or does not answer. */
export async function askToYield(version: ServiceWorkerVersion | null): Promise<void> {
  if (version === null) return;
  const over = new AbortController();
  const answered = new Promise<void>((resolve) => post(version, yieldMessage, resolve));
  await Promise.race([answered, systemClock.sleep(answerMs, over.signal)]);
  over.abort();
}

/** Sends a message to a version, with a port for its one answer. */
function post(version: ServiceWorkerVersion, message: string, onAnswer: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    onAnswer();
  };
  version.postMessage(message, [port2]);
}

export function succession({ registration }: Pick<ServiceWorkerScope, "registration">): Succession {
  let yielding = new AbortController();
  let yieldedAt = 0;
  let hasAsked = false;
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
    askNext() {
      if (hasAsked) return;
      hasAsked = true;
      const version = next();
      if (version !== null && !yielding.signal.aborted) post(version, followMessage, yieldNow);
    },
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
