import { joined } from "../../clock.ts";
import { decodeFields, encodeValue, fieldsOfValue } from "../../codec/values.ts";
import { complete, fail, handOver, park } from "../../engine/ending.ts";
import type { Pass } from "../../engine/pass.ts";
import { Flights, type Take } from "../../engine/pass.ts";
import { DurableError, isDurableError } from "../../errors.ts";
import { stepId } from "../../ids.ts";
import { getOwn, type Json, jsonEqual, present } from "../../json.ts";
import { contextOf, hasOtherInputs, type RunError } from "../../record/run.ts";
import { isSettled, type StepResult } from "../../record/state.ts";
import { Answers } from "./answers.ts";
import { StepErrors } from "./step-errors.ts";
import type { WorkflowBody } from "./workflow.ts";
import { type Ask, type BodyRun, currentCall, never, workflowStep } from "./workflow-step.ts";

/** How long a body must be quiet before its run parks, or before a new step of it is taken, in milliseconds. */
const graceMs = 100;
/** Several short sleeps, so that a stall of the whole process does not count as silence of the body. */
const graceSliceMs = 25;
/** After this time a quiet body is reported to `onError`, in milliseconds. */
const reportedAfterMs = 1_000;
/**
 * Turns of the microtask queue in which most bodies have reacted. It only saves timers; correctness does not depend on
 * it.
 */
const quickTurns = 32;

/**
 * How much time a body gets between two recorded answers while it waits for several. Work between two steps that takes
 * turns of the event loop leaves no trace of its length, so at one pace a body may call other steps than the recorded
 * ones. Nothing new is executed before the body has caught up with the record, so the body can be called again at the
 * next pace.
 */
const paces = ["turn", "brisk", "patient"] as const;

/** What the body returned, or what it threw. */
type Ending = { readonly value: unknown } | { readonly thrown: unknown };

/** Executes a code-first body as far as possible now: until it has ended, waits, or is handed over. */
export async function runCode(pass: Pass, body: WorkflowBody): Promise<void> {
  for (const pace of paces) if (await new CodeRun(pass, pace).execute(body)) return;
}

/**
 * One pass over a code-first body. Recorded steps are answered from the record; others are taken through the kernel,
 * and then answered from the record too. Answers come in the order of the record and one at a time. Each comes once the
 * body has called every step that it had called before that answer the first time, so the body takes the same path in
 * every pass. A step that waits leaves its promise unsettled: once nothing else moves, the run parks and the pass ends
 * there, without an exception in the body.
 *
 * A step in one pass. Once it is recorded, it is not taken again:
 *
 * ```text
 *   called ── recorded by an earlier pass ─────────────────▶ recorded ── its turn, body at rest ──▶ answered
 *     │ new                                                     ▲
 *     ▼            record caught up               settles       │
 *   held back ───────────────────────▶ in flight ───────────────┘
 *                                       │     ▲
 *                                 waits ▼     │ the wait is over
 *                                       waiting ── the pass ends ──▶ kept in the row, for the next pass
 * ```
 *
 * The body in one pass:
 *
 * ```text
 *   called ──▶ reacting ◀──────────────────────────────────────────┐
 *                 │ asks for nothing more                          │
 *                 ▼                                                │
 *              at rest ── the next recorded answer is given ───────┤
 *                 ├── steps are in flight, or waits are held ──────┘ when one moves
 *                 ├── all wait for longer than holdMs ──▶ the run parks
 *                 ├── nothing is asked for, for bodyQuietMs ──▶ fails: await_outside_step
 *                 ├── asks for other steps than are recorded ──▶ called again, at the next pace
 *                 └── returned or threw ──▶ what it left in flight settles, then the run ends
 * ```
 */
class CodeRun implements BodyRun {
  readonly pass: Pass;
  /** Aborts the steps in flight when the run is lost or has failed. */
  readonly siblings: AbortController;
  readonly #pace: (typeof paces)[number];
  readonly #flights: Flights;
  readonly #answers: Answers;
  readonly #counts = new Map<string, number>();
  readonly #heldBack = new Map<string, Take>();
  readonly #errors = new StepErrors();
  #lastStep: string | undefined;
  #ending: Ending | undefined;
  #fault: RunError | undefined;
  /** Counts what the body does, and the answers to which it reacts. */
  #activity = 0;
  /** True while the body reacts without a turn of the event loop: then nothing else can come first, in any pass. */
  #isImmediate = true;
  /** The count at which the body was last seen at rest. */
  #restedAt = -1;
  /** True once an answer was delivered while the body waited for others as well. */
  #wasPaced = false;
  #hasLaunched = false;
  #wasReported = false;
  /** True once the pass is over: later calls of the body are ignored. */
  #isOver = false;

  constructor(pass: Pass, pace: (typeof paces)[number] = "turn") {
    this.pass = pass;
    this.#pace = pace;
    this.#flights = new Flights(pass);
    this.siblings = joined(pass.signal);
    this.#answers = new Answers(pass);
  }

  /**
   * True once the pass is over; false if the body called a step that is not the recorded one, and may not do so at
   * another pace.
   */
  async execute(body: WorkflowBody): Promise<boolean> {
    this.#start(body);
    try {
      return await this.#pump();
    } finally {
      this.#isOver = true;
    }
  }

  #start(body: WorkflowBody): void {
    const { run } = this.pass.record;
    const inputs = decodeFields(this.pass.state.inputs, "inputs");
    const context = { runId: run.runId, skillId: run.skillId, createdAt: new Date(run.createdAt) };
    // In a separate turn, so that a body that throws at once is handled like any other.
    void Promise.resolve()
      .then(() => body(workflowStep(this), inputs as never, context))
      .then(
        (value) => this.#end({ value }),
        (thrown: unknown) => this.#end({ thrown }),
      );
  }

  async #pump(): Promise<boolean> {
    const flights = this.#flights;
    // What the body does before the first wait for it needs no turn.
    await this.#quickTurns();
    for (;;) {
      if (flights.isBroken) await flights.check();
      const { isSpent } = this.pass;
      if (this.#fault !== undefined) {
        if (this.#fault.code === "nondeterminism" && this.#mayBeAstray) return false;
        if (flights.inFlight === 0) return fail(this.pass, this.#fault);
        await flights.moved(false);
        continue;
      }
      const id = this.#answers.next();
      if (id !== undefined) {
        // If the body waits for a single answer, its next action comes after that answer. Otherwise it is awaited, and
        // a step that it calls meanwhile may come first.
        if (this.#answers.awaited <= 1 || ((await this.#isAtRest()) && this.#answers.next() === id)) {
          if (this.#answers.place(id)) await this.#savePlaces();
          this.#give(id);
          await this.#quickTurns();
        }
        continue;
      }
      // A sleep, an event or a gate that lost a race delays nothing; a step between two attempts is under way.
      if (this.#ending !== undefined) flights.setAside((wait) => wait.kind === "retry");
      else if (this.#answers.log.isAwaiting) {
        if (await this.#isQuiet(this.#mostQuietMs)) this.#forget();
        if (isSpent && flights.inFlight === 0) return handOver(this.pass);
        continue;
      }
      if (!isSpent) {
        flights.retake();
        if (this.#answers.isCaughtUp) this.#launchHeldBack();
        else if (this.#heldBack.size > 0 && this.#ending === undefined) {
          if (!(await this.#isQuiet(graceMs))) continue;
          // At another pace the body may call what is recorded. Otherwise these steps are new in it.
          if (this.#mayBeAstray) return false;
          this.#launchHeldBack();
        }
      }
      // A body that has ended opens no more gates, however long its abandoned steps take.
      if (flights.hasGateAside && (flights.inFlight > 0 || flights.waits.length > 0)) {
        await flights.unask();
        continue;
      }
      if (flights.inFlight > 0) {
        this.#isImmediate = false;
        await flights.moved(!isSpent);
        continue;
      }
      if (this.#ending !== undefined) {
        const isOver = await this.#finish(this.#ending);
        if (isOver === undefined) continue;
        return isOver;
      }
      if (isSpent) return handOver(this.pass);
      if (flights.waits.length === 0) await this.#awaitBody();
      else if (flights.isHeld) {
        this.#isImmediate = false;
        await flights.moved(true);
      } else if ((await this.#mayPark()) && (await park(this.pass, flights.waits))) return true;
    }
  }

  /**
   * Calls a step. The answer never comes if the step waits, if the body calls what it did not call before, or after the
   * pass; then the pass ends around it.
   */
  ask({ name, uses, input, take }: Ask): Promise<StepResult<Json>> {
    if (this.#isOver || this.pass.isOver) return never();
    const outer = currentCall(this);
    const count = (this.#counts.get(name) ?? 0) + 1;
    const id = stepId(name, count);
    if (outer !== undefined) {
      const problem = `step "${id}" was called inside the callback of step "${outer}"; steps cannot be nested`;
      throw new DurableError("nested_step", problem, {
        hint: "call it in the body",
        details: { outer, inner: id },
      });
    }
    this.#counts.set(name, count);
    this.#lastStep = id;
    return new Promise((resolve) => {
      // The body has ended: its abandoned branches may begin nothing more.
      const isBegun = this.#ending === undefined;
      let isNewCall = false;
      const before = getOwn(this.pass.state.stepResults, id);
      if (before !== undefined && isSettled(before)) {
        if (before.uses !== uses) {
          this.endWith(`step "${id}" was recorded as ${before.uses}, but is called as ${uses}`, id);
        } else if (this.#isOtherInput(before, input)) {
          this.endWith(`step "${id}" was recorded with another input than it is called with`, id);
        }
      } else {
        if (isBegun) this.#heldBack.set(id, () => take(id, count));
        isNewCall = isBegun && this.#answers.awaited > 0;
      }
      this.#answers.asked(id, resolve, isNewCall);
      if (!this.pass.isSpent && this.#answers.isReady) this.#launchHeldBack();
      this.#stir();
    });
  }

  /** Ends the pass with a typed error, whatever the body does with that error. */
  endWith(message: string, stepId: string, code = "nondeterminism"): void {
    this.#fault ??= { code, message, stepId };
    this.siblings.abort(new DurableError("nondeterminism", message));
    this.#stir();
  }

  /** Remembers which step an error came from, so that a failed run can name it. */
  rejectedBy(id: string, error: unknown): void {
    this.#errors.add(id, error);
  }

  // A step without attempts was never called with an input, and the inputs of an edited state need not be the same.
  #isOtherInput(before: StepResult<Json>, input: Json | undefined): boolean {
    if (input === undefined || hasOtherInputs(this.pass.record) || (before.attemptsCount ?? 0) === 0) return false;
    return !jsonEqual(before.resolvedInput, input);
  }

  /** Nothing is answered at a place that the next pass would not know. */
  async #savePlaces(): Promise<void> {
    await this.pass.commit((record) => ({ record, events: [], checkpoint: { kind: "step_started" } }));
  }

  #launchHeldBack(): void {
    for (const [id, take] of this.#heldBack) {
      if (this.pass.isSpent) return;
      this.#heldBack.delete(id);
      this.#hasLaunched = true;
      this.#flights.launch(id, take, (outcome) => {
        if (outcome.kind === "failed") this.endWith(outcome.error.message, id, outcome.error.code);
      });
    }
  }

  get #mayBeAstray(): boolean {
    return this.#wasPaced && !this.#hasLaunched && this.#pace !== paces.at(-1) && !this.#answers.isCaughtUp;
  }

  #give(id: string): void {
    if (this.#answers.awaited > 1) this.#wasPaced = true;
    this.#isImmediate = true;
    this.#answers.give(id);
    this.#stir();
  }

  /**
   * True once the body has reacted to the earlier answers: it gets a turn of the event loop, repeatedly, until it calls
   * nothing in one.
   */
  async #isAtRest(): Promise<boolean> {
    if (this.#restedAt === this.#activity) return true;
    const before = this.#activity;
    switch (this.#answers.isCaughtUp ? "turn" : this.#pace) {
      case "turn":
        this.#isImmediate = false;
        await this.pass.host.clock.sleep(0);
        break;
      case "brisk":
        await this.#quickTurns();
        break;
      case "patient":
        await this.#isQuiet(graceMs);
    }
    if (this.#activity !== before) return false;
    this.#restedAt = before;
    return true;
  }

  async #quickTurns(): Promise<boolean> {
    const before = this.#activity;
    for (let turn = 0; turn < quickTurns && this.#activity === before; turn++) await undefined;
    return this.#activity === before;
  }

  /** True if nothing moved for that time. */
  async #isQuiet(ms: number): Promise<boolean> {
    const { moves } = this.#flights;
    for (let quietMs = 0; quietMs < ms && this.#flights.moves === moves; quietMs += graceSliceMs) {
      this.#isImmediate = false;
      await this.#flights.still(graceSliceMs);
    }
    return this.#flights.moves === moves;
  }

  #end(ending: Ending): void {
    this.#ending = ending;
    for (const id of this.#heldBack.keys()) if (this.#answers.log.isAbandoned(id)) this.#heldBack.delete(id);
    this.#answers.ended(this.#isImmediate);
    this.#stir();
  }

  #stir(): void {
    this.#activity++;
    this.#flights.stir();
  }

  /** Shorter than a pass: otherwise a stuck body would be handed over forever. */
  get #mostQuietMs(): number {
    const { bodyQuietMs, passMs } = this.pass.host;
    return Math.min(bodyQuietMs, passMs * 0.8);
  }

  /**
   * Waits for the body while it has nothing to wait for: it works, or it awaits something that is not a step. These
   * cannot be distinguished, so the body gets its time.
   */
  async #awaitBody(): Promise<void> {
    if (!(await this.#quickTurns())) return;
    this.#isImmediate = false;
    const { onError } = this.pass.host;
    const bodyQuietMs = this.#mostQuietMs;
    const { moves } = this.#flights;
    for (let quietMs = 0; this.#flights.moves === moves && !this.pass.isSpent; ) {
      const sliceMs = quietMs < graceMs ? graceSliceMs : quietMs < reportedAfterMs ? graceMs : reportedAfterMs / 2;
      await this.#flights.still(Math.min(sliceMs, Math.max(bodyQuietMs - quietMs, 1)));
      quietMs += sliceMs;
      if (this.#flights.moves !== moves) return;
      if (quietMs >= bodyQuietMs) {
        this.#fault = this.#stuckAt();
        return;
      }
      if (quietMs >= reportedAfterMs && !this.#wasReported) {
        this.#wasReported = true;
        const { runId } = this.pass.record.run;
        onError(new Error(`run "${runId}": ${this.#standstill}`), contextOf(this.pass.record, this.#lastStep));
      }
    }
  }

  /**
   * True if the run may park. A body that reached a wait in an earlier pass reaches it in this one too, and may still
   * work before it: it gets the same time as when it waits for nothing. Otherwise the end of that wait, or a decision,
   * would be missed.
   */
  async #mayPark(): Promise<boolean> {
    if (!(await this.#isQuiet(graceMs))) return false;
    const flights = this.#flights;
    const { moves } = flights;
    for (let quietMs = graceMs; quietMs < this.#mostQuietMs; quietMs += graceMs) {
      // The body has come to one, or a wait that this pass has may be over meanwhile.
      if (flights.moves !== moves || flights.isHeld || this.pass.isSpent) return false;
      if (this.pass.record.waits.every(({ stepId }) => this.#answers.isAsked(stepId))) return true;
      await flights.still(graceMs);
    }
    return flights.moves === moves;
  }

  /** Delivers the answers without waiting for the earlier calls before them: the body no longer makes those calls. */
  #forget(): void {
    this.#answers.log.forget();
    this.#stir();
  }

  get #standstill(): string {
    const place = this.#lastStep === undefined ? "before its first step" : `after step "${this.#lastStep}"`;
    return `the body awaits something that is not a step, ${place}`;
  }

  #stuckAt(): RunError {
    // If the body has called a step that was recorded later, it waits for it in vain: its answer comes after the
    // missing one's.
    const missing = this.#answers.missing();
    if (missing !== undefined && this.#answers.isHeldUp) return notAskedFor(missing);
    return {
      code: "await_outside_step",
      message: this.#standstill,
      ...present({ stepId: this.#lastStep }),
    };
  }

  /**
   * Ends the run as its body has ended, once the steps that the body abandoned have settled: true once the pass is over, false
   * if the body is to be called at another pace.
   */
  async #finish(ending: Ending): Promise<boolean | undefined> {
    const flights = this.#flights;
    if (this.#answers.log.isAwaiting) {
      this.#forget();
      return undefined;
    }
    const missing = this.#answers.missing();
    if (missing !== undefined) {
      // A branch for which the body did not wait may still call a step.
      if (!(await this.#isQuiet(reportedAfterMs))) return undefined;
      if (this.#mayBeAstray) return false;
      return fail(this.pass, notAskedFor(missing));
    }
    if (this.pass.isSpent && (this.#heldBack.size > 0 || flights.waits.length > 0)) {
      return handOver(this.pass);
    }
    if (this.#heldBack.size > 0) {
      this.#launchHeldBack();
      return undefined;
    }
    if (flights.waits.length > 0) {
      if (flights.isHeld) await flights.moved(true);
      else if (await park(this.pass, flights.waits, flights.aside)) return true;
      return undefined;
    }
    await this.#conclude(ending);
    return true;
  }

  async #conclude(ending: Ending): Promise<unknown> {
    if ("thrown" in ending) {
      this.#answers.log.reopen();
      return this.#errors.failRun(this.pass, ending.thrown, this.#lastStep);
    }
    let result: Json;
    try {
      result = encodeValue(ending.value ?? null, "result", this.pass.host);
    } catch (error) {
      const code = isDurableError(error, "too_large") ? error.code : "invalid_output";
      return fail(this.pass, { code, message: (error as Error).message });
    }
    this.#answers.log.conclude();
    return complete(this.pass, (state) => ({
      state: { ...state, outputs: fieldsOfValue(result) ?? { result } },
      result,
    }));
  }
}

function notAskedFor(stepId: string): RunError {
  return {
    code: "nondeterminism",
    message: `step "${stepId}" is recorded, but the body did not call it again`,
    stepId,
  };
}
