import type { Capability, StepContext } from "../capability.ts";
import { decodeValue, encodeValue } from "../codec/values.ts";
import { type Duration, durationMs } from "../duration.ts";
import { DurableError, invalidRequest } from "../errors.ts";
import type { StepResult } from "../execution-state.ts";
import type { Json } from "../json.ts";
import { present } from "../present.ts";
import { noRetry, type RetryPolicy, retryDelay } from "../retry.ts";
import type { Approval, StepConfig, WorkflowStep, WorkflowStepContext } from "../workflow.ts";
import type { StepError } from "./attempt.ts";
import type { CodeRun } from "./code-run.ts";
import { type Action, act, askForApproval, receiveSignal, type StepSpec, sleep } from "./kernel.ts";

const longestName = 256;
const eventTimeoutMs = durationMs("24 hours", "timeout");
// Cloudflare's defaults. Source: https://developers.cloudflare.com/workflows/build/sleeping-and-retrying/
const defaultRetries = { limit: 5, delay: 10_000, backoff: "exponential" } as const;
const defaultTimeout = "10 minutes";

type Callback<T> = (context: WorkflowStepContext) => Promise<T>;

/** The pass behind the steps that a body was given; test tools answer for a step there. */
export const codeRuns = new WeakMap<WorkflowStep, CodeRun>();

/** The steps of one pass, as a body sees them. */
export function workflowStep(run: CodeRun): WorkflowStep {
  const steps: WorkflowStep = {
    async do<T>(name: string, ...rest: readonly unknown[]): Promise<T> {
      const [config, callback, rollback] = (typeof rest[0] === "function" ? [{}, ...rest] : rest) as readonly [
        StepConfig,
        Callback<T>,
        unknown,
      ];
      checkName(name);
      if (rollback !== undefined) {
        run.refuse(`step "${name}": rollback options are not supported`, name, "unsupported");
        return never();
      }
      if (typeof callback !== "function") throw invalidRequest(name, `step "${name}" has no callback`);
      checkConfig(name, config);
      return call<T>(run, name, "step.do", (id, count) => callbackAction(name, id, count, config, callback));
    },
    async use<T>(name: string, capabilityId: string, input: unknown = {}): Promise<T> {
      checkName(name);
      const { host } = run.pass;
      const capability = host.capabilities.find(capabilityId);
      if (capability === undefined) {
        throw new DurableError("not_found", `capability "${capabilityId}" is not registered here`, {
          missing: "capability",
        });
      }
      const action = useAction(capability, input);
      return call<T>(run, name, capabilityId, () => action);
    },
    async sleep(name: string, duration: Duration): Promise<void> {
      checkName(name);
      const forMs = durationMs(duration, name);
      await run.ask(name, "step.sleep", (id) => sleep(run.pass, specOf(id, "step.sleep"), (now) => now + forMs));
    },
    async sleepUntil(name: string, timestamp: Date | number): Promise<void> {
      checkName(name);
      const until = Number(timestamp);
      if (!Number.isFinite(until)) throw invalidRequest(name, `step "${name}": this is not a time`);
      await run.ask(name, "step.sleep", (id) => sleep(run.pass, specOf(id, "step.sleep"), () => until));
    },
    async waitForEvent<T>(name: string, options: { type: string; timeout?: Duration }) {
      checkName(name);
      const { type, timeout } = options;
      const timeoutMs = timeout === undefined ? eventTimeoutMs : durationMs(timeout, name);
      const result = await run.ask(name, "step.waitForEvent", (id) =>
        receiveSignal(run.pass, specOf(id, "step.waitForEvent"), type, timeoutMs, ({ payload, receivedAt }) => ({
          payload,
          timestamp: encodeValue(new Date(receivedAt), "timestamp"),
          type,
        })),
      );
      return answer<{ payload: Readonly<T>; timestamp: Date; type: string }>(run, result);
    },
    async waitForApproval(name: string): Promise<Approval> {
      checkName(name);
      const result = await run.ask(name, "step.waitForApproval", (id) =>
        askForApproval(run.pass, specOf(id, "step.waitForApproval")),
      );
      const { approver, notes, decided_at } = answer<Record<string, string | null>>(run, result);
      return {
        ...(approver === null || approver === undefined ? {} : { approver }),
        ...(notes === null || notes === undefined ? {} : { notes }),
        decidedAt: new Date(decided_at ?? 0),
      };
    },
  };
  codeRuns.set(steps, run);
  return steps;
}

/** Takes a step that calls something, and gives its body what came of it. */
export async function call<T>(
  run: CodeRun,
  name: string,
  uses: string,
  action: (id: string, count: number) => Action,
): Promise<T> {
  const result = await run.ask(name, uses, (id, count) =>
    act(run.pass, specOf(id, uses), action(id, count), run.siblings.signal),
  );
  return answer<T>(run, result);
}

/** The call of a capability under its own policies. */
export function useAction(capability: Capability, input: unknown): Action {
  const policy = { ...noRetry, ...capability.definition.retry };
  const { timeoutMs } = capability.definition;
  return {
    capability,
    input: encodeValue(input, "input"),
    ...present({ timeoutMs }),
    retryDelay: (attempts, _, random) => retryDelay(policy, attempts, random),
  };
}

function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}

function checkName(name: string): void {
  if (typeof name !== "string" || name === "" || name.length > longestName) {
    throw invalidRequest("name", `a step's name is 1 to ${longestName} characters`);
  }
}

// Before the step is asked for, so that the body is told in every pass.
function checkConfig(name: string, { retries, timeout }: StepConfig): void {
  if (timeout !== undefined && durationMs(timeout, `${name}.timeout`) === 0) {
    throw invalidRequest(`${name}.timeout`, "expected more than no time");
  }
  if (retries === undefined) return;
  const { limit, delay } = retries;
  if (!(limit >= 0)) throw invalidRequest(`${name}.retries.limit`, `expected a number of at least 0, not ${limit}`);
  if (typeof delay !== "function") durationMs(delay, `${name}.retries.delay`);
}

function specOf(id: string, uses: string): StepSpec {
  return { id, uses, reads: [], writes: [], onFailure: "degrade", apply: (_, state) => state };
}

/** What a settled step gives its body: its value, or what it threw. */
function answer<T>(run: CodeRun, result: StepResult<Json>): T {
  if (result.status !== "degraded") return decodeValue(result.producedOutput, "output") as T;
  const thrown = decodeValue(result.rawResult, "error");
  run.rejectedBy(result.stepId, thrown);
  throw thrown;
}

function callbackAction<T>(name: string, id: string, count: number, config: StepConfig, callback: Callback<T>): Action {
  const retries = { ...defaultRetries, ...config.retries };
  const { delay, limit, backoff } = retries;
  const timeout = config.timeout ?? defaultTimeout;
  const { sideEffects, replayPolicy, isIdempotent, sensitive } = config;
  const shown: WorkflowStepContext["config"] = {
    retries: (typeof delay === "function" ? { limit, backoff } : { limit, delay, backoff }) as never,
    timeout,
    ...present({ sensitive }),
  };
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
  const capability: Capability = {
    definition: {
      id,
      version: "1",
      ...present({ sideEffects, replayPolicy, isIdempotent }),
    },
    handler: (_, context) => callback(contextOf(context)),
  };
  return {
    capability,
    input: null,
    timeoutMs: durationMs(timeout, `${name}.timeout`),
    async retryDelay(attempts, error, random) {
      if (attempts > limit) return undefined;
      const base =
        typeof delay === "function" ? await delay({ ctx: lastContext(attempts), error: asError(error) }) : delay;
      return retryDelay(
        policyOf(durationMs(base, `${name}.retries.delay`), limit, backoff, attempts),
        attempts,
        random,
      );
    },
  };

  function lastContext(attempt: number): WorkflowStepContext {
    return contextOf({ attempt, idempotencyKey: id, signal: AbortSignal.abort() });
  }
}

function policyOf(
  delayMs: number,
  limit: number,
  backoff: "constant" | "linear" | "exponential",
  attempts: number,
): RetryPolicy {
  const base = { ...noRetry, maxAttempts: limit + 1, delayMs, multiplier: 1, maxDelayMs: Number.POSITIVE_INFINITY };
  switch (backoff) {
    case "constant":
      return base;
    case "linear":
      return { ...base, delayMs: delayMs * attempts };
    case "exponential":
      return { ...base, multiplier: 2 };
  }
}

function asError({ thrown, message }: StepError): Error {
  const error = decodeValue(thrown, "error");
  return error instanceof Error ? error : new Error(message);
}
