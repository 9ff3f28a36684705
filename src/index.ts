export { type Clock, systemClock } from "./clock.ts";
export { writeCheckpointRecord } from "./codec/entry.ts";
export { encodeRun, writeRun } from "./codec/run.ts";
export { decodeState, encodeState, initialState, readState, writeState } from "./codec/state.ts";
export { decodeValue, encodeValue } from "./codec/values.ts";
export type { Duration } from "./duration.ts";
export { NonRetryableError, NothingHappenedError } from "./engine/attempt.ts";
export { type Presence, webLocksPresence } from "./engine/presence.ts";
export {
  DurableError,
  type ErrorCode,
  type ErrorContext,
  httpStatus,
  isDurableError,
  type MissingKind,
  type OnError,
} from "./errors.ts";
export type { CheckpointId, RandomBytes, RunId, TenantId } from "./ids.ts";
export { broadcastNotifier, type Changed, localNotifier, type Notifier } from "./journal/notifier.ts";
export { type Json, type JsonObject, parseJson } from "./json.ts";
export {
  type Checkpoint,
  type CheckpointKind,
  type CheckpointRecord,
  checkpointKinds,
  type ListedCheckpoint,
  stateSnapshotRef,
} from "./record/checkpoint.ts";
export { type EventType, eventTypes, type RunEvent } from "./record/event.ts";
export type { Precondition } from "./record/lifecycle.ts";
export {
  type LifecycleEvent,
  type LifecycleEventType,
  lifecycle,
  type Transition,
  transition,
} from "./record/lifecycle.ts";
export {
  type ApprovalRequest,
  isTerminal,
  type Run,
  type RunError,
  type RunStatus,
  runStatuses,
  terminalStatuses,
} from "./record/run.ts";
export type { ExecutionState, Fields, RuntimeEvent, StepResult } from "./record/state.ts";
export type { RetryPolicy } from "./retry.ts";
export type { NewRun, StartOptions } from "./runs/birth.ts";
export type {
  CheckpointPage,
  CheckpointQuery,
  HistoryEntry,
  HistoryQuery,
  NewCheckpointRequest,
} from "./runs/checkpoints.ts";
export { type Comparison, compareCheckpoints } from "./runs/comparison.ts";
export { type GateDecision, maxInboxBytes, type NewSignal, type Resumption } from "./runs/continuation.ts";
export type { Descent, ForkDescent, StateEdit } from "./runs/descent.ts";
export type { Difference } from "./runs/difference.ts";
export type { Drained } from "./runs/drain.ts";
export { type EventQuery, eventPosition, type WatchOptions } from "./runs/events.ts";
export { exportRun } from "./runs/export.ts";
export { importRun } from "./runs/import.ts";
export { type Lineage, type LineageNode, type MissingRun, type RelatedRun, readLineage } from "./runs/lineage.ts";
export { type Pruned, type PruneRequest, pruneRuns } from "./runs/prune.ts";
export type { Quota } from "./runs/quota.ts";
export type {
  ChangedRun,
  CurrentRun,
  DescentOutcome,
  ListQuery,
  ResumeOutcome,
  Returned,
  RunPage,
  Runs,
  StartArguments,
  Started,
  WaitOptions,
} from "./runs/runs.ts";
export { createRuntime, type Runtime, type RuntimeOptions, type ServeOptions } from "./runtime.ts";
export type { Schema } from "./schema.ts";
export {
  type AnyCapability,
  type Capability,
  type CapabilityDefinition,
  capabilityDigest,
  defineCapability,
  type Handler,
  type ReplayPolicy,
  type SideEffects,
  type StepContext,
} from "./skills/capability.ts";
export { type CodeSkillDefinition, defineSkill } from "./skills/code/skill.ts";
export {
  type Approval,
  type DelayFunction,
  fromWorkflow,
  type RunContext,
  type StepConfig,
  type WorkflowBody,
  type WorkflowEvent,
  type WorkflowStep,
  type WorkflowStepContext,
  type WorkflowStepEvent,
} from "./skills/code/workflow.ts";
export {
  type CapabilityStep,
  type GraphStep,
  type Literal,
  literal,
  type Scope,
  type SignalStep,
  type SleepStep,
  type Source,
} from "./skills/graph/graph.ts";
export { defineGraphSkill, type GraphSkillDefinition } from "./skills/graph/skill.ts";
export type { Skill } from "./skills/skill.ts";
export type * from "./store.ts";
export type { Telemetry } from "./telemetry/instrumentation.ts";
export { defineTelemetry } from "./telemetry/observation.ts";
export {
  type Attributes,
  type Failure,
  type Instrument,
  type InstrumentName,
  instruments,
  type RemoteSpan,
  type SpanEnd,
  type SpanParent,
  type SpanStart,
  type TelemetryHooks,
} from "./telemetry/telemetry.ts";
