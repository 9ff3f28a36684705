import { getOwn, type Json } from "../../json.ts";
import { type ExecutionState, type Fields, isSettled } from "../../record/state.ts";
import type { Record } from "./recorded.ts";

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
export class AskLog {
  #entries: readonly (readonly string[])[];
  readonly #known: Set<string>;
  /** True if the run is over: what has not settled is never taken. */
  readonly #isOver: boolean;
  /** The log of earlier passes. */
  readonly #logged: ReadonlySet<string>;
  readonly #after = new Map<string, string[]>();
  #turns: readonly (readonly string[])[];
  /** The step that earlier passes answered next after an answer, for those of {@link #turns}. */
  #next: ReadonlyMap<string, string>;
  #places: ReadonlyMap<string, string>;
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
    this.#isChanged = record.isResumed && (entries.length > 0 || turns.length > 0);
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

  /** The step that an earlier pass answered next after that answer, where that does not follow from the record. */
  nextAfter(answer: string): string | undefined {
    return this.#next.get(answer);
  }

  /** The answer after which an earlier pass answered the step, empty before the first one; absent if none recorded it. */
  placeOf(id: string): string | undefined {
    return this.#places.get(id);
  }

  /** True if a step was answered at a place that no checkpoint has yet. */
  isUnsaved = false;

  /** The step was answered next after that answer, although another place in the record is its own. */
  place(after: string, id: string): void {
    if (this.#places.has(id)) return;
    this.isUnsaved = true;
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
    this.#next = new Map();
    this.#places = new Map();
  }

  writtenTo(state: ExecutionState<Json>): ExecutionState<Json> {
    this.isUnsaved = false;
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
