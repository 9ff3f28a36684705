import type { Take } from "../../engine/flights.ts";
import type { Pass } from "../../engine/pass.ts";
import type { Json } from "../../json.ts";
import type { StepResult } from "../../record/state.ts";

/** A call of a step by a body. */
export interface Ask {
  readonly name: string;
  readonly uses: string;
  /** Present if the step has an input: the call must match what was recorded under its name. */
  readonly input?: Json;
  /** Takes the step under its id; `count` is 1 for the first of its name. */
  readonly take: (id: string, count: number) => ReturnType<Take>;
}

/** One pass over a body, as its steps see it. */
export interface BodyRun {
  readonly pass: Pass;
  /** Aborts the steps in flight when the run fails or ends for another reason. */
  readonly siblings: AbortController;
  /** The step's result; it never comes if the step waits, or if the pass is over. */
  ask(ask: Ask): Promise<StepResult<Json>>;
  /** Ends the pass with a typed error, whatever the body does with that error. */
  endWith(message: string, stepId: string, code?: string): void;
  /** Remembers which step an error came from, so that a failed run can name it. */
  rejectedBy(stepId: string, error: unknown): void;
}

/** The answer of a step that does not settle in this pass. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
