import { aTime, expectKind } from "./argument.ts";

/** The source of time. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /**
   * Resolves after that many milliseconds, or as soon as `signal` aborts. With 0 it resolves in a later turn of the
   * event loop, after everything that is ready by then has gone on.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A time of a clock, ISO-8601 in UTC. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

/** The clock in whole milliseconds, as stores hold them. */
export function wholeMs(clock: Clock): Clock {
  const now = () => {
    const ms = Math.floor(clock.now());
    return Math.abs(ms) <= 8.64e15 ? ms : expectKind(ms, aTime, "clock.now");
  };
  return { now, sleep: (ms, signal) => clock.sleep(ms, signal) };
}

/** The platform's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      if (ms <= 0 && typeof MessageChannel !== "undefined") return nextTurn(resolve);
      // A timer beyond 2^31 - 1 ms would fire at once.
      const timer = setTimeout(done, Math.min(ms, 2_147_483_647));
      signal?.addEventListener("abort", done);
      function done(): void {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      }
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
