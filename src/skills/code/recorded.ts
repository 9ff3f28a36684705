import { getOwn, type Json } from "../../json.ts";
import { type ExecutionState, isSettled } from "../../record/state.ts";

/** The extension in which a state lists the lengths of its trace at which a failed run was resumed. */
const resumedKey = "orca-durable/resumed";

/** A step that is recorded. */
export interface Recorded {
  readonly id: string;
  /** False if the body may have called it because of a failure that has been tried again since. */
  readonly isNeeded: boolean;
}

/** What a state has recorded about a body's steps. */
export interface Record {
  /** The settled steps, in the order of their record. */
  readonly steps: readonly Recorded[];
  /** True if the step is settled, and was so before any failure that is tried again now. */
  isKept(id: string): boolean;
  /** True if a failed run was resumed and has not reached a checkpoint since. */
  readonly isResumed: boolean;
  /** The state with the place at which the failed run was resumed. */
  markedIn(state: ExecutionState<Json>): ExecutionState<Json>;
}

export function recordOf({ stepResults, trace: { steps }, extensions }: ExecutionState<Json>): Record {
  const settled = Object.keys(stepResults).filter((id) => isSettled(getOwn(stepResults, id)));
  const place = new Map(steps.map((step, index) => [step.stepId, index]));
  const marks = readMarks(getOwn(extensions, resumedKey));
  const failures = steps.flatMap(({ stepId }, failedAt) => {
    const last = place.get(stepId) ?? failedAt;
    if (last === failedAt && isSettled(getOwn(stepResults, stepId))) return [];
    // The steps recorded from then on were called while the failure was being tried again.
    return [{ failedAt, resumedAt: marks.find((mark) => mark > failedAt) ?? steps.length }];
  });
  const isNeededAt = (at: number) => !failures.some(({ failedAt, resumedAt }) => failedAt < at && at < resumedAt);
  const retried = failures.filter(({ failedAt }) => !marks.some((mark) => mark > failedAt));
  const isKeptAt = (at: number) => !retried.some(({ failedAt }) => failedAt < at);
  const isResumed = retried.length > 0;
  return {
    steps: settled
      .map((id) => ({ id, at: place.get(id) ?? -1 }))
      .sort((a, b) => a.at - b.at)
      .map(({ id, at }) => ({ id, isNeeded: isNeededAt(at) })),
    isKept: (id) => isSettled(getOwn(stepResults, id)) && isKeptAt(place.get(id) ?? -1),
    isResumed,
    markedIn: (state) => ({ ...state, extensions: { ...state.extensions, [resumedKey]: [...marks, steps.length] } }),
  };
}

function readMarks(json: Json | undefined): readonly number[] {
  return Array.isArray(json) ? (json as readonly Json[]).filter((mark) => typeof mark === "number") : [];
}
