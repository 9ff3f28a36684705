import { decodeFields, encodeValue, fieldsOfValue } from "../codec/values.ts";
import { DurableError } from "../errors.ts";
import { type ExecutionState, isSettled, type StepResult } from "../execution-state.ts";
import { getOwn, type Json } from "../json.ts";
import { present } from "../present.ts";
import type { RunError, Wait } from "../run.ts";
import type { WorkflowBody } from "../workflow.ts";
import { messageOf } from "./attempt.ts";
import { complete, fail, failure, handOver, hold, isOver, park, siblingController } from "./ending.ts";
import type { StepOutcome } from "./kernel.ts";
import type { Pass } from "./pass.ts";
import { stepId } from "./step-id.ts";
import { workflowStep } from "./workflow-step.ts";

/** How long a body may be quiet before it counts as stuck, in milliseconds. */
const graceMs = 100;
/** Slept one after the other, so that a stall of the whole process is not taken for silence of the body. */
const graceSlices = 4;
/** Turns of the microtask queue that a body gets before it is given the next answer. */
const reactionTurns = 32;

type Take = () => Promise<StepOutcome>;

/** A step that cannot go on yet. */
interface Parked {
  readonly wait: Wait;
  readonly take: Take;
}

type Ending =
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "threw"; readonly thrown: unknown };

/** Executes a code-first body as far as it goes now: until it has ended, waits, or is handed over. */
export async function runCode(pass: Pass, body: WorkflowBody): Promise<void> {
  await new CodeRun(pass).execute(body);
}

/**
 * One pass over a code-first body. Steps that are recorded answer from the record; others are taken through the kernel,
 * and then answer from the record too. All answers come in the order of the record and one at a time, so that the body
 * takes the same way in every pass. A step that waits leaves its promise unsettled: once nothing else moves, the run
 * parks and the pass ends there, without an exception in the body.
 */
export class CodeRun {
  readonly pass: Pass;
  /** Aborts the steps in flight when the run is lost or has failed. */
  readonly siblings: AbortController;
  readonly #asked = new Map<string, (result: StepResult<Json>) => void>();
  readonly #counts = new Map<string, number>();
  readonly #parked = new Map<string, Parked>();
  readonly #heldBack = new Map<string, Take>();
  readonly #rejections = new WeakMap<object, string>();
  /** Steps that earlier passes recorded, in the order of their record. */
  readonly #recorded: readonly Recorded[];
  /** Steps that this pass recorded, in the order of their record. */
  readonly #fresh: string[] = [];
  /** How much of the state's trace is in one of the two. */
  #traced: number;
  readonly #answered = new Set<string>();
  /** So many of the recorded ones, from the first on, have answered. */
  #replayed = 0;
  #isAnswering = false;
  #inFlight = 0;
  #lastStep: string | undefined;
  #ending: Ending | undefined;
  #fault: RunError | undefined;
  #broken: { readonly error: unknown } | undefined;
  /** Counts everything that moves; a body is quiet while it stands still. */
  #activity = 0;
  #wake: () => void = () => {};

  constructor(pass: Pass) {
    this.pass = pass;
    this.siblings = siblingController(pass);
    this.#recorded = recordedSteps(pass.state);
    this.#traced = pass.state.trace.steps.length;
  }

  async execute(body: WorkflowBody): Promise<void> {
    const { run } = this.pass.record;
    const inputs = decodeFields(this.pass.state.inputs, "inputs");
    const context = { runId: run.runId, skillId: run.skillId, createdAt: new Date(run.createdAt) };
    // In a turn of its own, so that a body that throws at once is like any other.
    void Promise.resolve()
      .then(() => body(workflowStep(this), inputs as never, context))
      .then(
        (value) => this.#end({ kind: "returned", value }),
        (thrown: unknown) => this.#end({ kind: "threw", thrown }),
      );
    for (;;) {
      await this.#untilQuiet();
      if (this.#broken !== undefined) throw this.#broken.error;
      if (this.#fault !== undefined) return fail(this.pass, this.#fault);
      if (this.#ending !== undefined) return this.#finish(this.#ending);
      if (this.pass.isSpent) return handOver(this.pass, this.#waits());
      const stuck = this.#stuckAt();
      if (stuck !== undefined) return fail(this.pass, stuck);
      const ready = await hold(this.pass, this.#waits());
      this.#retake(ready ?? []);
      if (ready !== undefined) continue;
      if (await park(this.pass, this.#waits())) return;
      const now = this.pass.host.clock.now();
      this.#retake(this.#waits().flatMap((wait) => (isOver(this.pass.record, wait, now) ? [wait.stepId] : [])));
    }
  }

  /**
   * Asks for a step. The answer never comes where the step waits, or where the body asks for what it did not ask before;
   * then the pass ends around it.
   */
  ask(
    name: string,
    uses: string,
    take: (id: string, count: number) => Promise<StepOutcome>,
  ): Promise<StepResult<Json>> {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    const id = stepId(name, count);
    this.#lastStep = id;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      const before = getOwn(this.pass.state.stepResults, id);
      if (before !== undefined && isSettled(before)) {
        if (before.uses !== uses) {
          this.refuse(`step "${id}" was recorded as ${before.uses}, and is asked for as ${uses}`, id);
        } else void this.#answer();
      } else this.#launch(id, () => take(id, count));
      this.#stir();
    });
  }

  /** Ends the pass with a typed error, whatever the body does with it. */
  refuse(message: string, stepId: string, code = "nondeterminism"): void {
    this.#fault ??= { code, message, stepId };
    this.siblings.abort(new DurableError("nondeterminism", message));
    this.#stir();
  }

  /** Remembers which step an error came from, so that a failed run can name it. */
  rejectedBy(id: string, error: unknown): void {
    if (typeof error === "object" && error !== null) this.#rejections.set(error, id);
  }

  #launch(id: string, take: Take): void {
    if (this.pass.isSpent) {
      this.#heldBack.set(id, take);
      return;
    }
    this.#inFlight++;
    take().then(
      (outcome) => {
        this.#inFlight--;
        if (outcome.kind === "waiting") this.#parked.set(id, { wait: outcome.wait, take });
        else void this.#answer();
        this.#stir();
      },
      (error: unknown) => {
        this.#inFlight--;
        this.#broken ??= { error };
        this.#stir();
      },
    );
  }

  #retake(ids: readonly string[]): void {
    for (const id of ids) {
      const parked = this.#parked.get(id);
      this.#parked.delete(id);
      if (parked !== undefined) this.#launch(id, parked.take);
    }
  }

  #waits(): readonly Wait[] {
    return [...this.#parked.values()].map(({ wait }) => wait);
  }

  // One answer at a time, and each after time to react to the one before: what the body asks for next must not depend on
  // what is recorded later, nor on whether an answer was there already.
  async #answer(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    for (;;) {
      for (let turn = 0; turn < reactionTurns; turn++) await undefined;
      const id = this.#nextAnswer();
      if (id === undefined) break;
      this.#answered.add(id);
      const result = getOwn(this.pass.state.stepResults, id);
      if (result !== undefined) this.#asked.get(id)?.(result);
      this.#stir();
    }
    this.#isAnswering = false;
  }

  // Not before what was recorded before it. Only a body with new steps in it comes to those of this pass first.
  #nextAnswer(): string | undefined {
    while (this.#answered.has(this.#recorded[this.#replayed]?.id ?? "")) this.#replayed++;
    for (let index = this.#replayed; index < this.#recorded.length; index++) {
      const { id, isNeeded } = this.#recorded[index] as Recorded;
      if (this.#answered.has(id)) continue;
      if (this.#asked.has(id)) return id;
      if (isNeeded) break;
    }
    // A step's outcome comes a little later than its record.
    const { steps } = this.pass.state.trace;
    for (; this.#traced < steps.length; this.#traced++) this.#fresh.push(steps[this.#traced]?.stepId ?? "");
    return this.#fresh.shift();
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    this.#stir();
  }

  #stir(): void {
    this.#activity++;
    this.#wake();
  }

  /** Resolves when nothing is in flight and the body has ended, or has asked for nothing during the grace. */
  async #untilQuiet(): Promise<void> {
    for (;;) {
      const isDone = this.#broken !== undefined || this.#fault !== undefined || this.#ending !== undefined;
      if (this.#inFlight === 0 && (isDone || (await this.#isQuiet()))) return;
      if (this.#broken !== undefined && this.pass.signal.aborted) return;
      if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async #isQuiet(): Promise<boolean> {
    const before = this.#activity;
    const stirred = new AbortController();
    // With a reason, or each makes an error with its stack.
    this.#wake = () => stirred.abort("stirred");
    for (let slice = 0; slice < graceSlices && this.#activity === before; slice++) {
      await this.pass.host.clock.sleep(graceMs / graceSlices, stirred.signal);
    }
    return this.#activity === before;
  }

  #stuckAt(): RunError | undefined {
    if (this.#parked.size > 0) return undefined;
    // Where it has asked for what was recorded later, it waits in vain for that: its answer comes after the missing one's.
    const missing = this.#missing();
    if (missing !== undefined && this.#recorded.some(({ id }) => this.#asked.has(id) && !this.#answered.has(id))) {
      return notAskedFor(missing);
    }
    const after = this.#lastStep === undefined ? "before its first step" : `after step "${this.#lastStep}"`;
    return {
      code: "await_outside_step",
      message: `the body awaits something that is not a step, ${after}`,
      ...present({ stepId: this.#lastStep }),
    };
  }

  #missing(): string | undefined {
    return this.#recorded.find(({ id, isNeeded }) => isNeeded && !this.#asked.has(id))?.id;
  }

  async #finish(ending: Ending): Promise<void> {
    const missing = this.#missing();
    if (missing !== undefined) return fail(this.pass, notAskedFor(missing));
    if (ending.kind === "threw") return this.#failWith(ending.thrown);
    let result: Json;
    try {
      result = encodeValue(ending.value ?? null, "result");
    } catch (error) {
      return fail(this.pass, { code: "invalid_output", message: (error as Error).message });
    }
    return complete(this.pass, (state) => ({
      state: { ...state, outputs: fieldsOfValue(result) ?? { result } },
      result,
    }));
  }

  async #failWith(thrown: unknown): Promise<void> {
    const stepId = this.#culprit(thrown);
    const error = { code: stepId === undefined ? "body_failed" : "step_failed", message: messageOf(thrown) };
    if (stepId === undefined) return fail(this.pass, error);
    await this.pass.commit((record, state, now) =>
      failure(record, withUnsettled(state, stepId), now, { ...error, stepId }),
    );
  }

  // The step whose error ended the body: by the error itself or one of its causes, else the last step, if that failed.
  #culprit(thrown: unknown): string | undefined {
    const seen = new Set<object>();
    for (
      let error = thrown;
      typeof error === "object" && error !== null && !seen.has(error);
      error = (error as { cause?: unknown }).cause
    ) {
      const id = this.#rejections.get(error);
      if (id !== undefined) return id;
      seen.add(error);
    }
    const last = this.#lastStep && getOwn(this.pass.state.stepResults, this.#lastStep);
    return last && last.status === "degraded" ? last.stepId : undefined;
  }
}

function notAskedFor(stepId: string): RunError {
  return {
    code: "nondeterminism",
    message: `step "${stepId}" is recorded, but the body did not ask for it again`,
    stepId,
  };
}

// What ended the run is tried afresh when the run is resumed; failures that the body dealt with stay as they are.
function withUnsettled(state: ExecutionState<Json>, stepId: string): ExecutionState<Json> {
  const result = getOwn(state.stepResults, stepId);
  if (result === undefined) return state;
  return { ...state, stepResults: { ...state.stepResults, [stepId]: { ...result, status: "failed" } } };
}

/** A step that is recorded. */
interface Recorded {
  readonly id: string;
  /** False where the body may have asked for it because of a failure that has been tried afresh since. */
  readonly isNeeded: boolean;
}

function recordedSteps({ stepResults, trace: { steps } }: ExecutionState<Json>): readonly Recorded[] {
  const settled = Object.keys(stepResults).filter((id) => isSettled(getOwn(stepResults, id)));
  const place = new Map(steps.map((step, index) => [step.stepId, index]));
  const failures = steps.flatMap(({ stepId }, failedAt) => {
    const last = place.get(stepId) ?? failedAt;
    if (last !== failedAt) return [{ failedAt, triedAt: last }];
    return isSettled(getOwn(stepResults, stepId)) ? [] : [{ failedAt, triedAt: Number.POSITIVE_INFINITY }];
  });
  return settled
    .map((id) => ({ id, at: place.get(id) ?? -1 }))
    .sort((a, b) => a.at - b.at)
    .map(({ id, at }) => ({ id, isNeeded: !failures.some(({ failedAt, triedAt }) => failedAt < at && at < triedAt) }));
}
