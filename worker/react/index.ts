"use client";

import { createElement, type ReactElement, type ReactNode } from "react";
import type { CurrentRun, RunsApi } from "../../src/runs/api.ts";
import { type RunListFilter, watchRun, watchRuns } from "../../src/runs/watch-runs.ts";
import type { Shown } from "./shared.ts";
import { context, useTopic } from "./topic.ts";

export type { Shown } from "./shared.ts";
export { useRunsApi } from "./topic.ts";

/** A list of runs, as a component shows it. */
export interface RunsView extends Shown {
  /** The newest runs under the filter. A run that has not changed is the same object as before. */
  readonly runs: readonly CurrentRun[];
  /** True if older runs meet the conditions too. */
  readonly isMore: boolean;
}

/** A run, as a component shows it. */
export interface RunView extends Shown {
  /** Absent while it is loading, and if there is no such run. */
  readonly run: CurrentRun | undefined;
}

/** The properties of `RunsProvider`. */
export interface RunsProviderProps {
  /** The runs of `runtime.for(tenant)`, or a client; undefined as long as there are none, as on a server. */
  readonly runs: RunsApi | undefined;
  readonly children?: ReactNode;
}

/**
 * Makes runs available to the hooks of the components below.
 *
 * @example
 * ```ts
 * import { createClient } from "orca-durable/client";
 * import { RunsProvider, useRuns } from "orca-durable/react";
 * import { createElement } from "react";
 *
 * const client = createClient("https://runs.example.com", { apiKey: "dev-key" });
 * const Count = () => createElement("p", null, useRuns().runs.length);
 * export const App = () => createElement(RunsProvider, { runs: client }, createElement(Count));
 * ```
 */
export function RunsProvider({ runs, children }: RunsProviderProps): ReactElement {
  return createElement(context.Provider, { value: runs }, children);
}

/**
 * The newest runs under a filter, which follow each change. Components with equal filters share one loop that reads.
 *
 * @throws `invalid_definition` if there is no `RunsProvider` above the component. Other failures are the `error` of the view.
 * @example
 * ```ts
 * import { useRuns } from "orca-durable/react";
 * import { createElement } from "react";
 *
 * export function Waiting() {
 *   const { runs, isLoading, error } = useRuns({ status: "waiting_for_human", limit: 20 });
 *   if (isLoading) return createElement("p", null, "…");
 *   const rows = runs.map(({ runId, skillId }) => createElement("li", { key: runId }, skillId));
 *   return createElement("ul", { className: error === undefined ? "" : "stale" }, rows);
 * }
 * ```
 */
export function useRuns(filter: RunListFilter = {}): RunsView {
  const { status, skillId, sourceRunId, limit } = filter;
  return useTopic({
    key: JSON.stringify([status, skillId, sourceRunId, limit]),
    loading: loadingRuns,
    async *open(runs, signal) {
      for await (const { items, isMore, error } of watchRuns(runs, filter, { signal }))
        yield { runs: items, isMore, isLoading: false, error };
    },
  });
}

/**
 * A run that follows each change, also after its end. Components that show the same run share one loop that reads.
 *
 * @throws `invalid_definition` if there is no `RunsProvider` above the component. Other failures, such as the `not_found` of
 * a run that is not there, are the `error` of the view.
 * @example
 * ```ts
 * import { useRun } from "orca-durable/react";
 * import { createElement } from "react";
 *
 * export function Status({ runId }: { readonly runId: string }) {
 *   const { run, isLoading, error } = useRun(runId);
 *   if (isLoading) return createElement("p", null, "…");
 *   return createElement("p", null, run?.status ?? String(error));
 * }
 * ```
 */
export function useRun(runId: string | undefined): RunView {
  return useTopic({
    key: `run ${runId}`,
    loading: runId === undefined ? noRun : loadingRun,
    async *open(runs, signal) {
      if (runId === undefined) return;
      for await (const { run, error } of watchRun(runs, runId, { signal })) yield { run, isLoading: false, error };
    },
  });
}

const noRun: RunView = { run: undefined, isLoading: false, error: undefined };
const loadingRun: RunView = { ...noRun, isLoading: true };
const loadingRuns: RunsView = { runs: [], isMore: false, isLoading: true, error: undefined };
