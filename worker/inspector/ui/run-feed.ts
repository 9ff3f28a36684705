import { type Api, type ApiError, runPath } from "./api.ts";
import { asApiError } from "./app.ts";
import type { RunLog } from "./run-log.ts";
import { type HistoryAnswer, isTerminal, type RunAnswer, type RunEvent } from "./wire.ts";

export interface RunFeedListener {
  /** New events are in the log, or the run is another. */
  changed(): void;
  /** Whether events arrive as they happen. */
  connected(isLive: boolean): void;
  failed(error: ApiError): void;
}

const longestPauseMs = 10_000;
const restingMs = 3_000;
const burstMs = 300;

/**
 * Keeps a run and its log up to date: reads the history once, then the stream, which it takes up again where it broke off. A
 * run that has ended is looked at from time to time, since somebody may resume it.
 */
export class RunFeed {
  run: RunAnswer | undefined;
  etag: string | null = null;
  readonly #api: Api;
  readonly #runId: string;
  readonly #log: RunLog;
  readonly #listener: RunFeedListener;
  readonly #stopping = new AbortController();
  #isRunDue = false;
  #wake = () => {};

  constructor(api: Api, runId: string, log: RunLog, listener: RunFeedListener) {
    this.#api = api;
    this.#runId = runId;
    this.#log = log;
    this.#listener = listener;
  }

  async start(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#readRun();
        await this.#readHistory();
        // The history may be newer than the run that was read before it, and the stream begins behind the history.
        await this.#readRun();
        failures = 0;
        if (this.run !== undefined && isTerminal(this.run.status)) await this.#rest();
        else await this.#stream();
      } catch (thrown) {
        if (signal.aborted) return;
        this.#listener.connected(false);
        const error = asApiError(thrown);
        this.#listener.failed(error);
        if (error.status === 404 && this.run === undefined) return;
        failures++;
        await this.#pause(Math.min(500 * 2 ** failures, longestPauseMs));
      }
    }
  }

  stop(): void {
    this.#stopping.abort();
    this.#wake();
  }

  /** Looks again at once, as after an action of our own. */
  look(): void {
    this.#wake();
  }

  /** The run as an action answered it, which is newer than what was read. */
  took(run: RunAnswer): void {
    this.run = run;
    this.#listener.changed();
    this.look();
  }

  async #readRun(): Promise<void> {
    const headers = this.etag === null ? {} : { "if-none-match": this.etag };
    const { value, etag } = await this.#api.call<RunAnswer | undefined>(runPath(this.#runId), {
      headers,
      signal: this.#stopping.signal,
    });
    this.etag = etag;
    if (value === undefined) return;
    this.run = value;
    this.#listener.changed();
  }

  async #readHistory(): Promise<void> {
    for (let isMore = true; isMore; ) {
      const after = Number(this.#log.position?.split("-")[0] ?? 0);
      const path = runPath(this.#runId, `/history?after=${Math.max(0, after - 1)}&limit=500`);
      const { history, pagination } = await this.#api.get<HistoryAnswer>(path, this.#stopping.signal);
      const events = history.flatMap((entry) => entry.events) as readonly RunEvent[];
      // One that was read before, and nothing else, is the end.
      const added = events.filter((event) => this.#log.add(event)).length;
      if (added > 0) this.#listener.changed();
      isMore = pagination.has_more && added > 0;
    }
  }

  async #stream(): Promise<void> {
    const { signal } = this.#stopping;
    const path = runPath(this.#runId, "/stream");
    for await (const { event, data } of this.#api.events(path, this.#log.position, signal)) {
      this.#listener.connected(true);
      if (event === "end") return;
      if (event !== "message") continue;
      if (!this.#log.add(JSON.parse(data) as RunEvent)) continue;
      this.#listener.changed();
      this.#readRunSoon();
    }
    // It may close early, and is then taken up again; but never in a tight circle.
    await this.#pause(500);
  }

  // Events come in bursts, and the run is asked for once in each.
  #readRunSoon(): void {
    if (this.#isRunDue) return;
    this.#isRunDue = true;
    setTimeout(() => {
      this.#isRunDue = false;
      if (!this.#stopping.signal.aborted) this.#readRun().catch((error) => this.#listener.failed(asApiError(error)));
    }, burstMs);
  }

  async #rest(): Promise<void> {
    this.#listener.connected(true);
    const { etag } = this;
    while (etag === this.etag && this.run !== undefined && isTerminal(this.run.status)) {
      await this.#pause(restingMs);
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
