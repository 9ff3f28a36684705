// Kinds of steps that a skill names in `uses`, and what else an app carries only if it imports it.

export type { LastError, Waiting, WaitingOn } from "./record/waiting.ts";
export {
  type ChildArguments,
  type ChildOptions,
  type ChildSteps,
  childRuns,
  type StartedChild,
} from "./runs/child-step.ts";
export { type ChildQuery, type ChildRun, readChildren } from "./runs/children.ts";
export { type LiveEvent, type LiveOptions, type LiveWatch, watchLive } from "./runs/live.ts";
export { type OutputChunk, type OutputPage, type OutputQuery, readOutput, readOutputPage } from "./runs/output.ts";
export { whyWaiting } from "./runs/why.ts";
export {
  type AnsweredApproval,
  type AnswerOf,
  type AnswerSchemas,
  type ApprovalSteps,
  approvals,
  type Question,
} from "./skills/kinds/approvals.ts";
export { type MapCallback, type MapOptions, type MapOutcome, type MapSteps, maps } from "./skills/kinds/maps.ts";
export {
  type OutputHandlerContext,
  type OutputStepContext,
  type OutputSteps,
  outputs,
  outputsWith,
  withOutput,
} from "./skills/kinds/outputs.ts";
export { type RollbackContext, type RollbackOptions, type RollbackSteps, rollbacks } from "./skills/kinds/rollbacks.ts";
export type { OutputContext, OutputOptions, StepOutput } from "./skills/step-output.ts";
