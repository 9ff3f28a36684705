import type { Duration } from "../../duration.ts";
import type { Decision } from "../../record/run.ts";
import type { Retries } from "../../retry.ts";
import type { Capability, ReplayPolicy, SideEffects } from "../capability.ts";

/**
 * The steps of a code-first skill. The types are those of Cloudflare's `WorkflowStep`, so that one function runs there
 * and here; `waitForApproval`, `use` and the fields of {@link StepConfig} about effects are additions.
 * Source: https://developers.cloudflare.com/workflows/build/workers-api/
 */
export interface WorkflowStep {
  /**
   * Calls `callback` at least once, and never again once its result is recorded.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   *
   * export const fetchPage = defineSkill({
   *   id: "fetch-page",
   *   version: "1",
   *   run: (step, { url }: { url: string }) =>
   *     step.do("fetch", { retries: { limit: 3, delay: "2 seconds" }, timeout: "1 minute" }, async ({ signal }) => {
   *       const response = await fetch(url, { signal });
   *       return response.text();
   *     }),
   * });
   * ```
   */
  do<T>(name: string, callback: (context: WorkflowStepContext) => Promise<T>, rollback?: undefined): Promise<T>;
  do<T>(
    name: string,
    config: StepConfig,
    callback: (context: WorkflowStepContext) => Promise<T>,
    rollback?: undefined,
  ): Promise<T>;
  /**
   * Calls a capability, under its own policies. The capability itself knows its input and output; pass its id if it is
   * registered elsewhere. The capability that the runtime has registered under that id is called, such as a mock; if
   * there is none, the one in the argument.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   * import { sendMail } from "./skills.ts";
   *
   * export const notice = defineSkill({
   *   id: "notice",
   *   version: "1",
   *   run: (step, { to }: { to: string }) => step.use("send", sendMail, { to, text: "Your order was sent." }),
   * });
   * ```
   */
  use<Input, Output>(
    name: string,
    capability: Capability<Input, Output>,
    ...input: undefined extends Input ? [input?: Input] : [input: Input]
  ): Promise<Output>;
  use<T = unknown>(name: string, capabilityId: string, input?: unknown): Promise<T>;
  /**
   * Sleeps. A long sleep ends the pass; the run continues when it is due.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   *
   * export const reminder = defineSkill({
   *   id: "reminder",
   *   version: "1",
   *   run: async (step) => {
   *     await step.sleep("a week", "7 days");
   *     return step.do("remind", async () => "It is time.");
   *   },
   * });
   * ```
   */
  sleep(name: string, duration: Duration): Promise<void>;
  /**
   * Sleeps until a time. `timestamp` is a Date or milliseconds since 1970.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   *
   * export const newYear = defineSkill({
   *   id: "new-year",
   *   version: "1",
   *   run: (step) => step.sleepUntil("new year", new Date("2027-01-01T00:00:00Z")),
   * });
   * ```
   */
  sleepUntil(name: string, timestamp: Date | number): Promise<void>;
  /**
   * The next signal whose name is `type`. Rejects if none arrives in time; the default timeout is 24 hours.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   *
   * export const payment = defineSkill({
   *   id: "payment",
   *   version: "1",
   *   run: async (step) => {
   *     const { payload } = await step.waitForEvent<{ amount: number }>("wait", { type: "paid", timeout: "3 days" });
   *     return payload.amount;
   *   },
   * });
   * ```
   */
  waitForEvent<T>(name: string, options: { type: string; timeout?: Duration }): Promise<WorkflowStepEvent<T>>;
  /**
   * Waits until a person approves. A denial cancels the run.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   *
   * export const refund = defineSkill({
   *   id: "refund",
   *   version: "1",
   *   run: async (step) => {
   *     const { approver } = await step.waitForApproval("manager");
   *     return step.do("refund", async () => ({ approvedBy: approver ?? "unknown" }));
   *   },
   * });
   * ```
   */
  waitForApproval(name: string): Promise<Approval>;
}

/** The options of one step. */
export interface StepConfig {
  /** Default: five more attempts, after 10 seconds, and then after twice the delay before. */
  readonly retries?: StepRetries;
  /** How long one attempt may take. */
  readonly timeout?: Duration;
  readonly sensitive?: "output";
  /** What the callback does to the world; `write` and `external_action` are recorded in the ledger. Default `none`. */
  readonly sideEffects?: SideEffects;
  readonly replayPolicy?: ReplayPolicy;
  /** False if two executions with one idempotency key have the effect twice. Default true. */
  readonly isIdempotent?: boolean;
}

/** How often a failed step is tried again; the delay may depend on the error. */
export interface StepRetries extends Omit<Retries, "delay"> {
  readonly delay?: Duration | DelayFunction;
}

/** The delay after a failed attempt. */
export type DelayFunction = (failed: { ctx: WorkflowStepContext; error: Error }) => Duration | Promise<Duration>;

/** The argument of a step's callback. */
export interface WorkflowStepContext {
  /** `count` is 1 for the first step of that name. */
  readonly step: { readonly name: string; readonly count: number };
  /** 1 for the first. */
  readonly attempt: number;
  /** The step's configuration with its defaults. If the delay is a function, `delay` is left out. */
  readonly config: {
    readonly retries: {
      readonly limit: number;
      readonly delay: Duration;
      readonly backoff: "constant" | "linear" | "exponential";
    };
    readonly timeout: Duration;
    readonly sensitive?: "output";
  };
  /** The same for every attempt at this step in this run, also after a crash. */
  readonly idempotencyKey: string;
  /** Aborts when the run is canceled, the attempt times out, or another executor took the run. */
  readonly signal: AbortSignal;
}

/** The event that `step.waitForEvent` resolves with. */
export interface WorkflowStepEvent<T> {
  readonly payload: Readonly<T>;
  readonly timestamp: Date;
  readonly type: string;
}

/** A decision that opened a gate, as it was recorded. */
export interface Approval extends Decision {
  readonly decidedAt: Date;
}

/** The first argument of a Workflow's `run`. */
export interface WorkflowEvent<T> {
  readonly payload: Readonly<T>;
  readonly timestamp: Date;
  readonly instanceId: string;
  readonly workflowName: string;
}

/** Identifies the run of a body. */
export interface RunContext {
  readonly runId: string;
  readonly skillId: string;
  readonly createdAt: Date;
}

/**
 * The body of a code-first skill. It is called again in every pass and must call the same steps again: it awaits only
 * `step` promises and pure work, and takes time and randomness from steps. `Steps` are those of the kinds that the skill
 * `uses`.
 */
export type WorkflowBody<Inputs = never, Result = unknown, Steps = unknown> = (
  step: Steps & WorkflowStep,
  inputs: Inputs,
  context: RunContext,
) => Promise<Result>;

/**
 * A body that runs the `run(event, step)` of a Cloudflare Workflow, unchanged.
 *
 * @example
 * ```ts
 * import { defineSkill, fromWorkflow } from "orca-durable";
 *
 * export const order = defineSkill({
 *   id: "order",
 *   version: "1",
 *   run: fromWorkflow(async (event: { readonly payload: { readonly total: number } }, step) => {
 *     return step.do("charge", async () => ({ charged: event.payload.total }));
 *   }),
 * });
 * ```
 */
export function fromWorkflow<T, Result>(
  run: (event: Readonly<WorkflowEvent<T>>, step: WorkflowStep) => Promise<Result>,
): WorkflowBody<T, Result> {
  return (step, payload, { runId, skillId, createdAt }) =>
    run({ payload, timestamp: createdAt, instanceId: runId, workflowName: skillId }, step);
}
