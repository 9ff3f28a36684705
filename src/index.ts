// What is needed to write skills and to run them. Add nothing that a program can do without: the types of requests and
// answers stand in ./types, what tools and adapters need in ./codec, ./store and ./telemetry.
export type { Duration } from "./duration.ts";
export { webLocksPresence } from "./engine/presence.ts";
export { NonRetryableError, NothingHappenedError } from "./engine/thrown.ts";
export { DurableError, type ErrorCode, isDurableError, type OnError } from "./errors.ts";
export { broadcastNotifier, localNotifier } from "./journal/notifier.ts";
export type { Checkpoint, CheckpointRecord } from "./record/checkpoint.ts";
export type { RunEvent } from "./record/event.ts";
export type { Precondition } from "./record/precondition.ts";
export { isTerminal, type RunError, type RunStatus } from "./record/run.ts";
export type { ExecutionState } from "./record/state.ts";
export type { Retries } from "./retry.ts";
export type {
  CurrentRun,
  DescentOutcome,
  ListQuery,
  ResumeOutcome,
  RunsApi,
  Started,
  WaitOptions,
} from "./runs/api.ts";
export { compareCheckpoints } from "./runs/comparison.ts";
export type { DecisionRequest, NewSignal, Resumption } from "./runs/continuation.ts";
export type { Descent, ForkDescent } from "./runs/descent.ts";
export { readLineage } from "./runs/lineage.ts";
export { saveCheckpoint } from "./runs/new-checkpoint.ts";
export type { NewRun, StartOptions } from "./runs/new-run.ts";
export { pruneRuns } from "./runs/prune.ts";
export { defineQuota } from "./runs/quota.ts";
export type { Runs } from "./runs/runs.ts";
export type { ServeOptions } from "./runs/serve.ts";
export { createRuntime, type Runtime, type RuntimeOptions } from "./runtime.ts";
export type { Schema } from "./schema.ts";
export {
  type AnyCapability,
  type Capability,
  type CapabilityDefinition,
  capabilityDigest,
  defineCapability,
  type StepContext,
} from "./skills/capability.ts";
export { defineSkill } from "./skills/code/skill.ts";
export {
  type Approval,
  fromWorkflow,
  type RunContext,
  type StepConfig,
  type WorkflowBody,
  type WorkflowStep,
  type WorkflowStepContext,
} from "./skills/code/workflow.ts";
export { type GraphStep, literal } from "./skills/graph/graph.ts";
export { defineGraphSkill } from "./skills/graph/skill.ts";
export { defineMigration } from "./skills/migration.ts";
export type { Skill } from "./skills/skill.ts";
