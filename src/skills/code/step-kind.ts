import { DurableError } from "../../errors.ts";
import type { ParseRun } from "../graph/graph.ts";
import type { Handle } from "../graph/planned.ts";
import type { BodyParts } from "../skill.ts";
import type { WorkflowBody, WorkflowStep } from "./workflow.ts";
import { type BodyRun, codeRuns } from "./workflow-step.ts";

declare const types: unique symbol;

/**
 * Steps that a body has beside those of every body. A skill names the kinds that its body calls, so that an app carries
 * the kinds of its own skills and no others.
 */
export interface StepKind<Steps = object> {
  /** Its name in errors. */
  readonly name: string;
  /** @internal The body with these steps. */
  readonly extend: (body: WorkflowBody) => WorkflowBody;
  /** @internal What the body has beside its steps. */
  readonly parts?: BodyParts | undefined;
  /** @internal Present if graphs have its steps too. */
  readonly parseRun?: ParseRun;
  /** @internal Present if graphs may name it: it changes how the capabilities of their steps are called. */
  readonly handle?: Handle;
  /** For types alone; no value has it. */
  readonly [types]?: Steps;
}

/** The steps of all of those kinds. */
export type StepsOf<Kinds extends readonly StepKind[]> = Kinds extends readonly [
  StepKind<infer Steps>,
  ...infer Rest extends readonly StepKind[],
]
  ? Steps & StepsOf<Rest>
  : unknown;

/** A kind of steps around a body: `play` calls it with the steps that it has, and handles how it ends. */
export function bodyKind<Steps extends object>(
  name: string,
  play: (run: BodyRun, step: WorkflowStep, call: (steps: WorkflowStep) => Promise<unknown>) => Promise<unknown>,
  parts?: BodyParts,
): StepKind<Steps> {
  return Object.freeze({
    name,
    parts,
    extend:
      (body: WorkflowBody): WorkflowBody =>
      (step, inputs, context) => {
        const run = codeRuns.get(step);
        if (run === undefined) throw new DurableError("internal_error", `steps of ${name} run only in a runtime`);
        return play(run, step, (steps) => {
          codeRuns.set(steps, run);
          return body(steps, inputs, context);
        });
      },
  });
}

/** A kind of steps. `stepsOf` makes them for one pass over a body, beside the steps that are there. */
export function stepKind<Steps extends object>(
  name: string,
  stepsOf: (run: BodyRun, step: WorkflowStep) => Steps,
  parts?: BodyParts,
): StepKind<Steps> {
  return bodyKind(name, (run, step, call) => call({ ...step, ...stepsOf(run, step) }), parts);
}
