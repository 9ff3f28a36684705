import { getOwn, type Json } from "../../json.ts";
import { type ExecutionState, type Fields, isSettled } from "../../record/state.ts";
import type { Record } from "./recorded.ts";

/** Its place in a state: an extension, since the ORCA v1 form has no field for it. */
const askLogKey = "orca-durable/asks";

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
 * of which an empty one is the end.
 */
export class AskLog {
  #entries: readonly (readonly string[])[];
  readonly #known: Set<string>;
  /** The log of earlier passes. */
  readonly #told: ReadonlySet<string>;
  readonly #after = new Map<string, string[]>();
  readonly #awaited = new Set<string>();
  #isChanged: boolean;
  #hasEnded = false;

  constructor(state: ExecutionState<Json>, record: Record) {
    const entries = readEntries(getOwn(state.extensions, askLogKey));
    // The body's reaction to a failure is not awaited once the failure is tried again.
    this.#entries = record.isResumed ? entries.flatMap((entry) => keptEntry(entry, state, record)) : entries;
    this.#isChanged = record.isResumed && entries.length > 0;
    this.#told = new Set(this.#entries.flatMap((entry) => entry.slice(1)));
    this.#known = new Set(this.#told);
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

  /** True if an earlier pass recorded the body's end and not this step: then the body called it after its end. */
  isAfterEnd(id: string): boolean {
    return this.#told.has(end) && !this.#told.has(id);
  }

  /** The body ended, `after` that answer, while it waited for those `open` steps. */
  ended(after: string, open: readonly string[]): void {
    this.#hasEnded = true;
    this.asked(end);
    for (const id of [...open, end]) this.add(after, id);
  }

  /** Keeps only the calls that have settled: a run that is over never reaches the others. */
  conclude(isSettled: (id: string) => boolean): void {
    const kept = this.#entries.map((entry) => entry.filter((id, index) => index === 0 || id === end || isSettled(id)));
    if (kept.every((entry, index) => entry.length === this.#entries[index]?.length)) return;
    this.#entries = kept.filter((entry) => entry.length > 1);
    this.#isChanged = true;
  }

  /** Forgets the end of a body that failed: another one may go on there. */
  reopen(): void {
    if (!this.#known.delete(end)) return;
    this.#entries = this.#entries.map((entry) => entry.filter((id, index) => index === 0 || id !== end));
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

  /** Stops awaiting the calls that have not come so far. */
  forget(): void {
    this.#awaited.clear();
  }

  writtenTo(state: ExecutionState<Json>): ExecutionState<Json> {
    if (!this.#isChanged) return state;
    return { ...state, extensions: { ...state.extensions, [askLogKey]: this.#entries } };
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
  const entries = readEntries(getOwn(extensions, askLogKey));
  if (entries.length === 0) return extensions;
  return { ...extensions, [askLogKey]: entries.map((entry) => entry.map((id) => (id === "" ? id : rename(id)))) };
}
