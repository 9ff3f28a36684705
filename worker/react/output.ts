"use client";

import { readOutput } from "../../src/runs/output.ts";
import type { Shown } from "./shared.ts";
import { useTopic } from "./topic.ts";

export type { Shown } from "./shared.ts";

/** The output of a step, as a component shows it. */
export interface OutputView<T = unknown> extends Shown {
  /** The chunks that the latest attempt at the step has stored. */
  readonly chunks: readonly T[];
  /** How the step ended, such as `completed`, or the run, if it ended first. Absent while there may be more. */
  readonly status: string | undefined;
}

/**
 * The durable output of a step, which grows as chunks are stored, until the step has ended. A new attempt begins it anew.
 * Components that show the same output share one loop that reads.
 *
 * @throws `invalid_definition` if there is no `RunsProvider` above the component. Other failures, such as the `not_found` of
 * a run that is not there, are the `error` of the view.
 * @example
 * ```ts
 * import { useOutput } from "orca-durable/react/output";
 * import { createElement } from "react";
 *
 * export function Story({ runId }: { readonly runId: string }) {
 *   const { chunks, status } = useOutput<string>(runId, "tell");
 *   return createElement("p", { "aria-busy": status === undefined }, chunks.join(""));
 * }
 * ```
 */
export function useOutput<T = unknown>(runId: string | undefined, step: string): OutputView<T> {
  return useTopic<OutputView<T>>({
    key: JSON.stringify([runId, "output", step]),
    loading: runId === undefined ? noOutput : loadingOutput,
    async *open(runs, signal) {
      if (runId === undefined) return;
      const pieces = readOutput<T>(runs, runId, step, { signal });
      let part: string | undefined;
      let chunks: T[] = [];
      for (;;) {
        const next = pieces.next();
        if (part !== undefined && !(await isAtHand(next))) yield view([...chunks], undefined);
        const { done, value } = await next;
        if (done) return yield view(chunks, value);
        if (value.part !== part) chunks = [];
        part = value.part;
        chunks.push(value.chunk);
      }
    },
  });
}

/** True if it settles without a turn of the event loop: what one commit has stored comes at once, and is one rendering. */
function isAtHand(next: Promise<unknown>): Promise<boolean> {
  return Promise.race([
    next.then(
      () => true,
      () => true,
    ),
    new Promise<boolean>((resolve) => setTimeout(resolve, 0, false)),
  ]);
}

function view<T>(chunks: readonly T[], status: string | undefined): OutputView<T> {
  return { chunks, status, isLoading: false, error: undefined };
}

const noOutput: OutputView<never> = { chunks: [], status: undefined, isLoading: false, error: undefined };
const loadingOutput: OutputView<never> = { ...noOutput, isLoading: true };
