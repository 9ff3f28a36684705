import { type Clock, systemClock } from "../clock.ts";
import { scopes } from "./scope.ts";

/**
 * Announces changes of the runs that a `RunsApi` reads. It is only a hint: a follower reads the runs, and one that
 * misses a hint learns of the change at its next look.
 */
export interface Feed {
  /**
   * Calls the listener with the id of each run that changed, or with none if any may have. Returns a function that ends
   * the subscription.
   */
  subscribe(listener: (runId?: string) => void): () => void;
  readonly clock: Clock;
  /** How long a follower rests between two looks if no hint comes, in milliseconds. */
  readonly restMs: number;
  /** True once the platform soon allows no more queries. */
  readonly isSpent?: (() => boolean) | undefined;
}

/** How often a list or a run is read of whose changes no hint may come. */
const restMs = 2_000;

/** The feeds of clients; a client announces its own. */
export const feeds = /* @__PURE__ */ new WeakMap<object, Feed>();

/** The feed of these runs: of a runtime its notifier, of a client its own, and of other objects an empty one. */
export function feedOf(runs: object): Feed {
  const scope = scopes.get(runs);
  if (scope === undefined) return feeds.get(runs) ?? { subscribe: () => () => {}, clock: systemClock, restMs };
  const { host, tenant } = scope;
  return {
    subscribe: (listener) =>
      host.notifier.subscribe((changed) => {
        if (changed.tenant === tenant) listener(changed.runId);
      }),
    clock: host.clock,
    restMs,
    isSpent: host.isSpent && (() => host.isSpent?.() === true),
  };
}
