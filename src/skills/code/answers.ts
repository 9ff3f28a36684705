import type { Pass } from "../../engine/pass.ts";
import { getOwn, type Json } from "../../json.ts";
import { type ExecutionState, type Fields, isSettled, type StepResult } from "../../record/state.ts";
import { type Record, type Recorded, recordOf } from "./recorded.ts";

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
    pass.annotateWith((state) => this.log.writtenTo(record.isResumed ? record.markedIn(state) : state));
  }

  /** The number of answers that the body waits for. */
  get awaited(): number {
    return this.#asked.size - this.#answered.size;
  }

  isAsked(id: string): boolean {
    return this.#asked.has(id);
  }

  /** True if the body waits for that answer. */
  #isOpen(id: string): boolean {
    return this.#asked.has(id) && !this.#answered.has(id);
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

  /** True if a new step may begin at once: nothing recorded comes before it. */
  get isReady(): boolean {
    return this.isCaughtUp && this.#nextOptional() === undefined;
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
    if (next !== undefined && this.#isOpen(next)) return next;
    const unanswered = this.#unanswered;
    if (unanswered !== undefined && this.#asked.has(unanswered)) return unanswered;
    // A step's outcome comes a little later than its record.
    const { steps } = this.#pass.state.trace;
    for (; this.#traced < steps.length; this.#traced++) this.#fresh.push(steps[this.#traced]?.stepId ?? "");
    return this.#fresh[0] ?? this.#nextOptional();
  }

  // A step that need not be called again comes where it came in the pass that resumed the failed run.
  #nextOptional(): string | undefined {
    if (!this.isCaughtUp) return undefined;
    for (const id of this.#optional) {
      if (!this.#isOpen(id)) continue;
      const place = this.log.placeOf(id) ?? "";
      if (place === "" || this.#answered.has(place)) return id;
    }
    return undefined;
  }

  /**
   * True if the step's place does not follow from the record: then it has one now, and so has each such step that the body
   * waits for. A checkpoint must save them before the first of them answers.
   */
  place(id: string): boolean {
    if (!this.#optional.has(id) || this.log.placeOf(id) !== undefined) return false;
    let after = this.#last;
    for (const next of this.#optional) {
      if (!this.#isOpen(next) || this.log.placeOf(next) !== undefined) continue;
      this.log.place(after, next);
      after = next;
    }
    return true;
  }

  /** Delivers the answer of a step. */
  give(id: string): void {
    if (this.#fresh[0] === id) this.#fresh.shift();
    this.#answered.add(id);
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
    return this.#recorded.some(({ id }) => this.#isOpen(id));
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

/** Its place in a state: an extension, since the ORCA v1 form has no field for it. */
const askLogKey = "orca-durable/asks";

/**
 * The same for steps whose answers did not come at their places in the record: for each of them the answer before it, empty
 * before the first answer, and the step.
 */
const turnsKey = "orca-durable/turns";

/** Stands for the end of the body among the steps that it called. No step has this name. */
const end = "";

/**
 * The steps that a body called while it also waited for other steps, and the answer after which it called them. So its
 * path can be repeated, whatever time it takes between two steps: an answer is delivered once the body has called every
 * step that it had called when that answer was first delivered. A body that calls one step after the other leaves
 * nothing in here.
 *
 * The body's end is recorded like one more step.
 *
 * The stored form is a list of lists: an answer's step, empty before the first answer, and the steps called after it,
 * of which an empty one is the end. Once the run is over, a list of an end alone is the last one.
 */
class AskLog {
  #entries: readonly (readonly string[])[];
  readonly #known: Set<string>;
  /** True if the run is over: what has not settled is never taken. */
  readonly #isOver: boolean;
  /** The log of earlier passes. */
  readonly #logged: ReadonlySet<string>;
  readonly #after = new Map<string, string[]>();
  #turns: readonly (readonly string[])[];
  /** The step that is answered next after an answer, for those of {@link #turns}. */
  readonly #next: Map<string, string>;
  readonly #places: Map<string, string>;
  readonly #awaited = new Set<string>();
  #isChanged: boolean;
  #hasEnded = false;

  constructor(state: ExecutionState<Json>, record: Record) {
    const entries = readEntries(getOwn(state.extensions, askLogKey));
    // The body's reaction to a failure is not awaited once the failure is tried again.
    this.#entries = record.isResumed ? entries.flatMap((entry) => keptEntry(entry, state, record)) : entries;
    const turns = readEntries(getOwn(state.extensions, turnsKey));
    // Nor does what came after the failure keep its place.
    const gone = turns.findIndex((turn) => turn.some((id) => id !== "" && !record.isKept(id)));
    this.#turns = gone === -1 ? turns : turns.slice(0, gone);
    this.#next = new Map(this.#turns.map(([after = "", id = ""]) => [after, id]));
    this.#places = new Map(this.#turns.map(([after = "", id = ""]) => [id, after]));
    this.#isChanged = gone !== -1 || (record.isResumed && (entries.length > 0 || turns.length > 0));
    this.#isOver = this.#entries.at(-1)?.length === 1;
    this.#logged = new Set(this.#entries.flatMap((entry) => entry.slice(1)));
    this.#known = new Set(this.#logged);
    for (const [after = "", ...ids] of this.#entries) {
      this.#after.set(after, [...(this.#after.get(after) ?? []), ...ids]);
    }
    for (const id of this.#after.get("") ?? []) this.#awaited.add(id);
  }

  /** True while the body has not yet called a step that it had called before the next answer. */
  get isAwaiting(): boolean {
    return this.#awaited.size > 0;
  }

  /** The body called a step. */
  asked(id: string): void {
    this.#awaited.delete(id);
  }

  /** The step that is answered next after that answer, where that does not follow from the record. */
  nextAfter(answer: string): string | undefined {
    return this.#next.get(answer);
  }

  /** The answer after which the step is answered, empty before the first one; absent if that follows from the record. */
  placeOf(id: string): string | undefined {
    return this.#places.get(id);
  }

  /** The step is answered next after that answer, although another place in the record is its own. */
  place(after: string, id: string): void {
    this.#next.set(after, id);
    this.#places.set(id, after);
    this.#turns = [...this.#turns, [after, id]];
    this.#isChanged = true;
  }

  /** True if the body abandons this step, as in an earlier pass that recorded its end: the step is not begun. */
  isAbandoned(id: string): boolean {
    return this.#isOver || (this.#logged.has(end) && !this.#logged.has(id));
  }

  /** The body ended, `after` that answer, while it waited for those `open` steps. */
  ended(after: string, open: readonly string[]): void {
    this.#hasEnded = true;
    this.asked(end);
    for (const id of [...open, end]) this.add(after, id);
  }

  /** The run is over. A replay calls again what never settled, at the same place. */
  conclude(): void {
    if (this.#isOver || !this.#known.has(end)) return;
    this.#entries = [...this.#entries, [end]];
    this.#isChanged = true;
  }

  /** Forgets the end of a body that failed: another one may go on there. */
  reopen(): void {
    if (!this.#known.delete(end)) return;
    const entries = this.#entries.map((entry) => entry.filter((id, index) => index === 0 || id !== end));
    this.#entries = entries.filter((entry) => entry.length > 1);
    this.#isChanged = true;
  }

  /** The body called a step that is new to it while it waited for others too, with `after` as the last answer. */
  add(after: string, id: string): void {
    if (this.#known.has(id)) return;
    this.#known.add(id);
    const last = this.#entries.at(-1);
    this.#entries =
      last?.[0] === after ? [...this.#entries.slice(0, -1), [...last, id]] : [...this.#entries, [after, id]];
    this.#isChanged = true;
  }

  /** The body received the answer of a step. */
  answered(id: string, isAsked: (id: string) => boolean): void {
    for (const next of this.#after.get(id) ?? []) {
      if (!(next === end ? this.#hasEnded : isAsked(next))) this.#awaited.add(next);
    }
  }

  /** Stops awaiting the calls that have not come so far: the body takes another way. */
  forget(): void {
    this.#awaited.clear();
    this.#next.clear();
    this.#places.clear();
  }

  writtenTo(state: ExecutionState<Json>): ExecutionState<Json> {
    if (!this.#isChanged) return state;
    const turns = this.#turns.length === 0 ? undefined : { [turnsKey]: this.#turns };
    const others = Object.fromEntries(Object.entries(state.extensions).filter(([key]) => key !== turnsKey));
    return { ...state, extensions: { ...others, [askLogKey]: this.#entries, ...turns } };
  }
}

function keptEntry(
  [after = "", ...ids]: readonly string[],
  { stepResults }: ExecutionState<Json>,
  record: Record,
): readonly (readonly string[])[] {
  if (after !== "" && !record.isKept(after)) return [];
  const kept = ids.filter((id) => !isSettled(getOwn(stepResults, id)) || record.isKept(id));
  return kept.length === 0 ? [] : [[after, ...kept]];
}

function readEntries(json: Json | undefined): readonly (readonly string[])[] {
  if (!Array.isArray(json)) return [];
  return (json as readonly Json[]).flatMap((entry) =>
    Array.isArray(entry) && entry.every((item) => typeof item === "string") ? [entry as readonly string[]] : [],
  );
}

/** The extensions of a state with the steps of its log under other names. */
export function renamedAsks(extensions: Fields<Json>, rename: (id: string) => string): Fields<Json> {
  const renamed: Fields<Json> = Object.fromEntries(
    [askLogKey, turnsKey].flatMap((key) => {
      const entries = readEntries(getOwn(extensions, key));
      if (entries.length === 0) return [];
      return [[key, entries.map((entry) => entry.map((id) => (id === "" ? id : rename(id))))]];
    }),
  );
  return { ...extensions, ...renamed };
}
