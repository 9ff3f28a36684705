import { aLength, aSignal, given, needed } from "../argument.ts";
import { joined, onAbort } from "../clock.ts";
import { present } from "../json.ts";
import { defaultConcurrency, sweepDue, sweepKinds, tenantOf } from "./drain.ts";
import type { Place } from "./scope.ts";

/** The options of `runtime.serve`. */
export interface ServeOptions {
  /** Only this tenant's runs; a page drains the signed-in tenant's. */
  readonly tenant?: string;
  readonly signal: AbortSignal;
  /** How often it looks for what is due, in milliseconds. Default 1,000. */
  readonly everyMs?: number;
  /** How many of the runs that it takes are executed concurrently. Default 16. */
  readonly concurrency?: number;
}

/**
 * The shortest time between the beginnings of two sweeps, however many notifications come: due runs are read a few
 * times a second.
 */
const leastGapMs = 250;

/**
 * A sweep ends after this many runs for each that may be executed, so that runs that became due meanwhile have a turn.
 */
const runsForEach = 4;

/**
 * Sweeps until the signal aborts: on a tick, and at once when a notification announces work. One sweep at a time; its
 * passes go on behind it, as many as may be executed concurrently. While it is idle it keeps the process alive, unless
 * `isIdle`.
 */
export async function serve(place: Place, options: ServeOptions, isIdle = false): Promise<void> {
  const kinds = { ...sweepKinds, signal: needed(aSignal), everyMs: aLength };
  const { signal, everyMs = 1_000, concurrency = defaultConcurrency, ...of } = given(options, kinds);
  const { host, executor } = place;
  const tenant = tenantOf(of.tenant);
  const { clock, notifier, presence } = host;
  const over = joined(signal, executor.stopped);
  let woken = new AbortController();
  const wake = () => woken.abort();
  onAbort(over.signal, wake);
  let leasesAskedAt = 0;
  /** True if leases must be checked: at first, on each tick, and when an executor died. */
  let mustAsk = true;

  const watched = new Set<string>();
  /** Wakes this executor when a lease holder dies. */
  const watch = (holder: string) => {
    if (presence === undefined || holder === host.executor || watched.has(holder)) return;
    watched.add(holder);
    presence.whenGone(holder, over.signal).then(() => {
      mustAsk = true;
      wake();
    }, host.onError);
  };

  const unsubscribe = notifier.subscribe(async (changed) => {
    // What is only shown, a change of another tenant's run, or of one that is executed here, is not work. A commit of this
    // executor is launched right after its notification.
    if (changed.live || (tenant !== undefined && changed.tenant !== tenant)) return;
    if (changed.executor === host.executor) await clock.sleep(0, over.signal);
    if (executor.passOf(changed.tenant, changed.runId) === undefined) wake();
  });

  try {
    while (!over.signal.aborted) {
      woken = new AbortController();
      const beganAt = clock.now();
      // Not at each notification: the change of a run shows that its executor is alive.
      const asksLeases = tenant !== undefined && (mustAsk || Math.abs(beganAt - leasesAskedAt) >= everyMs);
      if (asksLeases) leasesAskedAt = beganAt;
      mustAsk = false;
      if (!(await swept(asksLeases))) {
        await clock.sleep(everyMs, woken.signal, isIdle);
        mustAsk ||= !woken.signal.aborted;
      }
      const gapMs = Math.min(beganAt + leastGapMs - clock.now(), leastGapMs);
      if (gapMs > 0 && !over.signal.aborted) await clock.sleep(gapMs, over.signal);
    }
  } finally {
    unsubscribe();
    over.release();
  }

  /** True if there is more to take at once. */
  async function swept(asksLeases: boolean): Promise<boolean> {
    try {
      const { isMore } = await sweepDue(place, {
        ...present({ tenant }),
        ...{ concurrency, asksLeases, limit: runsForEach * concurrency, isAwaited: false },
        ...{ signal: over.signal, onHolder: watch },
      });
      return isMore;
    } catch (error) {
      // The medium may be back at the next tick.
      host.onError(error);
      return false;
    }
  }
}
