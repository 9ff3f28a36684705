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
} from "./capability.ts";
export {
  type Checkpoint,
  type CheckpointKind,
  type CheckpointRecord,
  checkpointKinds,
  type ListedCheckpoint,
  stateSnapshotRef,
} from "./checkpoint.ts";
export { writeCheckpointRecord } from "./codec/entry.ts";
export { encodeRun, writeRun } from "./codec/run.ts";
export { decodeState, encodeState, initialState, readState, writeState } from "./codec/state.ts";
export { decodeValue, encodeValue } from "./codec/values.ts";
export type { Difference } from "./difference.ts";
export type { Duration } from "./duration.ts";
export { NonRetryableError, NothingHappenedError } from "./engine/attempt.ts";
export { type CodeSkillDefinition, defineSkill } from "./engine/code-skill.ts";
export { defineGraphSkill, type GraphSkillDefinition } from "./engine/graph-skill.ts";
export { type Clock, type ErrorContext, type OnError, systemClock } from "./engine/host.ts";
export type { Telemetry } from "./engine/instrumentation.ts";
export { broadcastNotifier, type Changed, localNotifier, type Notifier } from "./engine/notifier.ts";
export { defineTelemetry } from "./engine/observation.ts";
export { type Presence, webLocksPresence } from "./engine/presence.ts";
export type { Skill } from "./engine/skill.ts";
export { DurableError, type ErrorCode, httpStatus, isDurableError, type MissingKind } from "./errors.ts";
export { type EventType, eventTypes, type RunEvent } from "./event.ts";
export type { ExecutionState, Fields, RuntimeEvent, StepResult } from "./execution-state.ts";
export {
  type CapabilityStep,
  type GraphStep,
  type Literal,
  literal,
  type Scope,
  type SignalStep,
  type SleepStep,
  type Source,
} from "./graph.ts";
export type { CheckpointId, RandomBytes, RunId, TenantId } from "./ids.ts";
export { type Json, type JsonObject, parseJson } from "./json.ts";
export { type LifecycleEvent, type LifecycleEventType, lifecycle, type Transition, transition } from "./lifecycle.ts";
export type { RetryPolicy } from "./retry.ts";
export {
  type ApprovalRequest,
  isTerminal,
  type Run,
  type RunError,
  type RunStatus,
  runStatuses,
  terminalStatuses,
} from "./run.ts";
export type { NewRun } from "./runtime/birth.ts";
export type {
  CheckpointPage,
  CheckpointQuery,
  HistoryEntry,
  HistoryQuery,
  NewCheckpointRequest,
} from "./runtime/checkpoints.ts";
export { type Comparison, compareCheckpoints } from "./runtime/comparison.ts";
export { type GateDecision, maxInboxBytes, type NewSignal, type Resumption } from "./runtime/continuation.ts";
export type { Descent, ForkDescent, StateEdit } from "./runtime/descent.ts";
export type { Drained } from "./runtime/drain.ts";
export { type EventQuery, eventPosition, type WatchOptions } from "./runtime/events.ts";
export { exportRun } from "./runtime/export.ts";
export { importRun } from "./runtime/import.ts";
export { type Lineage, type LineageNode, type MissingRun, type RelatedRun, readLineage } from "./runtime/lineage.ts";
export type { Precondition } from "./runtime/precondition.ts";
export { type Pruned, type PruneRequest, pruneRuns } from "./runtime/prune.ts";
export type { Quota } from "./runtime/quota.ts";
export type {
  ChangedRun,
  CurrentRun,
  DescentOutcome,
  ListQuery,
  ResumeOutcome,
  RunPage,
  Runs,
  Started,
} from "./runtime/runs.ts";
export { createRuntime, type Runtime, type RuntimeOptions, type ServeOptions } from "./runtime.ts";
export type { Schema } from "./schema.ts";
export type * from "./store.ts";
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
} from "./telemetry.ts";
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
} from "./workflow.ts";
