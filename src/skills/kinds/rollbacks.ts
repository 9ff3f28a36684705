import { aFunction, aStepName, expectKind, given, type Kinds, needed } from "../../argument.ts";
import { begun, guarded, type StepSpec, settledChange, stepResult } from "../../engine/kernel.ts";
import type { Pass, StepOutcome } from "../../engine/pass.ts";
import { messageOf } from "../../engine/thrown.ts";
import { DurableError, invalidRequest, isDurableError } from "../../errors.ts";
import { isId, ofRollback, parseCheckpointId, parseRunId, stepId, type TenantId, undoingName } from "../../ids.ts";
import type { Change } from "../../journal/change.ts";
import { getCheckpoint, readRun } from "../../journal/held.ts";
import { cutText, getOwn, type Json, present } from "../../json.ts";
import { withOpenGate } from "../../record/gate.ts";
import { moved } from "../../record/lifecycle.ts";
import { descentKind, sourceCheckpointId, sourceRunId } from "../../record/lineage.ts";
import { event, type RunError, type RunRecord, released, withoutLease } from "../../record/run.ts";
import { type ExecutionState, isSettled, type StepResult } from "../../record/state.ts";
import { bodyKind, type StepKind } from "../code/step-kind.ts";
import type { StepConfig, WorkflowStep, WorkflowStepContext } from "../code/workflow.ts";
import { type Ask, type BodyRun, configKinds, handled, never, shownConfig } from "../code/workflow-step.ts";

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

/** The step that records that the run undoes its steps, and which. It has no attempts, and calls nothing. */
const planName = ofRollback;
/** Its `uses`, in records. */
const planUses = "rollback";
/** Ends a run that was canceled. It is never recorded. */
const endName = `${ofRollback}end`;

/** The longest list of steps that the plan shows. Which steps are undone follows from the body. */
const mostShown = 100;

/** How long a body must call nothing before it counts as at rest, in milliseconds. */
const restMs = 100;

/** The result of the plan. */
interface Plan {
  /** True if the run ends as canceled. */
  readonly canceled: boolean;
  /** Why the steps are undone. */
  readonly error: string;
  /** The steps in the order in which they are undone: the first hundred. */
  readonly steps: readonly string[];
  readonly count: number;
  /** As in {@link Lineage}. What a run has from its source is not undone. */
  readonly inherited: number | null;
}

/**
 * Lets the steps of a body have rollbacks. When the body throws, the steps that have begun are undone in reverse order of
 * their start, and then the run fails with what the body threw. `runs.cancel(id, { rollback: true })` undoes them too, and
 * then the run is canceled.
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
export const rollbacks: StepKind<RollbackSteps> = /* @__PURE__ */ bodyKind(
  "rollbacks",
  (run, step, call) => new Saga(run, step).play(call),
  { undo: undoing },
);

/**
 * The change of a run that is canceled and undoes its steps. Its new epoch fences the pass that has the run, and an
 * executor takes it at once. A run that has not started has nothing to undo.
 */
function undoing(record: RunRecord<Json>, now: number): Change | undefined {
  const { run } = record;
  if (run.status === "pending") return undefined;
  if (record.isRollbackBegun !== undefined) return { record, events: [] };
  const isWaiting = run.status === "waiting_for_human" || run.status === "waiting_for_signal";
  const proceeding = isWaiting ? moved(run, { type: "proceed" }, now) : run;
  // Nothing is waited for any more, so no gate is open.
  const asked = { ...released({ ...record, run: proceeding, waits: [] }), wakeAt: now, isRollbackBegun: false };
  return { record: withOpenGate(asked), events: [event("run.undoing", now, { reason: "canceled" })] };
}

function rolledBack({ pass }: BodyRun, because = "it was rolled back and its steps are undone"): string {
  return `run "${pass.record.run.runId}" cannot go on, since ${because}; start a new run`;
}

/** A step that may have to be undone. */
interface Begun {
  readonly name: string;
  count: number;
  readonly config: StepConfig;
  readonly options: RollbackOptions;
  output: unknown;
}

type Call = (name: string, ...rest: readonly unknown[]) => Promise<unknown>;

const optionKinds: Kinds<RollbackOptions> = { rollback: needed(aFunction), rollbackConfig: configKinds };

/**
 * The callbacks that are under way in this process, by executor and run. A pass that has lost its run aborts them, and
 * their steps are undone once they have settled.
 */
const callbacks = new Map<string, Set<Promise<unknown>>>();

const aborted: StepOutcome = { kind: "aborted" };

/** One pass over a body whose steps can be undone. */
class Saga {
  readonly #run: BodyRun;
  readonly #step: WorkflowStep;
  readonly #ask: BodyRun["ask"];
  /** What an earlier pass planned. */
  readonly #planned: Plan | undefined;
  /** True if the run is canceled: then nothing is executed but rollbacks. */
  readonly #isCanceled: boolean;
  /** In the order of their start. */
  readonly #begun: Begun[] = [];
  /** The step that is being called. */
  #calling: Begun | undefined;
  readonly #counts = new Map<string, number>();
  /** The steps that the body has called in this pass. */
  readonly #asked = new Set<string>();
  readonly #working = new Set<Promise<unknown>>();
  #lineage: Promise<Lineage> | undefined;
  /** True once the body has called a step that is not recorded, or has ended. */
  #isAtFrontier = false;
  #hasEnded = false;

  constructor(run: BodyRun, step: WorkflowStep) {
    this.#run = run;
    this.#step = step;
    this.#ask = run.ask.bind(run);
    const { record, state } = run.pass;
    const result = getOwn(state.stepResults, planName);
    this.#planned = result && asPlan(result.producedOutput);
    this.#isCanceled = this.#planned?.canceled ?? record.isRollbackBegun === false;
  }

  async play(call: (steps: WorkflowStep) => Promise<unknown>): Promise<unknown> {
    // It goes on from a checkpoint before its rollback, or descends from one after it.
    const isAstray = (this.#run.pass.record.isRollbackBegun === true) !== (this.#planned !== undefined);
    if (isAstray) return this.#refuse();
    // Every kind of steps calls it, also the kinds around this one.
    this.#run.ask = (ask) => this.#asks(ask);
    const own = Object.entries(this.#step).map(([method, call]) => [
      method,
      (name: string, ...rest: readonly unknown[]) => this.#call(method, call as Call, name, rest),
    ]);
    const steps = asSteps(Object.fromEntries(own));
    if (this.#isCanceled) return this.#cancel(() => call(steps));
    let result: unknown;
    try {
      result = await call(steps);
    } catch (error) {
      await this.#fail(error);
      throw error;
    }
    // The body failed in an earlier pass, and its steps are undone.
    return this.#planned === undefined ? result : this.#refuse();
  }

  /** Undoes what has begun, since the body threw. */
  async #fail(thrown: unknown): Promise<void> {
    // Branches that the body left behind begin nothing more, and what they have begun is undone too.
    this.#hasEnded = true;
    while (this.#working.size > 0) await Promise.allSettled(this.#working);
    if (this.#begun.length === 0) return;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const failure = await this.#undoAll(await this.#plan(error), error);
    if (failure === undefined) return;
    const { code, message, stepId } = failure;
    this.#run.endWith(`${error.message}; ${message}`, stepId ?? planName, code);
    await never();
  }

  /** Undoes what has begun, since the run is canceled, and ends it. The body only shows what has begun. */
  async #cancel(call: () => Promise<unknown>): Promise<unknown> {
    const { pass } = this.#run;
    const error = new DurableError("run_canceled", `run "${pass.record.run.runId}" was canceled`);
    const planned = this.#plan(error);
    const ended = () => {
      this.#isAtFrontier = true;
    };
    call().then(ended, ended);
    const failure = await this.#undoAll(await planned, error);
    const take = async () => {
      await pass.commit((record, _, now) => ({
        record: {
          ...withoutLease(record),
          run: { ...moved(record.run, { type: "cancel" }, now), ...present({ error: failure }) },
          waits: [],
        },
        events: [event("run.canceled", now)],
      }));
      throw pass.lose("the run was canceled");
    };
    return this.#ask({ name: endName, uses: planUses, take });
  }

  /** Records that the run undoes its steps, and which: nothing else is executed from then on. */
  async #plan(error: Error): Promise<Plan> {
    const take = (id: string) => {
      const { pass } = this.#run;
      const spec: StepSpec = {
        id,
        uses: planUses,
        reads: [],
        writes: [],
        onFailure: "fail",
        apply: (_, state) => state,
      };
      return guarded(pass, spec, async () => {
        if (this.#isCanceled) await this.#rested();
        this.#hasEnded = true;
        const { inherited } = await this.#descent();
        const left = this.#left(inherited);
        const plan: Plan = {
          canceled: this.#isCanceled,
          error: cutText(error.message, 1_000),
          steps: left.slice(0, mostShown).map(idOf),
          count: left.length,
          inherited,
        };
        const started = begun(pass, spec, 0);
        const result = stepResult(started, "completed", plan as unknown as Json, pass.host.clock.now());
        await pass.commit((record, state, now) => {
          const events = this.#isCanceled ? [] : [event("run.undoing", now, { reason: "failed" })];
          const change = settledChange(started, result, record, state, now, events);
          return { ...change, record: { ...change.record, isRollbackBegun: true } };
        });
        return { kind: "settled", result };
      });
    };
    const { producedOutput } = await this.#ask({ name: planName, uses: planUses, take });
    return asPlan(producedOutput);
  }

  /** Resolves once the body has called what it had called before it was canceled, and its callbacks have settled. */
  async #rested(): Promise<void> {
    const { pass } = this.#run;
    const { clock, bodyQuietMs, family } = pass.host;
    // Children begin nothing more for a parent that is undone.
    if (pass.record.toldEpoch !== undefined) await family?.stop(pass.record);
    const isAsked = ([id, result]: readonly [string, StepResult<Json>]) =>
      id.startsWith(ofRollback) || !isSettled(result) || this.#asked.has(id);
    for (let seen = -1, waitedMs = 0; waitedMs < bodyQuietMs && !pass.isOver; waitedMs += restMs) {
      const isThere = this.#isAtFrontier && seen === this.#asked.size && !callbacks.has(this.#key);
      if (isThere && Object.entries(pass.state.stepResults).every(isAsked)) return;
      seen = this.#asked.size;
      await clock.sleep(restMs, pass.signal);
    }
  }

  /** Undoes these steps, one after the other, until one cannot be undone: what began earlier may depend on it. */
  async #undoAll(plan: Plan, error: Error): Promise<RunError | undefined> {
    this.#hasEnded = true;
    const left = this.#left(plan.inherited);
    for (const [index, begun] of left.entries()) {
      try {
        await this.#undo(begun, error);
      } catch (failure) {
        const names = left.slice(index).map((step) => `"${idOf(step)}"`);
        const shown = names.length > mostShown ? [...names.slice(0, mostShown), "…"] : names;
        const message = `the rollback of step ${names[0]} failed: ${messageOf(failure)}; not undone: ${shown.join(", ")}`;
        return { code: "rollback_failed", message, stepId: idOf(begun) };
      }
    }
    return undefined;
  }

  #undo({ name, count, config, options, output }: Begun, error: Error): Promise<void> {
    const { attemptsCount = 1 } = getOwn(this.#run.pass.state.stepResults, stepId(name, count)) ?? {};
    const { sideEffects, isIdempotent } = config;
    const ctx = { step: { name, count }, attempt: attemptsCount, config: shownConfig(config) };
    const undoing = { ...(sideEffects && { sideEffects }), ...(isIdempotent !== undefined && { isIdempotent }) };
    return this.#step.do(undoingName(name), { ...undoing, ...options.rollbackConfig }, async (context) => {
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

  /** The steps to undo, in that order. */
  #left(inherited: number | null): readonly Begun[] {
    const others = new Set(inheritedSteps(this.#run.pass.state, inherited));
    return this.#begun.filter((begun) => !others.has(idOf(begun))).reverse();
  }

  #descent(): Promise<Lineage> {
    this.#lineage ??= readLineage(this.#run.pass);
    return this.#lineage;
  }

  #refuse(because?: string): Promise<never> {
    this.#run.endWith(rolledBack(this.#run, because), planName, "invalid_transition");
    return never();
  }

  #call(method: string, call: Call, name: string, rest: readonly unknown[]): Promise<unknown> {
    if (this.#hasEnded) return never();
    return handled(async () => {
      if (`${name}`.startsWith(ofRollback)) {
        throw invalidRequest("name", `expected a step name that does not begin with "${ofRollback}"`);
      }
      return method === "do" ? this.#do(name, rest) : call(name, ...rest);
    });
  }

  async #do(name: string, rest: readonly unknown[]): Promise<unknown> {
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
    const begun: Begun = { name, count: 1, config: checked, options, output: undefined };
    this.#calling = begun;
    const answer = this.#step.do(name, checked, (context) => this.#tracked(callback(context)));
    this.#calling = undefined;
    begun.output = await answer;
    return begun.output;
  }

  /** A step that the body calls, through whatever kind of steps. */
  #asks(ask: Ask): Promise<StepResult<Json>> {
    const { name, uses, take } = ask;
    if (name.startsWith(ofRollback)) return this.#ask(ask);
    if (this.#hasEnded) return never();
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const id = stepId(name, count);
    this.#asked.add(id);
    if (this.#calling !== undefined) {
      this.#begun.push(this.#calling);
      this.#calling.count = count;
    }
    if (!isSettled(getOwn(this.#run.pass.state.stepResults, id))) this.#isAtFrontier = true;
    const answer = this.#ask({ ...ask, take: (id, count) => this.#take(() => take(id, count)) });
    // A wait that was left behind delays nothing.
    if (!isWait.test(uses)) {
      this.#working.add(answer);
      void answer.then(() => this.#working.delete(answer));
    }
    return answer;
  }

  async #take(take: () => Promise<StepOutcome>): Promise<StepOutcome> {
    if (this.#isCanceled) return aborted;
    if (this.#planned === undefined) {
      if (descentKind(this.#run.pass.record.run) === undefined || !(await this.#descent()).isUndone) return take();
    }
    void this.#refuse(this.#planned ? undefined : "its source was rolled back");
    return aborted;
  }

  get #key(): string {
    const { host, record } = this.#run.pass;
    return JSON.stringify([host.executor, record.run.tenantId, record.run.runId]);
  }

  #tracked<T>(work: Promise<T>): Promise<T> {
    const key = this.#key;
    const others = callbacks.get(key) ?? new Set();
    callbacks.set(key, others.add(work));
    const settled = () => {
      others.delete(work);
      if (others.size === 0 && callbacks.get(key) === others) callbacks.delete(key);
    };
    Promise.resolve(work).then(settled, settled);
    return work;
  }
}

/** The steps that wait for something other than an action, by their `uses`. */
const isWait = /^step\.(sleep|waitFor|run)/;

/** What a run has from its source. */
interface Lineage {
  /** The number of entries in its trace that it was born with; `null` if it has no source. */
  readonly inherited: number | null;
  /** True if the source was rolled back, and this run stands on what is undone. */
  readonly isUndone: boolean;
}

async function readLineage({ host, record: { run } }: Pass): Promise<Lineage> {
  const kind = descentKind(run);
  const checkpointId = sourceCheckpointId(run);
  if (kind === undefined || !isId(checkpointId)) return { inherited: null, isUndone: false };
  const scope = { host, tenant: run.tenantId as TenantId };
  let inherited = 0;
  try {
    inherited = (await getCheckpoint(scope, run.runId, parseCheckpointId(checkpointId))).state.trace.steps.length;
  } catch (error) {
    // Metadata may contain anything.
    if (!isDurableError(error, "not_found")) throw error;
  }
  const source = sourceRunId(run);
  const held = isId(source) ? await readRun(scope, parseRunId(source)) : undefined;
  const isUndone = held?.record.isRollbackBegun === true && (kind === "replay" || inherited > 0);
  return { inherited, isUndone };
}

/** The steps that the source of the run has executed, also those whose results its ledger has from there. */
function inheritedSteps({ trace, stepResults }: ExecutionState<Json>, inherited: number | null): readonly string[] {
  if (inherited === null) return [];
  // A migration may have renamed them since, but their places stay.
  const ids = trace.steps.map(({ stepId }) => stepId);
  const own = new Set(ids.slice(inherited));
  const reused = Object.values(stepResults).filter(({ attemptsCount }) => attemptsCount === 0);
  return [...ids.slice(0, inherited).filter((id) => !own.has(id)), ...reused.map(({ stepId }) => stepId)];
}

function idOf({ name, count }: Pick<Begun, "name" | "count">): string {
  return stepId(name, count);
}

// What the step of that name has recorded.
function asPlan(output: Json): Plan {
  return output as unknown as Plan;
}

// Each method has the type of the one that it calls.
function asSteps(steps: object): WorkflowStep {
  return steps as WorkflowStep;
}
