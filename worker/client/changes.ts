import { systemClock } from "../../src/clock.ts";
import { isDurableError } from "../../src/errors.ts";
import type { Feed } from "../../src/runs/feed.ts";
import { Connection, pause } from "./connection.ts";
import { messagesOf } from "./messages.ts";

const idleMs = 60_000;
const longestPauseMs = 30_000;
/** How long followers rest between two looks: with a stream that announces changes, and without one. */
const [restWithMs, restWithoutMs] = [15_000, 2_000];

/** The changes of a service's runs, over one connection for all who listen. Without listeners there is none. */
export class Changes implements Feed {
  readonly clock = systemClock;
  readonly #open: (signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>;
  readonly #listeners = new Set<(runId?: string) => void>();
  #stopping = new AbortController();
  #isConnected = false;

  constructor(open: (signal: AbortSignal) => Promise<ReadableStream<Uint8Array>>) {
    this.#open = open;
  }

  get restMs(): number {
    return this.#isConnected ? restWithMs : restWithoutMs;
  }

  readonly subscribe = (listener: (runId?: string) => void): (() => void) => {
    // Each subscription counts by itself, also of the same function.
    const own = (runId?: string) => listener(runId);
    this.#listeners.add(own);
    if (this.#listeners.size === 1) {
      this.#stopping = new AbortController();
      void this.#follow(this.#stopping.signal);
    }
    return () => {
      if (!this.#listeners.delete(own) || this.#listeners.size > 0) return;
      this.#stopping.abort();
      this.#isConnected = false;
    };
  };

  async #follow(signal: AbortSignal): Promise<void> {
    for (let fruitless = 0; !signal.aborted; fruitless++) {
      const connection = new Connection(signal, idleMs);
      let askedMs = 1_000;
      try {
        const body = connection.observed(await this.#open(connection.signal));
        this.#isConnected = true;
        // What changed before this connection was not announced.
        this.#announce();
        for await (const { data } of messagesOf(body, (ms) => (askedMs = ms))) {
          fruitless = -1;
          for (const runId of (JSON.parse(data) as { readonly run_ids: readonly string[] }).run_ids)
            this.#announce(runId);
        }
      } catch (error) {
        // An earlier service has no such stream, and a page without a key none at all: the looks of the followers say so.
        if (isDurableError(error, "not_found", "unauthorized", "forbidden")) return;
      } finally {
        if (!signal.aborted) this.#isConnected = false;
        connection.close();
      }
      await pause(Math.min(askedMs * 2 ** Math.max(0, Math.min(fruitless, 20)), longestPauseMs), signal);
    }
  }

  #announce(runId?: string): void {
    for (const listener of [...this.#listeners]) listener(runId);
  }
}
