import { aSignal, atLeast0, expectKind, given } from "../argument.ts";
import type { Clock } from "../clock.ts";
import { aCount, aFlag, aTime } from "../json.ts";

/** The options of `virtualClock`. */
export interface VirtualClockOptions {
  /** The time at the start, in milliseconds since 1970. Default: the real time. */
  readonly now?: number;
  /** True if only {@link VirtualClock.advance} moves time. Default false: it moves by itself. */
  readonly isManual?: boolean;
  /**
   * The number of turns of the event loop without a call of the clock after which everything counts as quiet. Default
   * 4.
   */
  readonly quietTurns?: number;
}

/** A clock that skips time during which everything only waits. Made by {@link virtualClock}. */
export interface VirtualClock extends Clock {
  /**
   * Advances the time. Sleeps end one by one in the order in which they are due, and everything that follows from one
   * sleep happens before the next ends. Resolves when all is quiet at the new time.
   */
  advance(ms: number): Promise<void>;
  /**
   * Stops the time until `work` has settled, and resolves with its result. For work that takes real time,
   * such as a request, which the clock cannot see.
   */
  during<T>(work: PromiseLike<T>): Promise<T>;
}

interface Sleeper {
  readonly dueAt: number;
  readonly wake: () => void;
}

/**
 * A clock for tests, in which days pass at once. Time stands still while anything moves; when everything only sleeps,
 * it jumps to the sleep that is due first, and ends it in a separate turn of the event loop.
 *
 * The clock assumes that everything sleeps if no sleep begins or ends for some turns of the event loop. That is long
 * enough for promises, timers of 0 ms and the memory store. Put longer work into `during`, and stores on a real medium into
 * `timelessStore`; otherwise a timeout of an hour may end before the medium has answered.
 *
 * @example
 * ```ts
 * import { createRuntime } from "orca-durable";
 * import { memoryStore } from "orca-durable/memory";
 * import { virtualClock } from "orca-durable/testing";
 * import { skills } from "./skills.ts";
 *
 * const clock = virtualClock({ now: Date.UTC(2026, 0, 1) });
 * export const runtime = createRuntime({ serves: false, store: memoryStore(), skills, clock });
 * ```
 */
export function virtualClock(options: VirtualClockOptions = {}): VirtualClock {
  const kinds = { now: aTime, isManual: aFlag, quietTurns: aCount(0) };
  const { now: startsAt = Date.now(), isManual = false, quietTurns = 4 } = given(options, kinds);
  let now = startsAt;
  let isMoving = false;
  let activity = 0;
  const sleepers = new Set<Sleeper>();
  const works = new Set<Promise<unknown>>();

  async function quiet(): Promise<void> {
    for (let turns = 0; turns < quietTurns; turns++) {
      const before = activity;
      await turn();
      while (works.size > 0) await Promise.allSettled(works);
      if (activity !== before) turns = -1;
    }
  }

  function wake(sleeper: Sleeper): void {
    now = Math.max(now, sleeper.dueAt);
    sleeper.wake();
  }

  async function move(): Promise<void> {
    if (isManual || isMoving) return;
    isMoving = true;
    for (;;) {
      if (firstOf(sleepers) === undefined) break;
      await quiet();
      const next = firstOf(sleepers);
      if (next !== undefined) wake(next);
    }
    isMoving = false;
  }

  const sleep: Clock["sleep"] = (ms, signal) =>
    new Promise((resolve) => {
      if (signal !== undefined) expectKind(signal, aSignal, "signal");
      if (signal?.aborted) return resolve();
      // A sleep of 0 ms needs no time to pass, also while time stands still.
      if (ms <= 0) {
        activity++;
        return void turn().then(resolve);
      }
      const end = () => {
        activity++;
        sleepers.delete(sleeper);
        signal?.removeEventListener("abort", end);
        resolve();
      };
      const sleeper = { dueAt: now + Math.max(ms, 0), wake: end };
      activity++;
      sleepers.add(sleeper);
      signal?.addEventListener("abort", end);
      void move();
    });

  return {
    now: () => now,
    sleep,
    async advance(ms) {
      expectKind(ms, atLeast0("milliseconds"), "ms");
      const target = now + ms;
      if (!isManual) {
        await sleep(ms);
        return quiet();
      }
      for (;;) {
        await quiet();
        const next = firstOf(sleepers);
        if (next === undefined || next.dueAt > target) break;
        wake(next);
      }
      now = Math.max(now, target);
    },
    async during(work) {
      const held = Promise.resolve(work);
      works.add(held);
      try {
        return await held;
      } finally {
        activity++;
        works.delete(held);
      }
    },
  };
}

/** The first one that is due; of several, the one that began first; `undefined` if all sleep forever. */
function firstOf(sleepers: ReadonlySet<Sleeper>): Sleeper | undefined {
  let first: Sleeper | undefined;
  for (const sleeper of sleepers) {
    if (sleeper.dueAt < (first?.dueAt ?? Number.POSITIVE_INFINITY)) first = sleeper;
  }
  return first;
}

// A timer, not a promise: work under way in the platform gets its turn too.
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
