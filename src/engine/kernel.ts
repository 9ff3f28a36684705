import { type Clock, isoTime, joined, unlessAborted } from "../clock.ts";
import { decodeValue, encodeValue, type ValueLimits } from "../codec/values.ts";
import { DurableError, isDurableError } from "../errors.ts";
import { randomFraction } from "../ids.ts";
import type { Json } from "../json.ts";
import { cutText, present } from "../json.ts";
import type { NewEvent } from "../record/event.ts";
import { type Gate, gateAsked } from "../record/gate.ts";
import { contextOf, event, type RunRecord, type Wait, waitOf, withWait } from "../record/run.ts";
import type { ExecutionState, StepResult } from "../record/state.ts";
import { withResult } from "../record/state.ts";
import type { Schema } from "../schema.ts";
import { validate } from "../schema.ts";
import type { EffectPolicy, StepContext } from "../skills/capability.ts";
import { ledgerName } from "../skills/renaming.ts";
import type { NewClaim } from "../store.ts";
import type { Failure } from "../telemetry/telemetry.ts";
import { type Effect, type EffectPlan, effectClaim, fitsLedger, planEffect, requestOf } from "./ledger.ts";
import { LostHold, type Pass, type PassChange, type StepOutcome } from "./pass.ts";
import { isRetryable, keptInput, nameOf, type StepError, stepError, tooLarge } from "./thrown.ts";

/** A step of either form of skill, as the kernel sees it. */
export interface StepSpec {
  readonly id: string;
  /** The capability, or the kind of a built-in step. */
  readonly uses: string;
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** `fail` leaves it to the caller to fail the run; `degrade` records the failure as the step's result. */
  readonly onFailure: "fail" | "degrade";
  /** The state after the step's encoded output was applied. */
  apply(output: Json, state: ExecutionState<Json>): ExecutionState<Json>;
}

/** The action of a step: a capability's handler, or a callback of a body. */
export interface Action {
  /** Its name in the ledger and in confirmations, in case several steps share what they use. */
  readonly name?: string;
  readonly policy: EffectPolicy;
  /** Encoded; decoded and checked at each attempt. */
  readonly input: Json;
  readonly inputSchema?: Schema | undefined;
  readonly outputSchema?: Schema | undefined;
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs?: number;
  call(input: unknown, context: StepContext): unknown;
  /** The delay before the next attempt in milliseconds, or `undefined` if no attempt is left. `random` is in [0, 1). */
  retryDelay(attempts: number, error: StepError, random: number): number | undefined | Promise<number | undefined>;
}

/** The outcome of one call of a handler. */
type AttemptOutcome =
  | { readonly kind: "returned"; readonly output: Json }
  | {
      readonly kind: "failed";
      readonly error: StepError;
      readonly isRetryable: boolean;
      /** True if the handler certainly did nothing to the world. */
      readonly isHarmless: boolean;
    };

/** A step under way: the data of its later result. */
export interface Started {
  readonly step: StepSpec;
  readonly input: Json;
  readonly at: number;
  readonly attempts: number;
  /** Of an action of the ledger: what it asks for. */
  readonly request?: string;
}

/** Failures of the medium. They mean nothing for the run, which is taken again once the medium is back. */
export function isMediumFault(error: unknown): boolean {
  return isDurableError(error, "store_failed", "store_blocked", "store_outdated", "quota_exceeded");
}

/** Takes a step. An error that is neither the medium's fault nor the loss of the run fails the step. */
export async function guarded(pass: Pass, step: StepSpec, take: () => Promise<StepOutcome>): Promise<StepOutcome> {
  try {
    return await take();
  } catch (error) {
    if (error instanceof LostHold || isMediumFault(error)) throw error;
    // A body must not catch that it is another one.
    const asked: StepSpec = isDurableError(error, "nondeterminism") ? { ...step, onFailure: "fail" } : step;
    return failed(pass, begun(pass, asked), stepError(error));
  }
}

/** Settles a step that is skipped. */
export function skip(pass: Pass, step: StepSpec): Promise<StepOutcome> {
  return settle(pass, begun(pass, step, 0), "skipped", null);
}

/**
 * Takes a step that calls an action, as far as possible now: the ledger, the gate, the backoff, one attempt, and the
 * commit of its outcome. `signal` aborts when the run is lost or a sibling failed.
 */
export async function act(pass: Pass, step: StepSpec, action: Action, signal: AbortSignal): Promise<StepOutcome> {
  const { host, record } = pass;
  const { policy, input } = action;
  const name = action.name === undefined ? step.uses : lastingName(record, action.name);
  const gate = waitOf(record, step.id, "approval");
  const backoff = waitOf(record, step.id, "retry");
  const earlier = (backoff ?? gate)?.request;
  const plan = hasEffect(policy)
    ? await planEffect(host, record, policy, { name, stepId: step.id, input, decided: gate?.decision, earlier })
    : undefined;
  if (plan?.kind === "reuse") return reuse(pass, { ...begun(pass, step, 0), input }, plan.effect);
  const now = host.clock.now();
  const attempts = (backoff ?? gate)?.attempts;
  const request = plan && requestOf(plan.effect);
  const asking = {
    kind: "approval",
    stepId: step.id,
    since: gate?.since ?? now,
    // A callback is no capability.
    ...present({ capabilityId: action.name ? undefined : name, attempts, request }),
  } as const;
  if (backoff !== undefined && backoff.until > now) return { kind: "waiting", wait: backoff };
  if (plan?.kind === "ask") return ask(pass, step, { ...asking, reason: plan.reason });
  if (policy.requiresConfirmation === true && !record.confirmed.includes(name)) {
    return ask(pass, step, { ...asking, reason: "confirmation" });
  }

  const started: Started = { step, input, at: now, attempts: (attempts ?? 0) + 1, ...present({ request }) };
  if (signal.aborted) return { kind: "aborted" };
  return await called(pass, started, action, signal, plan);
}

/** Calls the handler, and commits the outcome. */
async function called(
  pass: Pass,
  started: Started,
  action: Action,
  signal: AbortSignal,
  plan: Extract<EffectPlan, { kind: "act" }> | undefined,
): Promise<StepOutcome> {
  const { host, record } = pass;
  const { step } = started;
  if (plan !== undefined) await enter(pass, started, plan.effect);
  const { runId, traceId } = record.run;
  const context = {
    runId,
    stepId: step.id,
    ...present({ traceId }),
    attempt: started.attempts,
    idempotencyKey: idempotencyKey(record, step.id, plan?.effect),
    signal,
  };
  pass.show(startedEvent(started));
  const call = () => attempt(pass, action, context);
  const outcome = await unlessAborted(
    pass.signal,
    host.instrumentation?.attempt(step.uses, context, call, failureOf) ?? call(),
  );
  if (outcome.kind === "returned") return await succeeded(pass, started, outcome.output, plan?.effect);
  const { error } = outcome;
  // Otherwise the action may have happened, and the entry stays as it is.
  const harmless = outcome.isHarmless ? plan?.effect : undefined;
  const claims = harmless && [await effectClaim(runId, { ...harmless, status: "failed" })];
  if (signal.aborted && step.onFailure === "degrade") {
    // It failed because it was aborted, and not by itself.
    if (claims !== undefined) await pass.commit((record) => ({ record, events: [], claims }));
    return { kind: "aborted" };
  }
  if (!outcome.isRetryable || signal.aborted) return failed(pass, started, error, claims);
  const next = await unlessAborted(
    pass.signal,
    nextDelay(action, started.attempts, error, randomFraction(host.random)),
  );
  if (typeof next !== "number") return failed(pass, started, next, claims);
  if (signal.aborted) return failed(pass, started, error, claims);
  return backOff(pass, started, next, error, claims);
}

/**
 * Calls the action once: checks and decodes its input, and checks and encodes its result. `signal` is the step's; an
 * attempt that times out aborts only its own part of it, and a late result is dropped.
 *
 * @throws LostHold if the handler may not be called any more.
 */
async function attempt(pass: Pass, action: Action, context: StepContext): Promise<AttemptOutcome> {
  const { inputSchema } = action;
  let checked: unknown;
  try {
    const decoded = decodeValue(action.input, "input");
    checked = inputSchema === undefined ? decoded : await validate(inputSchema, decoded, "input");
  } catch (error) {
    return failedAttempt(error, true);
  }
  await pass.confirm();
  try {
    const returned = await withTimeout(pass.host.clock, action.timeoutMs, context.signal, (signal) =>
      action.call(checked, { ...context, signal }),
    );
    return { kind: "returned", output: await checkedOutput(pass.host, action, returned) };
  } catch (error) {
    return failedAttempt(error, nameOf(error) === "NothingHappenedError");
  }
}

function failedAttempt(error: unknown, isHarmless: boolean): AttemptOutcome {
  return { kind: "failed", error: stepError(error), isRetryable: isRetryable(error), isHarmless };
}

async function checkedOutput(limits: ValueLimits, { outputSchema }: Action, returned: unknown): Promise<Json> {
  try {
    const checked = outputSchema === undefined ? returned : await validate(outputSchema, returned, "output");
    return encodeValue(checked, "output", limits);
  } catch (cause) {
    if (isDurableError(cause, "too_large")) throw cause;
    throw new DurableError("invalid_output", (cause as Error).message, { cause });
  }
}

/** What the call returns, unless it takes longer. What it returns at once needs no timer. */
async function withTimeout(
  clock: Clock,
  timeoutMs: number | undefined,
  signal: AbortSignal,
  call: (signal: AbortSignal) => unknown,
): Promise<unknown> {
  if (timeoutMs === undefined) return call(signal);
  const own = joined(signal);
  let timer: AbortController | undefined;
  let isOver = false;
  const end = () => {
    isOver = true;
    own.release();
    timer?.abort("over");
  };
  const time = async () => {
    timer = new AbortController();
    await clock.sleep(timeoutMs, timer.signal);
    if (isOver) return;
    const error = new DurableError("step_timeout", `the attempt took longer than ${timeoutMs} ms`);
    own.abort(error);
    throw error;
  };
  try {
    return await new Promise((resolve, reject) => {
      const work = Promise.resolve(call(own.signal));
      work.then(resolve, reject);
      work.then(end, end);
      queueMicrotask(() => isOver || time().catch(reject));
    });
  } finally {
    end();
  }
}

function failureOf(outcome: AttemptOutcome): Failure | undefined {
  return outcome.kind === "failed" ? { type: outcome.error.code, message: outcome.error.message } : undefined;
}

/** True if calls are recorded in the ledger. */
export function hasEffect({ sideEffects }: EffectPolicy): boolean {
  return sideEffects === "write" || sideEffects === "external_action";
}

/**
 * The same for every attempt at one execution of a step, and different for every other execution, request, step, run
 * and tenant: a receiver that has seen the key must not mistake the mail of an edited run for the earlier one. The
 * parts are escaped, so that no two keys are equal.
 */
function idempotencyKey(record: RunRecord<Json>, stepId: string, effect?: Effect): string {
  const { run } = record;
  const parts = [run.tenantId ?? "", run.runId, lastingName(record, stepId)];
  if (effect !== undefined) parts.push(requestOf(effect));
  if (effect !== undefined && effect.ordinal > 1) parts.push(String(effect.ordinal));
  // As in JSON first: a lone surrogate has no UTF-8, and `encodeURIComponent` throws for it.
  return parts.map((part) => encodeURIComponent(JSON.stringify(part).slice(1, -1))).join("/");
}

// Most runs never had their steps renamed.
function lastingName(record: RunRecord<Json>, id: string): string {
  return record.ledgerNames === undefined ? id : ledgerName(record, id);
}

/** Opens a gate at once, so that it can be decided while other steps are still in flight. */
export function ask(pass: Pass, step: StepSpec, gate: Gate): Promise<StepOutcome> {
  return beginWait(pass, step, gate, (record, _, now) =>
    waitOf(record, gate.stepId, "approval")?.reason === gate.reason
      ? undefined
      : { record: withWait(record, gate), events: [gateAsked(gate, now)] },
  );
}

/** Records that the step waits. If the row has no room for another wait, the step is `refused`; by default the run fails at it. */
export async function beginWait(
  pass: Pass,
  step: StepSpec,
  wait: Wait,
  decide: Parameters<Pass["commit"]>[0],
  refused = (error: StepError) => failed(pass, begun(pass, { ...step, onFailure: "fail" }), error),
): Promise<StepOutcome> {
  try {
    await pass.commit(decide);
  } catch (cause) {
    const error = tooLarge(cause);
    const message = `step "${cutText(step.id, 100)}" cannot wait beside the others: ${error.message}`;
    return refused({ ...error, message });
  }
  return { kind: "waiting", wait };
}

/** How long to wait before the next attempt; if there is none, the error with which the step fails. */
async function nextDelay(
  action: Action,
  attempts: number,
  error: StepError,
  random: number,
): Promise<number | StepError> {
  try {
    return (await action.retryDelay(attempts, error, random)) ?? error;
  } catch (thrown) {
    // The author's own delay function failed.
    return stepError(thrown);
  }
}

export async function reuse(pass: Pass, started: Started, effect: Effect): Promise<StepOutcome> {
  const reused = event("side_effect.reused", pass.host.clock.now(), {
    step_id: started.step.id,
    uses: effect.uses,
    request_hash: effect.requestHash,
  });
  return settle(pass, started, "completed", effect.output ?? null, { before: [reused] });
}

/**
 * Records the effect in the ledger before it is tried, so that a crash in between is visible afterwards. This uses up a
 * person's decision about the effect: an approval is for one attempt.
 */
async function enter(pass: Pass, { step, attempts, request }: Started, effect: Effect): Promise<void> {
  const claim = await effectClaim(pass.record.run.runId, effect);
  await pass.commit((record, _, now) => {
    const gate = waitOf(record, step.id, "approval");
    const without = { ...record, waits: record.waits.filter((wait) => wait !== gate) };
    // The earlier attempts still count, also for an executor that takes the run over from here.
    const again = retryOf(step, now, attempts - 1, "", request);
    const next = gate === undefined || attempts === 1 ? without : withWait(without, again);
    return { record: next, events: [], claims: [claim] };
  });
}

export async function succeeded(
  pass: Pass,
  started: Started,
  output: Json,
  effect: Effect | undefined,
): Promise<StepOutcome> {
  if (effect === undefined) return await settle(pass, started, "completed", output);
  const claim = await effectClaim(pass.record.run.runId, { ...effect, status: "recorded", output });
  if (!fitsLedger(claim)) {
    const problem = "the result is too large for the ledger: return a reference to it";
    return failed(pass, started, stepError(new DurableError("invalid_output", problem)));
  }
  const recorded = event("side_effect.recorded", pass.host.clock.now(), {
    step_id: started.step.id,
    uses: effect.uses,
    request_hash: effect.requestHash,
  });
  return settle(pass, started, "completed", output, { before: [startedEvent(started), recorded], claims: [claim] });
}

async function backOff(
  pass: Pass,
  started: Started,
  delayMs: number,
  error: StepError,
  claims: readonly NewClaim[] | undefined,
): Promise<StepOutcome> {
  const { step, attempts, request } = started;
  const until = pass.host.clock.now() + delayMs;
  // Cut: a run may have very many of them, and its row is bounded.
  const wait = retryOf(step, until, attempts, cutText(error.message, 200), request, error.code);
  const payload = { step_id: step.id, attempt: attempts, error: error.message, retry_at: isoTime(until) };
  return beginWait(
    pass,
    step,
    wait,
    (record, _, now) => ({
      record: withWait(record, wait),
      events: [startedEvent(started), event("step.retry_scheduled", now, payload)],
      ...present({ claims }),
    }),
    // It has no attempt left, and its own error is the reason.
    ({ message }) =>
      failed(pass, started, { ...error, message: `${message}; it failed with: ${error.message}` }, claims),
  );
}

function retryOf(
  { id }: StepSpec,
  until: number,
  attempts: number,
  error: string,
  request?: string,
  code?: string,
): Wait {
  return { kind: "retry", stepId: id, until, attempts, error, ...present({ request, code }) };
}

/** The data of a step that begins now. */
export function begun(pass: Pass, step: StepSpec, attempts = 1): Started {
  return { step, input: null, at: pass.host.clock.now(), attempts };
}

/** Records the result of a step, or its failure if the result does not fit. */
export async function settle(
  pass: Pass,
  started: Started,
  status: "completed" | "skipped",
  output: Json,
  more: { readonly before?: readonly NewEvent<Json>[]; readonly claims?: readonly NewClaim[] } = {},
): Promise<StepOutcome> {
  const { before = status === "skipped" ? [] : [startedEvent(started)], claims } = more;
  const result = stepResult(started, status, output, pass.host.clock.now());
  try {
    await pass.commit((record, state, now) => ({
      ...settledChange(started, result, record, state, now, before),
      ...present({ claims }),
    }));
  } catch (error) {
    // Another attempt would have the same outcome.
    return failed(pass, started, tooLarge(error), claims);
  }
  return { kind: "settled", result };
}

/** Records the failure of a step, or leaves it to the caller, as the step says. */
export async function failed(
  pass: Pass,
  started: Started,
  error: StepError,
  claims?: readonly NewClaim[],
): Promise<StepOutcome> {
  const { step } = started;
  const now = pass.host.clock.now();
  const result = stepResult({ ...started, input: keptInput(started.input) }, "failed", null, now);
  const failure = { ...result, errorMessage: error.message, rawResult: error.thrown };
  pass.host.onError(error.raw, contextOf(pass.record, step.id));
  if (step.onFailure === "fail") {
    if (claims !== undefined) await pass.commit((record) => ({ record, events: [], claims }));
    return { kind: "failed", error, result: failure };
  }
  const degraded = { ...failure, status: "degraded" };
  try {
    await pass.commit((record, state, now) => ({
      ...settledChange(started, degraded, record, state, now, [startedEvent(started), stepFailed(failure, now)]),
      ...present({ claims }),
    }));
  } catch (thrown) {
    // Not even the failure fits: the run cannot go on.
    const larger = tooLarge(thrown);
    return {
      kind: "failed",
      error: larger,
      result: { ...failure, errorMessage: larger.message, rawResult: null },
    };
  }
  return { kind: "settled", result: degraded };
}

/** The event of a step that has no attempt left, with its message cut to this many characters. */
export function stepFailed(result: StepResult<Json>, now: number, longest = Number.POSITIVE_INFINITY): NewEvent<Json> {
  const { stepId, uses, errorMessage = "", rawResult } = result;
  const name = nameOf(decodeThrown(rawResult));
  return event("step.failed", now, {
    step_id: stepId,
    uses,
    error: cutText(errorMessage, longest),
    ...present({ error_name: name === undefined ? undefined : cutText(name, 100) }),
  });
}

function decodeThrown(rawResult: Json | null): unknown {
  return rawResult === null ? undefined : decodeValue(rawResult, "error");
}

/** The commit that records the result of a step. */
export function settledChange(
  { step, attempts }: Started,
  result: StepResult<Json>,
  record: RunRecord<Json>,
  state: ExecutionState<Json>,
  now: number,
  before: readonly NewEvent<Json>[],
): PassChange {
  const { status, producedOutput, latencyMs = 0 } = result;
  const payload = { step_id: step.id, uses: step.uses, status, attempts, latency_ms: latencyMs };
  return {
    record: {
      ...record,
      run: { ...record.run, currentStepId: step.id },
      waits: record.waits.filter((wait) => wait.stepId !== step.id),
    },
    state: withResult(status === "completed" ? step.apply(producedOutput, state) : state, result, now),
    events: [...before, event("step.completed", now, payload)],
    checkpoint: { kind: "step_completed", stepId: step.id },
  };
}

export function stepResult(
  { step, input, at, attempts }: Started,
  status: string,
  output: Json,
  now: number,
): StepResult<Json> {
  return {
    stepId: step.id,
    uses: step.uses,
    status,
    resolvedInput: input,
    producedOutput: output,
    rawResult: null,
    attemptsCount: attempts,
    startedAt: isoTime(at),
    finishedAt: isoTime(now),
    reads: step.reads,
    writes: status === "completed" ? step.writes : [],
    latencyMs: now - at,
  };
}

function startedEvent({ step, attempts, at }: Started): NewEvent<Json> {
  return event("step.started", at, { step_id: step.id, uses: step.uses, attempt: attempts });
}
