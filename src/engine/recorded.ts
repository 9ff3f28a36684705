import { type ExecutionState, isSettled } from "../execution-state.ts";
import { getOwn, type Json } from "../json.ts";

/** A step that is recorded. */
export interface Recorded {
  readonly id: string;
  /** False where the body may have asked for it because of a failure that has been tried afresh since. */
  readonly isNeeded: boolean;
}

/** What a state has recorded of a body's steps. */
export interface Record {
  /** The settled steps, in the order of their record. */
  readonly steps: readonly Recorded[];
  /** True where the step is settled, and was so before any failure that has been tried afresh since. */
  isKept(id: string): boolean;
}

export function recordOf({ stepResults, trace: { steps } }: ExecutionState<Json>): Record {
  const settled = Object.keys(stepResults).filter((id) => isSettled(getOwn(stepResults, id)));
  const place = new Map(steps.map((step, index) => [step.stepId, index]));
  const failures = steps.flatMap(({ stepId }, failedAt) => {
    const last = place.get(stepId) ?? failedAt;
    if (last !== failedAt) return [{ failedAt, triedAt: last }];
    return isSettled(getOwn(stepResults, stepId)) ? [] : [{ failedAt, triedAt: Number.POSITIVE_INFINITY }];
  });
  const isKeptAt = (at: number) => !failures.some(({ failedAt, triedAt }) => failedAt < at && at < triedAt);
  return {
    steps: settled
      .map((id) => ({ id, at: place.get(id) ?? -1 }))
      .sort((a, b) => a.at - b.at)
      .map(({ id, at }) => ({ id, isNeeded: isKeptAt(at) })),
    isKept: (id) => isSettled(getOwn(stepResults, id)) && isKeptAt(place.get(id) ?? -1),
  };
}
