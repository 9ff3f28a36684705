import type { Pass } from "../../engine/pass.ts";
import { getOwn, type Json } from "../../json.ts";
import { isSettled, type StepResult } from "../../record/state.ts";
import { AskLog } from "./ask-log.ts";
import { type Recorded, recordOf } from "./recorded.ts";

/**
 * The order in which the steps of a body get their answers in one pass: that of the record, each once the body has called
 * every step that it had called before that answer the first time.
 */
export class Answers {
  readonly log: AskLog;
  readonly #pass: Pass;
  readonly #asked = new Map<string, (result: StepResult<Json>) => void>();
  readonly #answered = new Set<string>();
  /** Steps that earlier passes recorded, in the order of their record. */
  readonly #recorded: readonly Recorded[];
  /** The ones that the body need not call again. */
  readonly #optional: ReadonlySet<string>;
  /** Steps that this pass recorded, in the order of their record. */
  readonly #fresh: string[] = [];
  /** The number of entries of the state's trace that are in one of the two. */
  #traced: number;
  /** The length of the trace in the last checkpoint that was sent to the medium. */
  #sent = 0;
  /** The number of recorded steps, from the first on, that have answered or need not. */
  #caughtUp = 0;
  #last = "";

  constructor(pass: Pass) {
    this.#pass = pass;
    const record = recordOf(pass.state);
    this.#recorded = record.steps;
    this.#optional = new Set(record.steps.flatMap(({ id, isNeeded }) => (isNeeded ? [] : [id])));
    this.log = new AskLog(pass.state, record);
    this.#traced = pass.state.trace.steps.length;
    pass.annotateWith((state) => {
      this.#sent = state.trace.steps.length;
      return this.log.writtenTo(record.isResumed ? record.markedIn(state) : state);
    });
  }

  /** The number of answers that the body waits for. */
  get awaited(): number {
    return this.#asked.size - this.#answered.size;
  }

  isAsked(id: string): boolean {
    return this.#asked.has(id);
  }

  /** The body called a step. `isNew` if no pass has called it before, and the body waits for other answers too. */
  asked(id: string, resolve: (result: StepResult<Json>) => void, isNew: boolean): void {
    this.#asked.set(id, resolve);
    // A step that need not be called again, and is: in the next pass it comes at this place again.
    if (isNew || this.#optional.has(id)) this.log.add(this.#last, id);
    this.log.asked(id);
  }

  /** True once the body has received every recorded answer, and has called every step that it had called by then. */
  get isCaughtUp(): boolean {
    return !this.log.isAwaiting && this.#unanswered === undefined;
  }

  /** The first recorded step that the body must call again and whose answer it has not received. */
  get #unanswered(): string | undefined {
    for (; this.#caughtUp < this.#recorded.length; this.#caughtUp++) {
      const { id, isNeeded } = this.#recorded[this.#caughtUp] as Recorded;
      if (isNeeded && !this.#answered.has(id)) return id;
    }
    return undefined;
  }

  /**
   * The step that is answered next: not before what was recorded earlier, nor before the calls that came before it the
   * first time. Only a body with new steps reaches those of this pass first.
   */
  next(): string | undefined {
    if (this.log.isAwaiting) return undefined;
    const next = this.log.nextAfter(this.#last);
    if (next !== undefined && this.#asked.has(next) && !this.#answered.has(next)) return next;
    const unanswered = this.#unanswered;
    if (unanswered !== undefined && this.#asked.has(unanswered)) return unanswered;
    // A step's outcome comes a little later than its record.
    const { steps } = this.#pass.state.trace;
    for (; this.#traced < steps.length; this.#traced++) this.#fresh.push(steps[this.#traced]?.stepId ?? "");
    return this.#fresh[0] ?? this.#nextOptional();
  }

  // A step that need not be called again comes where it came in the pass that resumed the failed run. If no pass recorded
  // that place, no recorded step depends on its answer: while a step is being recorded, without that place, it waits.
  #nextOptional(): string | undefined {
    if (!this.isCaughtUp || this.#sent > this.#pass.state.trace.steps.length) return undefined;
    for (const id of this.#optional) {
      if (!this.#asked.has(id) || this.#answered.has(id)) continue;
      const place = this.log.placeOf(id) ?? "";
      if (place === "" || this.#answered.has(place)) return id;
    }
    return undefined;
  }

  /** Delivers the answer of a step. */
  give(id: string): void {
    if (this.#fresh[0] === id) this.#fresh.shift();
    this.#answered.add(id);
    if (this.#optional.has(id)) this.log.place(this.#last, id);
    this.#last = id;
    this.log.answered(id, (ask) => this.#asked.has(ask));
    const result = getOwn(this.#pass.state.stepResults, id);
    if (result !== undefined) this.#asked.get(id)?.(result);
  }

  /** A recorded step that the body must call again and has not. */
  missing(): string | undefined {
    return this.#recorded.find(({ id, isNeeded }) => isNeeded && !this.#asked.has(id))?.id;
  }

  /** True if the body waits for an answer that was recorded after one that is missing. */
  get isHeldUp(): boolean {
    return this.#recorded.some(({ id }) => this.#asked.has(id) && !this.#answered.has(id));
  }

  /** The body ended. `isImmediate` if that took no turn of the event loop after the last answer. */
  ended(isImmediate: boolean): void {
    const open = [...this.#asked.keys()].filter((id) => !this.#answered.has(id) && !this.#isSettled(id));
    if (!isImmediate || open.length > 0) this.log.ended(this.#last, open);
  }

  #isSettled(id: string): boolean {
    return isSettled(getOwn(this.#pass.state.stepResults, id));
  }
}
