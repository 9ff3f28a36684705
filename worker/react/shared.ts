import { isDurableError } from "../../src/errors.ts";
import type { RunsApi } from "../../src/runs/api.ts";

/** What a hook shows of what it follows. */
export interface Shown {
  /** True before the first reading. */
  readonly isLoading: boolean;
  /** Why nothing can be read now, if so: what was read before stays. */
  readonly error: unknown;
}

/** Something to follow: the same for every component that names the same `key` of the same runs. */
export interface Topic<T extends Shown> {
  readonly key: string;
  /** What is shown before the first reading, on a server too. */
  readonly loading: T;
  /** What is shown from now on, each time anew, until the signal aborts. */
  open(runs: RunsApi, signal: AbortSignal): AsyncIterable<T>;
}

/** One loop that reads, and the components that show what it read. */
interface Subscription {
  shown: Shown;
  readonly listeners: Set<() => void>;
  readonly stopping: AbortController;
}

const pages = /* @__PURE__ */ new WeakMap<RunsApi, Map<string, Subscription>>();

/** How long until a run that is not there is looked for again, in milliseconds. */
const absentMs = 2_000;

/** What is shown now. The same object until something changes. */
export function shownOf<T extends Shown>(runs: RunsApi, { key, loading }: Topic<T>): T {
  // A key is of one topic, and so of one type.
  return (pages.get(runs)?.get(key)?.shown as T | undefined) ?? loading;
}

/** Calls the listener after each change. The first component that follows a topic begins to read, and the last one ends it. */
export function subscribe<T extends Shown>(runs: RunsApi, topic: Topic<T>, listener: () => void): () => void {
  const { key, loading } = topic;
  const page = pages.get(runs) ?? new Map<string, Subscription>();
  pages.set(runs, page);
  let subscription = page.get(key);
  if (subscription === undefined) {
    subscription = { shown: loading, listeners: new Set(), stopping: new AbortController() };
    page.set(key, subscription);
    void read(runs, topic, subscription);
  }
  const { listeners, stopping } = subscription;
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    // Strict mode leaves and returns at once.
    queueMicrotask(() => {
      if (listeners.size > 0 || stopping.signal.aborted) return;
      page.delete(key);
      stopping.abort();
    });
  };
}

async function read<T extends Shown>(runs: RunsApi, { open }: Topic<T>, subscription: Subscription): Promise<void> {
  const { signal } = subscription.stopping;
  const show = (shown: Shown) => {
    if (signal.aborted) return;
    subscription.shown = shown;
    for (const listener of [...subscription.listeners]) listener();
  };
  while (!signal.aborted) {
    try {
      for await (const shown of open(runs, signal)) show(shown);
      return;
    } catch (error) {
      show({ ...subscription.shown, isLoading: false, error });
      if (!isDurableError(error, "not_found")) return;
      await new Promise((resolve) => setTimeout(resolve, absentMs));
    }
  }
}
