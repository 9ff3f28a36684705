import { Changes } from "../../../client/changes.ts";
import type { Inspector } from "./inspector.ts";
import { type Problem, problemOf } from "./problem.ts";
import type { Route } from "./route.ts";
import { RowList } from "./row-list.ts";
import { RunBook } from "./run-book.ts";
import type { RunAnswer } from "./wire.ts";

/** The shortest time between two refreshes, however many changes are announced. */
const leastGapMs = 300;
const runRowHeight = 52;

/** The list of runs: its data, its search, and its updates. */
export class RunsPage {
  readonly app: Inspector;
  readonly list: RowList;
  book: RunBook;
  /** The search text, which matches ids and skills. */
  search = "";
  /** The run whose complete id was typed, wherever it is in the list. */
  found: RunAnswer | undefined;
  problem: Problem | undefined;
  isReading = false;
  /** The visible rows of the last drawing. */
  inView: readonly [from: number, to: number] = [0, 0];
  #work = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #searchTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #changes: Changes;
  #unsubscribe: (() => void) | undefined;
  /** True if a change was announced that no refresh has read yet. */
  #isSoon = false;

  constructor(app: Inspector) {
    this.app = app;
    this.book = new RunBook(app.service, {});
    this.#changes = new Changes((signal) => app.service.changes({ signal }));
    this.list = new RowList({
      rowHeight: runRowHeight,
      onChange: () => app.update(),
      onOpen: (index) => this.#open(index),
    });
  }

  show(route: Extract<Route, { page: "runs" }>): void {
    const { status, skill } = this.book.filter;
    const isSame = status === route.status && skill === route.skill;
    if (!isSame) {
      this.#work.abort();
      this.#work = new AbortController();
      this.isReading = false;
      this.book = new RunBook(this.app.service, {
        ...(route.status === undefined ? {} : { status: route.status }),
        ...(route.skill === undefined ? {} : { skill: route.skill }),
      });
      this.list.active = -1;
    }
    if (this.book.runs.length === 0) this.readMore();
    this.#unsubscribe ??= this.#changes.subscribe(() => this.#refreshSoon());
    this.#schedule(isSame ? 0 : this.#changes.restMs);
  }

  /** Stops reading until it is shown again. */
  pause(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    clearTimeout(this.#timer);
  }

  stop(): void {
    this.pause();
    clearTimeout(this.#searchTimer);
    this.#work.abort();
  }

  /** The runs to show. */
  get rows(): readonly RunAnswer[] {
    const text = this.search.trim().toLowerCase();
    if (text === "") return this.book.runs;
    const { found } = this;
    const matches = this.book.runs.filter(
      ({ run_id: id, skill_id: skill }) => id.toLowerCase().includes(text) || skill.toLowerCase().includes(text),
    );
    return found === undefined || matches.some(({ run_id: id }) => id === found.run_id) ? matches : [found, ...matches];
  }

  readMore(limit?: number): void {
    if (this.isReading || this.book.isComplete) return;
    this.isReading = true;
    const { signal } = this.#work;
    this.app.updateAfter(
      this.book.readMore(signal, limit).then(
        () => {
          this.problem = undefined;
          this.isReading = false;
          if (this.book.total === undefined && !this.book.isComplete) this.#readTotal();
        },
        (error) => this.#failed(error, signal),
      ),
    );
  }

  #readTotal(): void {
    const { signal } = this.#work;
    this.app.updateAfter(this.book.readTotal(signal).catch((error) => this.#failed(error, signal)));
  }

  /** Searches older runs. */
  lookFurther(): void {
    this.readMore(500);
  }

  lookFor(text: string): void {
    this.search = text;
    this.found = undefined;
    this.list.active = -1;
    clearTimeout(this.#searchTimer);
    const id = text.trim();
    if (/^[\x20-\x7e]{3,200}$/.test(id)) this.#searchTimer = setTimeout(() => void this.#find(id), 250);
    this.app.update();
  }

  onKey(event: KeyboardEvent): boolean {
    if (event.key === "/") {
      this.app.root.querySelector<HTMLInputElement>("#search")?.focus();
      return true;
    }
    if (event.key === "Escape" && this.search !== "") {
      this.lookFor("");
      return true;
    }
    if (!this.list.onKey(event)) return false;
    this.list.focus();
    return true;
  }

  onSearchKey(event: KeyboardEvent): void {
    if (event.key === "Escape") {
      if (this.search === "") (event.target as HTMLElement).blur();
      this.lookFor("");
    } else if (event.key === "ArrowDown") {
      this.list.activate(0);
      this.list.focus();
    } else if (event.key === "Enter" && this.rows.length > 0) {
      this.#open(Math.max(this.list.active, 0));
    } else return;
    event.preventDefault();
  }

  async #find(id: string): Promise<void> {
    const { signal } = this.#work;
    try {
      const run = await this.app.service.get(id, { signal });
      if (this.search.trim() === id) this.found = run;
    } catch (error) {
      // Most texts are not the id of a run.
      if (!signal.aborted && problemOf(error).code !== "not_found") this.#failed(error, signal);
    }
    this.app.update();
  }

  #open(index: number): void {
    const run = this.rows[index];
    if (run !== undefined) this.app.go({ page: "run", runId: run.run_id, tab: "timeline" });
  }

  /** Refreshes once for all changes that are announced in quick succession. */
  #refreshSoon(): void {
    if (this.#isSoon) return;
    this.#isSoon = true;
    this.#schedule(leastGapMs);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#refresh(), ms);
  }

  async #refresh(): Promise<void> {
    const { signal } = this.#work;
    const { book } = this;
    this.#isSoon = false;
    if (!document.hidden && !this.isReading && (book.runs.length > 0 || book.isComplete)) {
      try {
        const added = await book.refresh(...this.inView, signal);
        if (added > 0 && this.search === "") this.list.shift(added);
        if (added > 0 && !book.isComplete) this.#readTotal();
        this.problem = undefined;
      } catch (error) {
        this.#failed(error, signal);
      }
      this.app.update();
    } else if (this.problem !== undefined) this.readMore();
    if (!signal.aborted && this.app.route.page === "runs")
      this.#schedule(this.#isSoon ? leastGapMs : this.#changes.restMs);
  }

  #failed(thrown: unknown, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.isReading = false;
    this.problem = problemOf(thrown);
    if (this.problem.code === "unauthorized") this.app.failed(this.problem);
  }
}
