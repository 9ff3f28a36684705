import { expectKind } from "./argument.ts";
import { aTime } from "./json.ts";

/**
 * Calls the listener once, as soon as the signal aborts, or at once if it has. The result stops that; without a signal it
 * does nothing.
 */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (signal?.aborted) listener();
  else signal?.addEventListener("abort", listener, { once: true });
  return () => signal?.removeEventListener("abort", listener);
}

/** The outcome of the work; the signal's reason as soon as it aborts, and then the outcome is ignored. */
export function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const release = onAbort(signal, () => reject(signal?.reason));
    work.then(resolve, reject);
    work.then(release, release);
  });
}

/** A controller that aborts by itself, and as soon as one of the signals does, for the same reason, until it is released. */
export function joined(...signals: readonly (AbortSignal | undefined)[]): AbortController & { release(): void } {
  const controller = new AbortController();
  const releases = signals.map((signal) => onAbort(signal, () => controller.abort(signal?.reason)));
  return Object.assign(controller, {
    release() {
      for (const release of releases) release();
    },
  });
}

/** The source of time. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Resolves after that many milliseconds, or as soon as `signal` aborts. With 0 it resolves in a later turn of the
   * event loop, after everything that is ready by then has gone on. A sleep that `isIdle` need not keep a process alive
   * that has nothing else to do.
   */
  sleep(ms: number, signal?: AbortSignal, isIdle?: boolean): Promise<void>;
}

let lastMs = Number.NaN;
let lastText = "";

/** A time of a clock, ISO-8601 in UTC. A step needs the text of the same time again and again, so the last one is kept. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}

/** The clock in whole milliseconds, as stores hold them. */
export function wholeMs(clock: Clock): Clock {
  const now = () => {
    const ms = Math.floor(clock.now());
    return Math.abs(ms) <= 8.64e15 ? ms : expectKind(ms, aTime, "clock.now");
  };
  return { now, sleep: (...given) => clock.sleep(...given) };
}

/** The platform's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal, isIdle) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      if (ms <= 0 && typeof MessageChannel !== "undefined") return nextTurn(resolve);
      const done = () => {
        clearTimeout(timer);
        release();
        resolve();
      };
      // A timer beyond 2^31 - 1 ms would fire at once.
      const timer = setTimeout(done, Math.min(ms, 2_147_483_647));
      // Only Node's timers keep a process alive.
      if (isIdle) (timer as { unref?(): unknown }).unref?.();
      const release = onAbort(signal, done);
    });
  },
};

// In a hidden tab, a timer of 0 ms waits up to a second; a message never does.
function nextTurn(resolve: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    resolve();
  };
  port2.postMessage(null);
}
