import type { Service } from "./service.ts";
import type { RunAnswer, Status } from "./wire.ts";

export interface RunBookFilter {
  readonly status?: Status;
  readonly skill?: string;
}

/** A position in the list, and the cursor that continues from it. */
interface Bookmark {
  readonly cursor: string;
  /** The last run before the position; absent at the beginning. */
  readonly after?: RunAnswer;
}

/** Consecutive runs, and the cursor after them. */
interface Page {
  readonly runs: readonly RunAnswer[];
  readonly next: string | undefined;
}

const beginning: Bookmark = { cursor: "" };
const pageSize = 100;

/**
 * The runs that were read so far under one filter, newest first.
 *
 * Pages are read by cursors. A cursor is a position in an order that never changes. So a stretch of the list is read again by
 * replacing exactly the runs between two positions, and changes elsewhere do not affect it.
 */
export class RunBook {
  runs: readonly RunAnswer[] = [];
  /** True if there are no older runs. */
  isComplete = false;
  /** The number of runs under the filter, also of those that were not read, when it was last read. */
  total: number | undefined;
  readonly filter: RunBookFilter;
  readonly #service: Service;
  #bookmarks: readonly Bookmark[] = [beginning];

  constructor(service: Service, filter: RunBookFilter) {
    this.#service = service;
    this.filter = filter;
  }

  async readMore(signal: AbortSignal, limit = pageSize): Promise<void> {
    const mark = this.#bookmarks.at(-1);
    if (this.isComplete || mark === undefined) return;
    const end = this.#place(mark, await this.#fetch(mark, limit, signal));
    if (end === undefined) this.isComplete = true;
    else this.#bookmarks = [...this.#bookmarks, end];
  }

  async readTotal(signal: AbortSignal): Promise<void> {
    const { pagination } = await this.#service.list({ offset: 0, limit: 1, ...this.#query }, { signal });
    if ("total" in pagination) this.total = pagination.total;
  }

  /**
   * Reads the newest runs again, and those between two indexes. Resolves with the number of runs that were added at the top,
   * since the reader may be looking at runs below them.
   */
  async refresh(from: number, to: number, signal: AbortSignal): Promise<number> {
    const top = this.runs[0];
    const page = await this.#fetch(beginning, pageSize, signal);
    const isGap = top !== undefined && page.next !== undefined && page.runs.every((run) => isBefore(run, top));
    if (isGap) this.runs = [];
    const end = this.#place(beginning, page);
    if (isGap && end !== undefined) {
      // More new runs than one page: the runs that were read before start further down, and are read when the reader scrolls
      // there.
      this.#bookmarks = [end];
      this.isComplete = false;
    }
    const added = top === undefined || isGap ? 0 : Math.max(0, this.#indexBehind({ cursor: "", after: top }) - 1);
    await this.#refreshBehind(end, from + added, to + added, signal);
    return added;
  }

  async #refreshBehind(first: Bookmark | undefined, from: number, to: number, signal: AbortSignal): Promise<void> {
    if (first === undefined) return;
    const isNearer = (mark: Bookmark) => mark.after !== undefined && this.#indexBehind(mark) <= from;
    const near = this.#bookmarks.filter((mark) => isNearer(mark) && this.#indexBehind(mark) > this.#indexBehind(first));
    let mark: Bookmark | undefined = near.at(-1) ?? first;
    while (mark !== undefined && this.#indexBehind(mark) <= to && this.#indexBehind(mark) < this.runs.length) {
      mark = this.#place(mark, await this.#fetch(mark, pageSize, signal));
    }
  }

  #indexBehind({ after }: Bookmark): number {
    if (after === undefined) return 0;
    const index = this.runs.findIndex((run) => isBefore(after, run));
    return index === -1 ? this.runs.length : index;
  }

  /** Inserts a page: it replaces all runs between the position and its own last run. Returns where it ends. */
  #place(mark: Bookmark, { runs, next }: Page): Bookmark | undefined {
    const last = runs.at(-1);
    const isOutside = (run: RunAnswer) =>
      (mark.after !== undefined && !isBefore(mark.after, run)) ||
      (next !== undefined && last !== undefined && isBefore(last, run));
    this.runs = [...this.runs.filter(isOutside), ...runs].sort(newestFirst);
    return next === undefined || last === undefined ? undefined : { cursor: next, after: last };
  }

  async #fetch({ cursor }: Bookmark, limit: number, signal: AbortSignal): Promise<Page> {
    const { runs, pagination } = await this.#service.list({ cursor, limit, ...this.#query }, { signal });
    return { runs, next: "next_cursor" in pagination ? pagination.next_cursor : undefined };
  }

  get #query() {
    const { status, skill } = this.filter;
    return { ...(status === undefined ? {} : { status }), ...(skill === undefined ? {} : { skill_id: skill }) };
  }
}

// The order of the list: by creation time, then by id, descending.
function newestFirst(a: RunAnswer, b: RunAnswer): number {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1;
  return a.run_id === b.run_id ? 0 : a.run_id < b.run_id ? 1 : -1;
}

function isBefore(a: RunAnswer, b: RunAnswer): boolean {
  return newestFirst(a, b) < 0;
}
