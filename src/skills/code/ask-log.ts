import { getOwn, type Json } from "../../json.ts";
import { type ExecutionState, type Fields, isSettled } from "../../record/state.ts";
import type { Record } from "./recorded.ts";

/** Where it is in a state: an extension, since the ORCA v1 form has no place for it. */
const askLogKey = "orca-durable/asks";

/** Stands for the end of the body among the steps that it asked for. No step has this name. */
const end = "";

/**
 * What a body asked for while it waited for other steps as well, and after which answer it did. So its way can be told
 * again, whatever it takes between two steps: an answer is given once the body has asked for all that it had asked for
 * when that answer was first given. A body that asks for one step after the other leaves nothing in here.
 *
 * That it ended is told like one more step.
 *
 * As it is stored, it is a list of lists: an answer's step, empty before the first answer, and the steps asked for after it,
 * where an empty one is the end.
 */
export class AskLog {
  #entries: readonly (readonly string[])[];
  readonly #known: Set<string>;
  /** What earlier passes told. */
  readonly #told: ReadonlySet<string>;
  readonly #after = new Map<string, string[]>();
  readonly #awaited = new Set<string>();
  #isChanged: boolean;
  #hasEnded = false;

  constructor(state: ExecutionState<Json>, record: Record) {
    const entries = readEntries(getOwn(state.extensions, askLogKey));
    // What the body did about a failure is nothing to wait for once that is tried afresh.
    this.#entries = record.isResumed ? entries.flatMap((entry) => keptEntry(entry, state, record)) : entries;
    this.#isChanged = record.isResumed && entries.length > 0;
    this.#told = new Set(this.#entries.flatMap((entry) => entry.slice(1)));
    this.#known = new Set(this.#told);
    for (const [after = "", ...ids] of this.#entries) {
      this.#after.set(after, [...(this.#after.get(after) ?? []), ...ids]);
    }
    for (const id of this.#after.get("") ?? []) this.#awaited.add(id);
  }

  /** True while the body has not yet asked for something that it had asked for before the next answer. */
  get isAwaiting(): boolean {
    return this.#awaited.size > 0;
  }

  /** The body asked for a step. */
  asked(id: string): void {
    this.#awaited.delete(id);
  }

  /** True where an earlier pass told of the body's end and not of this step: then the body came to it after its end. */
  isAfterEnd(id: string): boolean {
    return this.#told.has(end) && !this.#told.has(id);
  }

  /** The body ended, `after` that answer, as it waited for those `open` steps. */
  ended(after: string, open: readonly string[]): void {
    this.#hasEnded = true;
    this.asked(end);
    for (const id of [...open, end]) this.add(after, id);
  }

  /** Keeps of what the body asked for only what has settled: a run that is over never comes to the rest. */
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

  /** The body asked for a step that is new to it, as it waited for others too, with `after` as the last answer. */
  add(after: string, id: string): void {
    if (this.#known.has(id)) return;
    this.#known.add(id);
    const last = this.#entries.at(-1);
    this.#entries =
      last?.[0] === after ? [...this.#entries.slice(0, -1), [...last, id]] : [...this.#entries, [after, id]];
    this.#isChanged = true;
  }

  /** The body was given the answer of a step. */
  answered(id: string, isAsked: (id: string) => boolean): void {
    for (const next of this.#after.get(id) ?? []) {
      if (!(next === end ? this.#hasEnded : isAsked(next))) this.#awaited.add(next);
    }
  }

  /** Awaits nothing any more that has not come so far. */
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
