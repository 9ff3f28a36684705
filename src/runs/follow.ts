import { onAbort, unlessAborted } from "../clock.ts";
import { type DurableError, isDurableError, isPassing } from "../errors.ts";
import { feedOf } from "./feed.ts";

/** The options of `watchRuns` and `watchRun`. */
export interface FollowOptions {
  /** Ends it. */
  readonly signal?: AbortSignal;
  /** How often the runs are read if no change is announced, in milliseconds. Default: 2,000. */
  readonly pollMs?: number;
}

/** What a look found: another value than before, or why it failed. It is tried again. */
export type Look<T> =
  | { readonly value: T; readonly error?: never }
  | { readonly error: DurableError; readonly value?: never };

/** The shortest time between the beginnings of two looks, however many changes are announced. */
const leastGapMs = 100;
const longestPauseMs = 30_000;

/**
 * Reads at once, after each change of a run that `concerns` it, and on a tick. `look` resolves with undefined if nothing
 * is new. A failure that may pass is yielded once, and the next look is later.
 *
 * @throws what `look` throws, unless it may pass.
 */
export async function* follow<T>(
  runs: object,
  look: () => Promise<T | undefined>,
  { signal, pollMs }: FollowOptions,
  concerns: (runId: string) => boolean = () => true,
): AsyncGenerator<Look<T>, void, undefined> {
  const feed = feedOf(runs);
  const { clock } = feed;
  let woken = new AbortController();
  let failures = 0;
  const wake = () => woken.abort();
  const unsubscribe = feed.subscribe((runId) => {
    if (runId === undefined || concerns(runId)) wake();
  });
  const release = onAbort(signal, wake);
  try {
    while (!signal?.aborted && !feed.isSpent?.()) {
      woken = new AbortController();
      const beganAt = clock.now();
      let pauseMs = pollMs ?? feed.restMs;
      let found: Look<T> | undefined;
      try {
        const value = await unlessAborted(signal, look());
        if (value !== undefined) found = { value };
        failures = 0;
      } catch (error) {
        if (signal?.aborted) return;
        if (!isDurableError(error) || !isPassing(error)) throw error;
        if (failures === 0) found = { error };
        pauseMs = Math.max(error.retryAfterMs ?? 0, Math.min(pauseMs * 2 ** failures, longestPauseMs));
        failures = Math.min(failures + 1, 20);
      }
      if (found !== undefined) yield found;
      await clock.sleep(pauseMs, woken.signal);
      const gapMs = Math.min(beganAt + leastGapMs - clock.now(), leastGapMs);
      if (gapMs > 0) await clock.sleep(gapMs, signal);
    }
  } finally {
    unsubscribe();
    release();
  }
}
