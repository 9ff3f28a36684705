import { aFunction, aStepName, expectKind, given, type Kinds, needed } from "../../argument.ts";
import { DurableError, invalidRequest } from "../../errors.ts";
import { stepId } from "../../ids.ts";
import { getOwn } from "../../json.ts";
import { isSettled } from "../../record/state.ts";
import { bodyKind, type StepKind } from "../code/step-kind.ts";
import type { StepConfig, WorkflowStep, WorkflowStepContext } from "../code/workflow.ts";
import { type BodyRun, configKinds, handled, never, shownConfig } from "../code/workflow-step.ts";

/**
 * How a step is undone (a compensation of a saga). The types are those of Cloudflare Workflows.
 * Source: https://developers.cloudflare.com/workflows/build/rollback-options/
 */
export interface RollbackOptions<T = unknown> {
  /** Undoes the step. It is called at least once, and never again once its result is recorded. */
  readonly rollback: (undone: RollbackContext<T>) => Promise<void>;
  /**
   * The options of the step that calls `rollback`. Without `sideEffects` and `isIdempotent` these are those of the step
   * that is undone, so that the ledger has both.
   */
  readonly rollbackConfig?: StepConfig;
}

/** The argument of a rollback. */
export interface RollbackContext<T = unknown> {
  /** The context of the step that is undone, with its last attempt. */
  readonly ctx: Pick<WorkflowStepContext, "step" | "attempt" | "config">;
  /** What the body threw. */
  readonly error: Error;
  /** The result of the step; `undefined` if it failed. */
  readonly output: T | undefined;
  /** The name of the step and its count, as in Workflows: `charge-1`. */
  readonly stepName: string;
  /** The same for every attempt at this rollback. */
  readonly idempotencyKey: string;
  /** Aborts as that of a step does. */
  readonly signal: AbortSignal;
}

/** The steps of {@link rollbacks}. */
export interface RollbackSteps {
  /**
   * Calls `callback` as every step does. If the body throws later, `rollback` undoes the step.
   *
   * @example
   * ```ts
   * import { defineSkill } from "orca-durable";
   * import { rollbacks } from "orca-durable/steps";
   *
   * export const order = defineSkill({
   *   id: "order",
   *   version: "1",
   *   uses: [rollbacks],
   *   async run(step) {
   *     await step.do("reserve", async () => "shelf 7", {
   *       rollback: async ({ output }) => console.log(`${output} is free again`),
   *     });
   *     await step.do("charge", async () => {
   *       throw new Error("the card was declined");
   *     });
   *   },
   * });
   * ```
   */
  do<T>(name: string, callback: (context: WorkflowStepContext) => Promise<T>, rollback: RollbackOptions<T>): Promise<T>;
  do<T>(
    name: string,
    config: StepConfig,
    callback: (context: WorkflowStepContext) => Promise<T>,
    rollback: RollbackOptions<T>,
  ): Promise<T>;
}

/** Begins the name of each step that undoes another. */
const prefix = "rollback: ";

/** The steps for whose end a rollback waits. A wait that was left behind delays nothing. */
const acts: readonly string[] = ["do", "use", "map"];

/**
 * Lets the steps of a body have rollbacks. When the body throws, the steps that have begun are undone in reverse order of
 * their start, and then the run fails with what the body threw.
 *
 * @example
 * ```ts
 * import { defineSkill } from "orca-durable";
 * import { rollbacks } from "orca-durable/steps";
 *
 * export const booking = defineSkill({
 *   id: "booking",
 *   version: "1",
 *   uses: [rollbacks],
 *   run: (step) => step.do("book", async () => "seat 4", { rollback: async ({ output }) => console.log(`free: ${output}`) }),
 * });
 * ```
 */
export const rollbacks: StepKind<RollbackSteps> = /* @__PURE__ */ bodyKind("rollbacks", async (run, step, call) => {
  const saga = new Saga(run, step);
  let result: unknown;
  try {
    result = await call(saga.steps);
  } catch (error) {
    await saga.rollBack(error);
    throw error;
  }
  if (saga.isRolledBack) throw rolledBack(run);
  return result;
});

function rolledBack({ pass }: BodyRun): DurableError {
  const problem = `run "${pass.record.run.runId}" was rolled back: its steps are undone, so it cannot go on`;
  return new DurableError("invalid_transition", problem, { hint: "start a new run" });
}

/** A step that may have to be undone. */
interface Begun {
  readonly name: string;
  readonly count: number;
  readonly config: StepConfig;
  readonly options: RollbackOptions;
  output: unknown;
}

type Call = (name: string, ...rest: readonly unknown[]) => Promise<unknown>;

const optionKinds: Kinds<RollbackOptions> = { rollback: needed(aFunction), rollbackConfig: configKinds };

/** One pass over a body whose steps can be undone. */
class Saga {
  /** True if a pass before has begun to undo: then the body has to throw again. */
  readonly isRolledBack: boolean;
  readonly steps: WorkflowStep;
  readonly #run: BodyRun;
  readonly #step: WorkflowStep;
  /** In the order of their start. */
  readonly #begun: Begun[] = [];
  readonly #counts = new Map<string, number>();
  readonly #working = new Set<Promise<unknown>>();
  #hasEnded = false;

  constructor(run: BodyRun, step: WorkflowStep) {
    this.#run = run;
    this.#step = step;
    this.isRolledBack = Object.keys(run.pass.state.stepResults).some((id) => id.startsWith(prefix));
    const own = Object.entries(step).map(([method, call]) => [
      method,
      (name: string, ...rest: readonly unknown[]) => this.#call(method, call as Call, name, rest),
    ]);
    this.steps = asSteps(Object.fromEntries(own));
  }

  /** Undoes what has begun, one step after the other, until one cannot be undone. */
  async rollBack(thrown: unknown): Promise<void> {
    // Branches that the body left behind begin nothing more, and what they have begun is undone too.
    this.#hasEnded = true;
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    for (const begun of this.#begun.reverse()) {
      try {
        await this.#undo(begun, error);
      } catch {
        // It is recorded as a failed step, and `onError` was called. What began earlier may depend on it.
        return;
      }
    }
  }

  #undo({ name, count, config, options, output }: Begun, error: Error): Promise<void> {
    const { attemptsCount = 1 } = getOwn(this.#run.pass.state.stepResults, stepId(name, count)) ?? {};
    const { sideEffects, isIdempotent } = config;
    const ctx = { step: { name, count }, attempt: attemptsCount, config: shownConfig(config) };
    const undoing = { ...(sideEffects && { sideEffects }), ...(isIdempotent !== undefined && { isIdempotent }) };
    return this.#step.do(undoNameOf(name), { ...undoing, ...options.rollbackConfig }, async (context) => {
      await options.rollback({
        ctx,
        error,
        output,
        stepName: `${name}-${count}`,
        // `checkSkill` sees whether it is read.
        get idempotencyKey() {
          return context.idempotencyKey;
        },
        signal: context.signal,
      });
    });
  }

  #call(method: string, call: Call, name: string, rest: readonly unknown[]): Promise<unknown> {
    if (this.#hasEnded) return never();
    const isAct = acts.includes(method);
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const id = stepId(`${name}`, count);
    if (this.isRolledBack && isAct && method !== "map" && !isSettled(getOwn(this.#run.pass.state.stepResults, id))) {
      this.#run.endWith(rolledBack(this.#run).message, id, "invalid_transition");
      return never();
    }
    const work = handled(async () => {
      if (`${name}`.startsWith(prefix)) {
        throw invalidRequest("name", `expected a step name that does not begin with "${prefix}"`);
      }
      return method === "do" ? this.#do(name, count, rest) : call(name, ...rest);
    });
    if (isAct) {
      this.#working.add(work);
      void work.catch(() => {}).then(() => this.#working.delete(work));
    }
    return work;
  }

  async #do(name: string, count: number, rest: readonly unknown[]): Promise<unknown> {
    const [config, callback, asked] = (typeof rest[0] === "function" ? [{}, ...rest] : rest) as [
      StepConfig,
      (context: WorkflowStepContext) => Promise<unknown>,
      RollbackOptions | undefined,
    ];
    if (asked === undefined) return this.#step.do(name, config, callback);
    // Everything is checked before the step counts as begun.
    expectKind(name, aStepName, "name");
    expectKind(callback, aFunction, `${name}.callback`);
    const options = given(asked, optionKinds, `${name}.rollback`, name);
    const checked = given(config, configKinds, name, name);
    const begun: Begun = { name, count, config: checked, options, output: undefined };
    this.#begun.push(begun);
    begun.output = await this.#step.do(name, checked, callback);
    return begun.output;
  }
}

/** A long name is cut: the counts of equal names distinguish the steps. */
function undoNameOf(name: string): string {
  return `${prefix}${name.slice(0, 256 - prefix.length)}`;
}

// Each method has the type of the one that it calls.
function asSteps(steps: object): WorkflowStep {
  return steps as WorkflowStep;
}
