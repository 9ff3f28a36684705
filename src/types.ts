// The names of the types in the signatures of the main door, for programs that annotate.
export type { Clock } from "./clock.ts";
export type { DurationUnit } from "./duration.ts";
export type { Presence } from "./engine/presence.ts";
export type { DurableErrorOptions, ErrorContext, MissingKind } from "./errors.ts";
export type { CheckpointId, RandomBytes, RunId, TenantId } from "./ids.ts";
export type { TenantQuota } from "./journal/host.ts";
export type { Changed, Notifier } from "./journal/notifier.ts";
export type { ListedCheckpoint } from "./record/checkpoint.ts";
export type { LiveMessage } from "./record/event.ts";
export type { DescentKind } from "./record/lineage.ts";
export type { ApprovalRequest, Decision, Run } from "./record/run.ts";
export type { Fields, Frame, Output, Trace, TraceMetrics, TraceStep, Working } from "./record/state.ts";
export type { Backoff } from "./retry.ts";
export type { ChangedRun, ListedSkill, Returned, RunFilter, StartArguments } from "./runs/api.ts";
export type { CheckpointPage, CheckpointQuery, HistoryEntry, HistoryQuery } from "./runs/checkpoints.ts";
export type { Comparison } from "./runs/comparison.ts";
export type { CancelOptions } from "./runs/continuation.ts";
export type { StateEdit } from "./runs/descent.ts";
export type { Difference } from "./runs/difference.ts";
export type { Drained, DrainOptions } from "./runs/drain.ts";
export type { EventQuery, PolledWatchOptions, WatchOptions } from "./runs/events.ts";
export type { Lineage, LineageNode, MissingRun, RelatedRun } from "./runs/lineage.ts";
export type { NewCheckpointRequest } from "./runs/new-checkpoint.ts";
export type { Page } from "./runs/page.ts";
export type { Pruned, PruneRequest } from "./runs/prune.ts";
export type { Quota } from "./runs/quota.ts";
export type { SchemaIssue, SchemaResult } from "./schema.ts";
export type { EffectPolicy, Handler, ReplayPolicy, SideEffects } from "./skills/capability.ts";
export type { CodeSkillDefinition } from "./skills/code/skill.ts";
export type { StepKind, StepsOf } from "./skills/code/step-kind.ts";
export type { DelayFunction, StepRetries, WorkflowEvent, WorkflowStepEvent } from "./skills/code/workflow.ts";
export type {
  CapabilityStep,
  Literal,
  RunStep,
  SignalStep,
  SleepStep,
  Source,
  StepBase,
} from "./skills/graph/graph.ts";
export type { Scope } from "./skills/graph/planned.ts";
export type {
  CheckedInput,
  CheckedOutput,
  CheckedStep,
  CheckedSteps,
  ChildInputs,
  FittingRun,
  FittingStep,
  GraphSkillDefinition,
  MemberOf,
  StartedRun,
  UnknownMember,
  Without,
} from "./skills/graph/skill.ts";
export type { MigrationDefinition } from "./skills/migration.ts";
export type { InputsOf, Migration, SkillDefinition } from "./skills/skill.ts";
