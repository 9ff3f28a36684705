import { isoTime } from "../clock.ts";
import { present, withMember } from "../json.ts";

/** Values by name. */
export type Fields<V = unknown> = Readonly<Record<string, V>>;

/**
 * Everything that a run knows at one checkpoint: the source of truth from which it continues.
 *
 * It is immutable, and a later state shares its unchanged parts. `V` is the form of the values in it: `unknown` if they
 * are live, `Json` if they are encoded. Fields that this version does not know are kept in `unknownFields`.
 * Source: the ORCA durability contract, section 1, snapshot format 1. Times are ISO-8601 strings, kept as they were.
 */
export interface ExecutionState<V = unknown> {
  readonly skillId: string;
  readonly inputs: Fields<V>;
  readonly vars: Fields<V>;
  readonly outputs: Fields<V>;
  readonly stepResults: Readonly<Record<string, StepResult<V>>>;
  /** Sorted targets such as `vars.summary`. */
  readonly writtenTargets: readonly string[];
  readonly events: readonly RuntimeEvent<V>[];
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly status: string;
  readonly traceId?: string;
  readonly frame: Frame<V>;
  readonly working: Working<V>;
  readonly output: Output<V>;
  readonly trace: Trace<V>;
  readonly extensions: Fields<V>;
  readonly stateVersion: string;
  readonly skillVersion?: string;
  readonly iteration: number;
  readonly currentStep?: string;
  readonly parentRunId?: string;
  readonly updatedAt?: string;
  readonly unknownFields?: Fields<V>;
}

/** The outcome of one step. `completed`, `degraded` and `skipped` steps are not run again. */
export interface StepResult<V = unknown> {
  readonly stepId: string;
  /** The capability. */
  readonly uses: string;
  readonly status: string;
  readonly resolvedInput: V | null;
  readonly producedOutput: V | null;
  readonly rawResult: V | null;
  readonly bindingId?: string;
  readonly serviceId?: string;
  readonly attemptsCount?: number;
  readonly fallbackUsed?: boolean;
  readonly conformanceProfile?: string;
  readonly requiredConformanceProfile?: string;
  readonly errorMessage?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly reads?: readonly string[];
  readonly writes?: readonly string[];
  readonly latencyMs?: number;
  readonly unknownFields?: Fields<V>;
}

/**
 * An event in the state itself, as the reference runtime writes them; events of this package are in the run's history.
 */
export interface RuntimeEvent<V = unknown> {
  readonly type: string;
  readonly message: string;
  readonly timestamp?: string;
  readonly stepId?: string;
  readonly traceId?: string;
  readonly data: Fields<V>;
  readonly unknownFields?: Fields<V>;
}

/** The part of a state that says what a run is for. */
export interface Frame<V = unknown> {
  readonly goal: V | null;
  readonly context: Fields<V>;
  readonly constraints: Fields<V>;
  readonly successCriteria: Fields<V>;
  readonly assumptions: readonly V[];
  readonly priority: V | null;
  readonly unknownFields?: Fields<V>;
}

/** The part of a state for notes between steps. */
export interface Working<V = unknown> {
  readonly artifacts: Fields<V>;
  readonly entities: readonly V[];
  readonly options: readonly V[];
  readonly criteria: readonly V[];
  readonly evidence: readonly V[];
  readonly risks: readonly V[];
  readonly hypotheses: readonly V[];
  readonly uncertainties: readonly V[];
  readonly intermediateDecisions: readonly V[];
  readonly messages: readonly V[];
  readonly unknownFields?: Fields<V>;
}

/** The part of a state that describes the result. */
export interface Output<V = unknown> {
  readonly result: V | null;
  readonly resultType?: string;
  readonly summary?: string;
  readonly statusReason?: string;
  readonly unknownFields?: Fields<V>;
}

/** The part of a state that records its steps and metrics. */
export interface Trace<V = unknown> {
  readonly steps: readonly TraceStep<V>[];
  readonly metrics: TraceMetrics<V>;
  readonly unknownFields?: Fields<V>;
}

/** One step in a trace. */
export interface TraceStep<V = unknown> {
  readonly stepId: string;
  readonly capabilityId?: string;
  readonly status: string;
  readonly startedAt?: string;
  readonly endedAt?: string;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly latencyMs?: number;
  readonly unknownFields?: Fields<V>;
}

/** The metrics in a trace. */
export interface TraceMetrics<V = unknown> {
  readonly stepCount: number;
  readonly llmCalls: number;
  readonly toolCalls: number;
  readonly tokensIn: number;
  readonly tokensOut: number;
  readonly elapsedMs: number;
  readonly unknownFields?: Fields<V>;
}

/** The version that this package writes; the same major is read. */
export const stateVersion = "1.0.0";

/** True if a step with this result is not run again when the run continues. */
export function isSettled(result: StepResult<unknown> | undefined): boolean {
  return result !== undefined && ["completed", "degraded", "skipped"].includes(result.status);
}

/** The state with a step's result added to its results and its trace. */
export function withResult<V>(state: ExecutionState<V>, result: StepResult<V>, now: number): ExecutionState<V> {
  return withEnded(state, withMember(state.stepResults, result.stepId, result), [result], isoTime(now));
}

/** The trace that {@link withEnded} made last with a record of results, and the one before: it is asked for it twice. */
const traces = new WeakMap<object, readonly [before: object, after: object]>();

/** The state with these results of steps; `ended` are those of them that the state does not have. */
export function withEnded<V>(
  state: ExecutionState<V>,
  stepResults: ExecutionState<V>["stepResults"],
  ended: readonly StepResult<V>[],
  updatedAt: string | undefined,
): ExecutionState<V> {
  const [before, after] = traces.get(stepResults) ?? [];
  const trace = before === state.trace ? (after as Trace<V>) : tracedIn(state.trace, ended);
  traces.set(stepResults, [state.trace, trace]);
  return {
    ...state,
    stepResults,
    trace,
    iteration: state.iteration + ended.length,
    ...present({ currentStep: ended.at(-1)?.stepId, updatedAt }),
  };
}

function tracedIn<V>(trace: Trace<V>, ended: readonly StepResult<V>[]): Trace<V> {
  const { steps, metrics } = trace;
  const traced = ended.map(({ stepId, uses, status, startedAt, finishedAt, reads = [], writes = [], latencyMs }) =>
    present({ stepId, capabilityId: uses, status, reads, writes, startedAt, endedAt: finishedAt, latencyMs }),
  );
  return {
    ...trace,
    steps: steps.concat(traced),
    metrics: {
      ...metrics,
      stepCount: metrics.stepCount + ended.length,
      elapsedMs: ended.reduce((sum, { latencyMs = 0 }) => sum + latencyMs, metrics.elapsedMs),
    },
  };
}

/** The state of a run that begins to execute, or goes on. */
export function runningState<V>(state: ExecutionState<V>, now: number): ExecutionState<V> {
  const { finishedAt: _, ...rest } = state;
  const { statusReason: __, ...output } = state.output;
  return {
    ...rest,
    status: "running",
    output: { ...output, result: null },
    startedAt: state.startedAt ?? isoTime(now),
    updatedAt: isoTime(now),
  };
}
