import { anId, anything, aStepName, aTimestamp, expectKind, given, type Kinds, needed } from "../../argument.ts";
import { decodeValue, encodeValue } from "../../codec/values.ts";
import { aDuration, aTimeout, type Duration, durationMs } from "../../duration.ts";
import { type Action, act, guarded, type StepSpec } from "../../engine/kernel.ts";
import type { Pass, StepOutcome, Take } from "../../engine/pass.ts";
import type { StepError } from "../../engine/thrown.ts";
import { askForApproval, receiveSignal, sleep } from "../../engine/waiting.ts";
import { invalidRequest } from "../../errors.ts";
import { isStepName } from "../../ids.ts";
import type { Json } from "../../json.ts";
import { present } from "../../json.ts";
import type { StepResult } from "../../record/state.ts";
import { defaultRetries, retriesKinds, retryDelay } from "../../retry.ts";
import { type Capability, effectKinds, type StepContext } from "../capability.ts";
import { capabilityAction } from "../capability-action.ts";
import type { Approval, StepConfig, WorkflowStep, WorkflowStepContext } from "./workflow.ts";

const eventTimeoutMs = 24 * 60 * 60_000;
const defaultTimeoutMs = 10 * 60_000;
/** The same, as a callback sees it. */
const defaultTimeout = "10 minutes";
/** The `uses` of a step with a callback, in records and in measurements. */
const callbackUses = "step.do";

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

type Callback<T> = (context: WorkflowStepContext) => Promise<T>;

/** The pass behind the `step` object of a body; test tools replace answers there. */
export const codeRuns = new WeakMap<WorkflowStep, BodyRun>();

/** The steps of one pass, as a body sees them. */
export function workflowStep(run: BodyRun): WorkflowStep {
  const steps: WorkflowStep = {
    do: <T>(name: string, ...rest: readonly unknown[]) =>
      handled(async () => {
        const [config, callback, rollback] = (typeof rest[0] === "function" ? [undefined, ...rest] : rest) as readonly [
          StepConfig | undefined,
          Callback<T>,
          unknown,
        ];
        checkName(name);
        if (rollback !== undefined) {
          run.endWith(`step "${name}" needs uses: [rollbacks]`, name, "unsupported");
          return never<T>();
        }
        if (typeof callback !== "function") throw invalidRequest(name, `step "${name}": expected a callback`);
        // Before the step is called, so that the body gets the error in every pass.
        const checked = config == null ? {} : given(config, configKinds, name, name);
        return await call<T>(run, name, callbackUses, (id, count) =>
          callbackAction(run, name, id, count, checked, callback),
        );
      }),
    use: <T>(name: string, asked: string | Capability, input: unknown = {}) =>
      handled(async () => {
        checkName(name);
        const capability = run.pass.host.capabilities.resolve(asked, `${name}.capability`);
        const capabilityId = capability.definition.id;
        const action = capabilityAction(capability, encodeValue(input, "input", run.pass.host));
        return call<T>(run, name, capabilityId, () => action, action.input);
      }),
    sleep: (name: string, duration: Duration) =>
      handled(async () => {
        checkName(name);
        const forMs = durationMs(duration, name);
        answer(run, await take(run, name, "step.sleep", (spec) => sleep(run.pass, spec, (now) => now + forMs)));
      }),
    sleepUntil: (name: string, timestamp: Date | number) =>
      handled(async () => {
        checkName(name);
        const until = Number(expectKind(timestamp, aTimestamp, name));
        answer(run, await take(run, name, "step.sleep", (spec) => sleep(run.pass, spec, () => until)));
      }),
    waitForEvent: <T>(name: string, options: { type: string; timeout?: Duration }) =>
      handled(async () => {
        checkName(name);
        const { type, timeout } = given(options, eventKinds, name, name);
        const timeoutMs = timeout === undefined ? eventTimeoutMs : durationMs(timeout, `${name}.timeout`);
        const result = await take(run, name, "step.waitForEvent", (spec) =>
          receiveSignal(run.pass, spec, type, timeoutMs, ({ payload, receivedAt }) => ({
            payload,
            timestamp: encodeValue(new Date(receivedAt), "timestamp"),
            type,
          })),
        );
        return answer<{ payload: Readonly<T>; timestamp: Date; type: string }>(run, result);
      }),
    waitForApproval: (name: string) =>
      handled(async (): Promise<Approval> => {
        checkName(name);
        const result = await take(run, name, "step.waitForApproval", (spec) => askForApproval(run.pass, spec));
        const { approver, notes, decided_at } = answer<Record<string, string | null>>(run, result);
        return {
          ...present({ approver: approver ?? undefined, notes: notes ?? undefined }),
          decidedAt: new Date(decided_at ?? 0),
        };
      }),
  };
  codeRuns.set(steps, run);
  return steps;
}

/**
 * A promise for the body. If nothing awaits it, the process must not end: a step's failure is recorded, and the body
 * decides what to do about it.
 */
export function handled<T>(work: () => Promise<T>): Promise<T> {
  const promise = work();
  promise.catch(() => {});
  return promise;
}

/** The answer of a step that does not settle in this pass. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}

/** Calls a step, and takes it under its own spec. */
export function take(
  run: BodyRun,
  name: string,
  uses: string,
  taken: (spec: StepSpec, count: number) => Promise<StepOutcome>,
  input?: Json,
): Promise<StepResult<Json>> {
  return run.ask({
    name,
    uses,
    ...present({ input }),
    take: (id, count) => {
      const spec = specOf(id, uses);
      return guarded(run.pass, spec, () => taken(spec, count));
    },
  });
}

/**
 * Takes a step that calls an action, and returns its outcome to the body. An input distinguishes one call from another.
 */
export async function call<T>(
  run: BodyRun,
  name: string,
  uses: string,
  action: (id: string, count: number) => Action,
  input?: Json,
): Promise<T> {
  const taken = (spec: StepSpec, count: number) => act(run.pass, spec, action(spec.id, count), run.siblings.signal);
  return answer<T>(run, await take(run, name, uses, taken, input));
}

export function checkName(name: string): void {
  if (!isStepName(name)) expectKind(name, aStepName, "name");
}

const eventKinds = { type: needed(anId), timeout: anything };

export const configKinds: Kinds<StepConfig> = {
  ...effectKinds,
  retries: { ...retriesKinds, delay: [aDuration[0], (delay) => typeof delay === "function" || aDuration[1](delay)] },
  timeout: aTimeout,
  sensitive: anything,
};

function specOf(id: string, uses: string): StepSpec {
  return { id, uses, reads: [], writes: [], onFailure: "degrade", apply: (_, state) => state };
}

/** A settled step's answer to its body: its value, or the error that it threw. */
export function answer<T>(run: BodyRun, result: StepResult<Json>): T {
  if (result.status !== "degraded") return decodeValue(result.producedOutput, "output") as T;
  const thrown = decodeValue(result.rawResult, "error");
  run.rejectedBy(result.stepId, thrown);
  throw thrown;
}

/** The configuration of a step with its defaults, as its callback sees it. */
export function shownConfig({
  retries,
  timeout = defaultTimeout,
  sensitive,
}: StepConfig): WorkflowStepContext["config"] {
  const { delay, limit, backoff } = { ...defaultRetries, ...retries };
  return {
    retries: { limit, ...(typeof delay !== "function" && { delay }), backoff } as never,
    timeout,
    ...present({ sensitive }),
  };
}

function callbackAction<T>(
  run: BodyRun,
  name: string,
  id: string,
  count: number,
  config: StepConfig,
  callback: Callback<T>,
): Action {
  const retries = { ...defaultRetries, ...config.retries };
  const { delay, limit } = retries;
  const shown = shownConfig(config);
  const contextOf = ({
    attempt,
    idempotencyKey,
    signal,
  }: Pick<StepContext, "attempt" | "idempotencyKey" | "signal">) => ({
    step: { name, count },
    attempt,
    config: shown,
    idempotencyKey,
    signal,
  });
  return {
    name: id,
    policy: config,
    input: null,
    call: (_, context) => withinCall(run, id, () => callback(contextOf(context))),
    timeoutMs: config.timeout === undefined ? defaultTimeoutMs : durationMs(config.timeout, `${name}.timeout`),
    async retryDelay(attempts, error, random) {
      if (attempts > limit) return undefined;
      if (typeof delay !== "function") return retryDelay({ ...retries, delay }, attempts, random);
      const asked = await delay({ ctx: lastContext(attempts), error: asError(error) });
      return retryDelay({ ...retries, delay: durationMs(asked, `${name}.retries.delay`) }, attempts, random);
    },
  };

  function lastContext(attempt: number): WorkflowStepContext {
    return contextOf({ attempt, idempotencyKey: id, signal: AbortSignal.abort() });
  }
}

function asError({ thrown, message }: StepError): Error {
  const error = decodeValue(thrown, "error");
  return error instanceof Error ? error : new Error(message);
}

/** The callback of a step that is being called: its pass over a body, and its step id. */
interface StepCall {
  readonly of: object;
  readonly id: string;
}

/** The part of `AsyncLocalStorage` (Node and workerd) that is used here. */
interface AsyncContext {
  run<T>(call: StepCall, work: () => T): T;
  getStore(): StepCall | undefined;
}

// Browsers cannot follow a promise as long as `AsyncContext` is a proposal: there, only what a callback does before its
// first await is known to be inside it.
const asyncCalls = asyncContext();
let calling: StepCall | undefined;

/** Calls the callback of a step so that {@link currentCall} can identify it. */
export function withinCall<T>(of: object, id: string, work: () => T): T {
  const call = { of, id };
  const outer = calling;
  calling = call;
  try {
    return asyncCalls === undefined ? work() : asyncCalls.run(call, work);
  } finally {
    calling = outer;
  }
}

/** The id of the step in whose callback this code runs, of the same pass over a body. */
export function currentCall(of: object): string | undefined {
  const call = calling ?? asyncCalls?.getStore();
  return call?.of === of ? call.id : undefined;
}

function asyncContext(): AsyncContext | undefined {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => { AsyncLocalStorage?: new () => AsyncContext } | undefined };
  };
  const Storage = process?.getBuiltinModule?.("node:async_hooks")?.AsyncLocalStorage;
  return Storage === undefined ? undefined : new Storage();
}
