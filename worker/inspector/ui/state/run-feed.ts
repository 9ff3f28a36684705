import type { WatchState } from "../../../client/watch.ts";
import { type Problem, problemOf } from "./problem.ts";
import type { RunLog } from "./run-log.ts";
import type { Service } from "./service.ts";
import { isTerminal, type LiveMessage, type RunAnswer, type RunEvent } from "./wire.ts";

export interface RunFeedListener {
  /** Called when the log has new events or the run has changed. */
  changed(): void;
  /** Whether events arrive as they happen. */
  connected(isLive: boolean): void;
  failed(problem: Problem): void;
  /** Called with what is not recorded. */
  live(message: LiveMessage): void;
}

/** How often an ended run is read, and the delay before a retry after a failure. */
const lookMs = 3_000;
const burstMs = 300;
/** Less than what a timer can wait. */
const longestLookMs = 3_600_000;

/**
 * Keeps a run and its log up to date. It reads the history once and then follows the events with the client's watch, which
 * reconnects automatically. A run that has ended is read from time to time, since it may be resumed.
 */
export class RunFeed {
  run: RunAnswer | undefined;
  readonly #service: Service;
  readonly #runId: string;
  readonly #log: RunLog;
  readonly #listener: RunFeedListener;
  readonly #stopping = new AbortController();
  #following = new AbortController();
  #isReconnecting = false;
  #isRunDue = false;
  #wake = () => {};
  #dueTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(service: Service, runId: string, log: RunLog, listener: RunFeedListener) {
    this.#service = service;
    this.#runId = runId;
    this.#log = log;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#readRun();
        await this.#readHistory();
        // The history may be newer than the run that was read before it, and the watch starts after the history.
        await this.#readRun();
        if (this.run !== undefined && isTerminal(this.run.status)) await this.#rest();
        else await this.#follow();
      } catch (thrown) {
        if (signal.aborted) return;
        this.#listener.connected(false);
        const problem = problemOf(thrown);
        this.#listener.failed(problem);
        if (problem.code === "not_found" && this.run === undefined) return;
        await this.#pause(lookMs);
      }
    }
  }

  stop(): void {
    this.#stopping.abort();
    this.#following.abort();
    clearTimeout(this.#dueTimer);
    this.#wake();
  }

  /** Takes the run from the answer to an action; it is newer than the run that was read. Its events are read immediately. */
  took(run: RunAnswer): void {
    this.run = run;
    this.#listener.changed();
    if (this.#isReconnecting) this.#following.abort();
    this.#wake();
  }

  get #etag(): string | undefined {
    return this.run === undefined ? undefined : this.#service.etag(this.run);
  }

  async #readRun(): Promise<void> {
    const { signal } = this.#stopping;
    const etag = this.#etag;
    const run = await (etag === undefined
      ? this.#service.get(this.#runId, { signal })
      : this.#service.getIfChanged(this.#runId, etag, { signal }));
    if (run === undefined) return;
    this.run = run;
    this.#listener.changed();
    this.#readWhenDue(run);
  }

  // A run is taken without an event, so what it waits for is read again once an executor should have looked at it.
  #readWhenDue({ next_at: next, status }: RunAnswer): void {
    clearTimeout(this.#dueTimer);
    const due = Date.parse(next ?? "");
    if (Number.isNaN(due) || isTerminal(status) || this.#stopping.signal.aborted) return;
    const delayMs = Math.min(Math.max(due - Date.now() + burstMs, lookMs), longestLookMs);
    this.#dueTimer = setTimeout(() => this.#readRunSoon(), delayMs);
  }

  async #readHistory(): Promise<void> {
    const { signal } = this.#stopping;
    for (let isMore = true; isMore; ) {
      const last = Number(this.#log.position?.split("-")[0] ?? 0);
      const query = { after: String(Math.max(0, last - 1)), limit: 500 };
      const { history, pagination } = await this.#service.history(this.#runId, query, { signal });
      const events = history.flatMap((entry) => entry.events) as readonly RunEvent[];
      // If the only event was read before, the end is reached.
      const added = events.filter((event) => this.#log.add(event)).length;
      if (added > 0) this.#listener.changed();
      isMore = pagination.has_more && added > 0;
    }
  }

  async #follow(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#following = new AbortController();
    const { signal } = this.#following;
    const { position } = this.#log;
    const place = position === undefined ? {} : { after: position };
    const onState = (state: WatchState) => this.#connection(state);
    const onLive = (message: LiveMessage) => this.#listener.live(message);
    for await (const event of this.#service.watch(this.#runId, { ...place, signal, onState, onLive })) {
      if (!this.#log.add(event)) continue;
      this.#listener.changed();
      this.#readRunSoon();
    }
  }

  #connection(state: WatchState): void {
    this.#isReconnecting = state.kind === "reconnecting";
    this.#listener.connected(!this.#isReconnecting);
    if (state.kind === "reconnecting") this.#listener.failed(problemOf(state.error));
  }

  // Events arrive in bursts. Each burst reads the run once.
  #readRunSoon(): void {
    if (this.#isRunDue) return;
    this.#isRunDue = true;
    setTimeout(() => {
      this.#isRunDue = false;
      const { signal } = this.#stopping;
      if (signal.aborted) return;
      this.#readRun().catch((thrown) => {
        if (!signal.aborted) this.#listener.failed(problemOf(thrown));
      });
    }, burstMs);
  }

  async #rest(): Promise<void> {
    this.#listener.connected(true);
    const etag = this.#etag;
    while (etag === this.#etag && this.run !== undefined && isTerminal(this.run.status)) {
      await this.#pause(lookMs);
      this.#stopping.signal.throwIfAborted();
      await this.#readRun();
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
