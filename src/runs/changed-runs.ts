import { onAbort } from "../clock.ts";
import type { CurrentRun, RunsApi } from "./api.ts";
import { feedOf } from "./feed.ts";

/** How to look for changes that no notifier announces. Times are in milliseconds. */
interface Looks {
  readonly signal: AbortSignal;
  readonly pollMs: number;
  readonly maxPollMs: number;
}

/**
 * The ids of runs that have changed, until the signal aborts: what the notifier announces at once, and what others
 * changed when they are looked for. Looks see the newest 100 runs, and compare them with `before`: the list as it was when
 * the reader began to follow.
 */
export async function* changedRuns(
  runs: RunsApi,
  before: readonly CurrentRun[],
  { signal, pollMs, maxPollMs }: Looks,
): AsyncGenerator<readonly string[], undefined, undefined> {
  const { subscribe, clock, isSpent } = feedOf(runs);
  let announced = new Set<string>();
  let known = revisionsOf(before);
  let woken = new AbortController();
  let pauseMs = pollMs;
  const unsubscribe = subscribe((runId) => {
    if (runId !== undefined) announced.add(runId);
    woken.abort();
  });
  const release = onAbort(signal, () => woken.abort());
  try {
    while (!signal.aborted && !isSpent?.()) {
      woken = new AbortController();
      const changed = announced;
      announced = new Set();
      if (changed.size === 0) {
        const { items } = await runs.list();
        const found = revisionsOf(items);
        for (const [id, revision] of found) if (known.get(id) !== revision) changed.add(id);
        known = found;
      }
      if (changed.size > 0) {
        pauseMs = pollMs;
        yield [...changed];
      }
      await clock.sleep(pauseMs, woken.signal);
      // What was announced in quick succession is one message.
      if (announced.size > 0) await clock.sleep(Math.min(gapMs, pollMs), signal);
      else pauseMs = Math.min(pauseMs * 2, Math.max(pollMs, maxPollMs));
    }
  } finally {
    unsubscribe();
    release();
  }
}

const gapMs = 50;

function revisionsOf(runs: readonly CurrentRun[]): ReadonlyMap<string, number> {
  return new Map(runs.map(({ runId, revision }) => [runId, revision]));
}
