import { decodeValue } from "../codec/values.ts";
import { DurableError } from "../errors.ts";
import type { EventType, NewEvent } from "../event.ts";
import type { ExecutionState, Fields, StepResult } from "../execution-state.ts";
import { applyOutput, isTruthy, type PlannedStep, resolveInput, type Scope, type StepAction } from "../graph.ts";
import type { Json } from "../json.ts";
import { noRetry, retryDelay } from "../retry.ts";
import type { RunRecord, Wait } from "../run.ts";
import { attempt, mergedPolicy, type StepError, stepError } from "./attempt.ts";
import { isoTime, randomFraction } from "./host.ts";
import type { Pass } from "./pass.ts";

/** What became of one step in one pass. */
export type StepOutcome =
  | { readonly kind: "settled" }
  | { readonly kind: "waiting"; readonly wait: Wait }
  | { readonly kind: "failed"; readonly error: StepError; readonly result: StepResult<Json> };

type CapabilityAction = Extract<StepAction, { kind: "capability" }>;
type SignalAction = Extract<StepAction, { kind: "signal" }>;

/** A step under way: its plan, and what its result will say of it. */
interface Attempted {
  readonly step: PlannedStep;
  readonly uses: string;
  readonly input: Json;
  readonly startedAt: number;
  readonly attempts: number;
}

/**
 * Takes one step as far as it goes now. A step that settles is committed with its checkpoint; one that waits or fails
 * leaves it to the graph to commit that, once every step in flight has settled.
 *
 * `signal` aborts when the run is lost or a sibling failed.
 */
export async function takeStep(pass: Pass, step: PlannedStep, signal: AbortSignal): Promise<StepOutcome> {
  const started = begun(pass, step);
  try {
    if (!holds(pass, step)) return settle(pass, started, "skipped", null);
  } catch (error) {
    return failed(pass, { ...started, attempts: 1 }, stepError(error));
  }
  switch (step.does.kind) {
    case "capability":
      return useCapability(pass, step, step.does, signal);
    case "signal":
      return receiveSignal(pass, started, step.does);
    case "sleep":
      return sleep(pass, started, step.does.forMs);
  }
}

function begun(pass: Pass, step: PlannedStep): Attempted {
  const uses = step.does.kind === "capability" ? step.does.capabilityId : `run.${step.does.kind}`;
  return { step, uses, input: null, startedAt: pass.host.clock.now(), attempts: 0 };
}

function holds(pass: Pass, { when }: PlannedStep): boolean {
  if (when === undefined) return true;
  if (typeof when !== "function") return isTruthy(when, pass.state);
  const { inputs, vars, outputs } = pass.state;
  return Boolean(when(decodeValue({ inputs, vars, outputs }, "scope") as unknown as Scope));
}

async function useCapability(
  pass: Pass,
  step: PlannedStep,
  action: CapabilityAction,
  signal: AbortSignal,
): Promise<StepOutcome> {
  const { host, record } = pass;
  const capability = host.capabilities.find(action.capabilityId);
  if (capability === undefined) {
    throw new DurableError("not_found", `capability "${action.capabilityId}" is not registered here`);
  }
  const { definition } = capability;
  const now = host.clock.now();
  if (definition.requiresConfirmation === true && !record.confirmed.includes(definition.id)) {
    return { kind: "waiting", wait: { kind: "approval", stepId: step.id, capabilityId: definition.id, since: now } };
  }
  const backoff = waitOf(record, step.id, "retry");
  if (backoff !== undefined && backoff.until > now) return { kind: "waiting", wait: backoff };
  const attempts = (backoff?.attempts ?? 0) + 1;
  const input = resolveInput(action.input, pass.state);
  const started: Attempted = { step, uses: definition.id, input, startedAt: now, attempts };
  const { runId, traceId } = record.run;
  const context = {
    runId,
    stepId: step.id,
    ...(traceId === undefined ? {} : { traceId }),
    attempt: attempts,
    idempotencyKey: idempotencyKey(record, step.id),
    signal,
  };
  const timeoutMs = action.timeoutMs ?? definition.timeoutMs;
  const outcome = await untilLost(pass, attempt(host.clock, capability, input, context, timeoutMs));
  if (outcome.kind === "returned") return settle(pass, started, "completed", outcome.output);
  const policy = mergedPolicy(noRetry, definition.retry, action.retry);
  const delay = outcome.isRetryable ? retryDelay(policy, attempts, randomFraction(host.random)) : undefined;
  if (delay === undefined || signal.aborted) return failed(pass, started, outcome.error);
  return backOff(pass, started, delay, outcome.error);
}

/**
 * The same for every attempt of a step in a run, and another for every other step, run and tenant. The parts are escaped,
 * so that no two triples give one key.
 */
function idempotencyKey({ run }: RunRecord<Json>, stepId: string): string {
  return [run.tenantId ?? "", run.runId, stepId].map(encodeURIComponent).join("/");
}

/** What an attempt returned; a pass that lost its run waits for nobody. */
async function untilLost<T>(pass: Pass, promise: Promise<T>): Promise<T> {
  const { signal } = pass;
  let onLost = () => {};
  const lost = new Promise<never>((_, reject) => {
    onLost = () => reject(signal.reason);
    if (signal.aborted) onLost();
    signal.addEventListener("abort", onLost);
  });
  try {
    return await Promise.race([promise, lost]);
  } finally {
    signal.removeEventListener("abort", onLost);
  }
}

async function backOff(pass: Pass, started: Attempted, delayMs: number, error: StepError): Promise<StepOutcome> {
  const { step, attempts } = started;
  const until = pass.host.clock.now() + delayMs;
  const wait: Wait = { kind: "retry", stepId: step.id, until, attempts, error: error.message };
  await pass.commit((record, _, now) => ({
    record: withWait(record, wait),
    events: [
      startedEvent(started),
      event("step.retry_scheduled", now, {
        step_id: step.id,
        attempt: attempts,
        error: error.message,
        retry_at: isoTime(until),
      }),
    ],
  }));
  return { kind: "waiting", wait };
}

async function receiveSignal(pass: Pass, started: Attempted, action: SignalAction): Promise<StepOutcome> {
  const { step } = started;
  const isReceived = await pass.commit((record, state, now) => {
    const index = record.inbox.findIndex((signal) => signal.name === action.name);
    const signal = record.inbox[index];
    if (signal === undefined) return undefined;
    const delivered = event("signal.delivered", now, { step_id: step.id, name: action.name });
    const next = settledChange(record, state, now, { ...started, attempts: 1 }, "completed", signal.payload, [
      delivered,
    ]);
    return { ...next, record: { ...next.record, inbox: record.inbox.toSpliced(index, 1) } };
  });
  if (isReceived) return { kind: "settled" };
  const now = pass.host.clock.now();
  const before = waitOf(pass.record, step.id, "signal");
  const until = before?.until ?? (action.timeoutMs === undefined ? undefined : now + action.timeoutMs);
  if (until !== undefined && until <= now) {
    const error = { code: "step_timeout", message: `no signal "${action.name}" came in time` };
    return failed(pass, { ...started, attempts: 1 }, error);
  }
  return {
    kind: "waiting",
    wait: { kind: "signal", stepId: step.id, name: action.name, ...(until === undefined ? {} : { until }) },
  };
}

async function sleep(pass: Pass, started: Attempted, forMs: number): Promise<StepOutcome> {
  const { step } = started;
  const before = waitOf(pass.record, step.id, "sleep");
  const until = before?.until ?? pass.host.clock.now() + forMs;
  if (until <= pass.host.clock.now()) return settle(pass, { ...started, attempts: 1 }, "completed", null);
  const wait: Wait = { kind: "sleep", stepId: step.id, until };
  if (before === undefined) {
    await pass.commit((record, _, now) => ({
      record: withWait(record, wait),
      events: [event("step.sleeping", now, { step_id: step.id, until: isoTime(until) })],
    }));
  }
  return { kind: "waiting", wait };
}

async function settle(pass: Pass, started: Attempted, status: string, output: Json): Promise<StepOutcome> {
  const before = status === "skipped" ? [] : [startedEvent(started)];
  await pass.commit((record, state, now) => settledChange(record, state, now, started, status, output, before));
  return { kind: "settled" };
}

async function failed(pass: Pass, started: Attempted, error: StepError): Promise<StepOutcome> {
  const { step } = started;
  const result = stepResult(started, "failed", null, pass.host.clock.now(), error.message);
  if (step.onFailure === "fail") return { kind: "failed", error, result };
  await pass.commit((record, state, now) =>
    settledChange(record, state, now, started, "degraded", null, [startedEvent(started)], error.message),
  );
  return { kind: "settled" };
}

function settledChange(
  record: RunRecord<Json>,
  state: ExecutionState<Json>,
  now: number,
  started: Attempted,
  status: string,
  output: Json,
  before: readonly NewEvent<Json>[],
  errorMessage?: string,
) {
  const { step } = started;
  const result = stepResult(started, status, output, now, errorMessage);
  const next = withResult(status === "completed" ? applyOutput(step, output, state) : state, result, now);
  const payload = {
    step_id: step.id,
    uses: started.uses,
    status,
    attempts: started.attempts,
    latency_ms: result.latencyMs ?? 0,
  };
  return {
    record: {
      ...record,
      run: { ...record.run, currentStepId: step.id },
      waits: record.waits.filter((wait) => wait.stepId !== step.id),
    },
    state: next,
    events: [...before, event("step.completed", now, payload)],
    checkpoint: { kind: "step_completed", stepId: step.id },
  };
}

function stepResult(
  { step, uses, input, startedAt, attempts }: Attempted,
  status: string,
  output: Json,
  now: number,
  errorMessage?: string,
): StepResult<Json> {
  return {
    stepId: step.id,
    uses,
    status,
    resolvedInput: input,
    producedOutput: output,
    rawResult: null,
    attemptsCount: attempts,
    ...(errorMessage === undefined ? {} : { errorMessage }),
    startedAt: isoTime(startedAt),
    finishedAt: isoTime(now),
    reads: step.reads,
    writes: status === "completed" ? step.writes : [],
    latencyMs: now - startedAt,
  };
}

/** The state with a step's result in it, in its results and in its trace. */
export function withResult(state: ExecutionState<Json>, result: StepResult<Json>, now: number): ExecutionState<Json> {
  const { stepId, uses, status, startedAt, finishedAt, reads = [], writes = [], latencyMs } = result;
  const traced = {
    stepId,
    capabilityId: uses,
    status,
    reads,
    writes,
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { endedAt: finishedAt }),
    ...(latencyMs === undefined ? {} : { latencyMs }),
  };
  const { metrics } = state.trace;
  return {
    ...state,
    stepResults: { ...state.stepResults, [stepId]: result },
    trace: {
      ...state.trace,
      steps: [...state.trace.steps, traced],
      metrics: { ...metrics, stepCount: metrics.stepCount + 1, elapsedMs: metrics.elapsedMs + (latencyMs ?? 0) },
    },
    iteration: state.iteration + 1,
    currentStep: stepId,
    updatedAt: isoTime(now),
  };
}

function startedEvent({ step, uses, attempts, startedAt }: Attempted): NewEvent<Json> {
  return event("step.started", startedAt, { step_id: step.id, uses, attempt: attempts });
}

/** An event at a time of the host's clock. */
export function event(type: EventType, at: number, payload: Fields<Json> = {}): NewEvent<Json> {
  return { type, at: isoTime(at), payload };
}

function waitOf<K extends Wait["kind"]>(
  record: RunRecord<Json>,
  stepId: string,
  kind: K,
): Extract<Wait, { kind: K }> | undefined {
  return record.waits.find((wait): wait is Extract<Wait, { kind: K }> => wait.stepId === stepId && wait.kind === kind);
}

function withWait(record: RunRecord<Json>, wait: Wait): RunRecord<Json> {
  return { ...record, waits: [...record.waits.filter((other) => other.stepId !== wait.stepId), wait] };
}
