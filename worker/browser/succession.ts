import { systemClock } from "../../src/clock.ts";
import type { ServiceWorkerScope, ServiceWorkerVersion } from "./service-worker-scope.ts";

/**
 * A version that does not wait sends this to the previous version, to make it end what keeps it busy: the browser waits for
 * that. The answer, the same message, comes through the port.
 */
export const yieldMessage = "orca-durable:yield";

/**
 * A version that was started again sends this to the next one, to ask whether it waits: it cannot have received the request
 * to yield. A version that does not wait answers with {@link yieldMessage} through the port.
 */
export const followMessage = "orca-durable:follow";

/** A version that can no longer serve sends this to the next one, so that it does not wait. */
export const takeOverMessage = "orca-durable:take-over";

/** A version that has just taken over sends this to itself, to look for due runs once it may. */
export const lookMessage = "orca-durable:look";

/**
 * How one version of a service worker follows another. A browser makes the next version wait until the pages of the previous
 * one are gone. A version that skips this still waits until the previous one has nothing more to do, which takes minutes if
 * it streams.
 */
export interface Succession {
  /**
   * Aborts when the next version wants to take over. If that version fails, the property is a new signal that has not
   * aborted.
   */
  readonly yielded: AbortSignal;
  yield(): void;
  /** Asks the next version once whether it waits, if it was there before this instance of the script. */
  askNext(): void;
  /** Makes the next version take over as soon as there is one, because this one can no longer serve. */
  standAside(): Promise<void>;
}

/** How late the information about the next version may be. */
const graceMs = 10_000;

/** A version that has not answered by then was not made by `createServiceWorker`, or is blocked. */
const answerMs = 3_000;

/** Asks a version to yield. Resolves when it has yielded, or does not answer in time. */
export async function askToYield(version: ServiceWorkerVersion | null): Promise<void> {
  if (version === null) return;
  const over = new AbortController();
  const answered = new Promise<void>((resolve) => post(version, yieldMessage, resolve));
  await Promise.race([answered, systemClock.sleep(answerMs, over.signal)]);
  over.abort();
}

/** Sends a message to a version, with a port for its single answer. */
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

/** Resolves when the version is installed (true), or has failed to install (false). */
function isInstalled(version: ServiceWorkerVersion): Promise<boolean> {
  return new Promise((resolve) => {
    const look = () => {
      if (version.state !== "installing" && version.state !== "parsed") resolve(version.state !== "redundant");
    };
    version.addEventListener("statechange", look);
    look();
  });
}
