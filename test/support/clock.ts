import type { Clock } from "../../src/types.ts";

/** A clock that stands still until a test moves it. */
export interface VirtualClock extends Clock {
  /** Moves the time on, past one sleeper after the other, and lets each of them act before the next. */
  advance(ms: number): Promise<void>;
}

/** Noon on some day. */
export const someNoon = Date.UTC(2026, 2, 26, 12);

// The short pauses between two tries of a commit are not what a test waits for: they pass at once.
const longestPauseMs = 500;

interface Sleeper {
  readonly dueAt: number;
  readonly wake: () => void;
}

export function virtualClock(startsAt = someNoon): VirtualClock {
  let now = startsAt;
  const sleepers = new Set<Sleeper>();

  async function pause(ms: number): Promise<void> {
    const dueAt = now + ms;
    await turn();
    now = Math.max(now, dueAt);
  }

  function sleepLong(ms: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        sleepers.delete(sleeper);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper = { dueAt: now + ms, wake };
      sleepers.add(sleeper);
      signal?.addEventListener("abort", wake);
    });
  }

  return {
    now: () => now,
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.resolve();
      return ms <= longestPauseMs ? pause(ms) : sleepLong(ms, signal);
    },
    async advance(ms) {
      const target = now + ms;
      for (;;) {
        const [next] = [...sleepers].filter(({ dueAt }) => dueAt <= target).sort((a, b) => a.dueAt - b.dueAt);
        if (next === undefined) break;
        now = Math.max(now, next.dueAt);
        next.wake();
        await turn();
      }
      now = Math.max(now, target);
    },
  };
}

/** Lets everything go on that waits for no time. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
