import { getOwn, type Json } from "../../json.ts";
import { type ExecutionState, isSettled } from "../../record/state.ts";

/** Where a state says at which lengths of its trace a failed run was resumed: an extension, as the ask log is one. */
const resumedKey = "orca-durable/resumed";

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
  /** True where a failed run goes on that has not reached a checkpoint since. */
  readonly isResumed: boolean;
  /** The state with the place in it at which a failed run goes on, where it does. */
  markedIn(state: ExecutionState<Json>): ExecutionState<Json>;
}

export function recordOf({ stepResults, trace: { steps }, extensions }: ExecutionState<Json>): Record {
  const settled = Object.keys(stepResults).filter((id) => isSettled(getOwn(stepResults, id)));
  const place = new Map(steps.map((step, index) => [step.stepId, index]));
  const marks = readMarks(getOwn(extensions, resumedKey));
  const failures = steps.flatMap(({ stepId }, failedAt) => {
    const last = place.get(stepId) ?? failedAt;
    if (last === failedAt && isSettled(getOwn(stepResults, stepId))) return [];
    // What was recorded from then on, the body asked for as the failure was being tried afresh.
    return [{ failedAt, resumedAt: marks.find((mark) => mark > failedAt) ?? steps.length }];
  });
  const isKeptAt = (at: number) => !failures.some(({ failedAt, resumedAt }) => failedAt < at && at < resumedAt);
  const isResumed = failures.some(({ failedAt }) => !marks.some((mark) => mark > failedAt));
  return {
    steps: settled
      .map((id) => ({ id, at: place.get(id) ?? -1 }))
      .sort((a, b) => a.at - b.at)
      .map(({ id, at }) => ({ id, isNeeded: isKeptAt(at) })),
    isKept: (id) => isSettled(getOwn(stepResults, id)) && isKeptAt(place.get(id) ?? -1),
    isResumed,
    markedIn: (state) =>
      isResumed ? { ...state, extensions: { ...state.extensions, [resumedKey]: [...marks, steps.length] } } : state,
  };
}

function readMarks(json: Json | undefined): readonly number[] {
  return Array.isArray(json) ? (json as readonly Json[]).filter((mark) => typeof mark === "number") : [];
}
