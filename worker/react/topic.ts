"use client";

import { createContext, useCallback, useContext, useSyncExternalStore } from "react";
import { DurableError } from "../../src/errors.ts";
import type { RunsApi } from "../../src/runs/api.ts";
import { type Shown, shownOf, subscribe, type Topic } from "./shared.ts";

/** The runs of a `RunsProvider`; null if no provider is above. */
export const context = /* @__PURE__ */ createContext<RunsApi | undefined | null>(null);

/**
 * The runs of the nearest `RunsProvider`, to start, approve or cancel runs; undefined if it has none yet.
 *
 * @throws `invalid_definition` if there is no `RunsProvider` above the component.
 * @example
 * ```ts
 * import { useRunsApi } from "orca-durable/react";
 * import { createElement } from "react";
 *
 * export function Cancel({ runId }: { readonly runId: string }) {
 *   const runs = useRunsApi();
 *   return createElement("button", { onClick: () => runs?.cancel(runId) }, "Cancel");
 * }
 * ```
 */
export function useRunsApi(): RunsApi | undefined {
  const runs = useContext(context);
  if (runs !== null) return runs;
  throw new DurableError("invalid_definition", "no runs: expected a RunsProvider above this component");
}

/** What a topic of the nearest runs shows now, in a component that is rendered again at each change. */
export function useTopic<T extends Shown>(topic: Topic<T>): T {
  const runs = useRunsApi();
  // The key says what the topic is.
  const follow = useCallback(
    (listener: () => void) => (runs === undefined ? () => {} : subscribe(runs, topic, listener)),
    [runs, topic.key],
  );
  return useSyncExternalStore(
    follow,
    () => (runs === undefined ? topic.loading : shownOf(runs, topic)),
    () => topic.loading,
  );
}
