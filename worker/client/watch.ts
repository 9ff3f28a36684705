import { aFunction, aSignal, type Kinds } from "../../src/argument.ts";
import { DurableError, isDurableError, isPassing } from "../../src/errors.ts";
import { anyNumber, aText } from "../../src/json.ts";
import type { LiveMessage } from "../../src/record/event.ts";
import { isTerminal, type RunStatus } from "../../src/record/run.ts";
import type { WatchOptions } from "../../src/runs/events.ts";
import type { EventAnswer } from "../http/contract/records.ts";
import { Connection, pause } from "./connection.ts";
import { messagesOf } from "./messages.ts";

/** Options of a watch of a run by its stream. */
export interface StreamWatchOptions extends WatchOptions {
  /**
   * The delay before a reconnect after a connection without events, in milliseconds. Default: the delay that the server
   * requests.
   */
  readonly retryMs?: number;
  /** The time without data after which the connection is considered dead, in milliseconds. Default: 60,000. */
  readonly idleMs?: number;
  /**
   * Called when a connection is established, and when one failed and another will be tried, so that a page can show it. If it
   * throws, the watch ends with that error.
   */
  readonly onState?: (state: WatchState) => void;
}

export const watchKinds: Kinds<StreamWatchOptions> = {
  after: aText,
  signal: aSignal,
  onLive: aFunction,
  retryMs: anyNumber,
  idleMs: anyNumber,
  onState: aFunction,
};

/** The state of a watch. If the service closes a connection normally, the watch reconnects without reporting a state. */
export type WatchState =
  | { readonly kind: "connected" }
  /** `error` is why the connection failed; the next one is tried after `pauseMs` milliseconds. */
  | { readonly kind: "reconnecting"; readonly error: DurableError; readonly pauseMs: number };

/** The requests that a watch makes. */
export interface Watched {
  /** Opens the stream of events after a position. Resolves with a 204 if the run has ended and there are no more events. */
  connect(after: string | undefined, signal: AbortSignal): Promise<Response>;
  status(signal: AbortSignal): Promise<RunStatus>;
}

const longestPauseMs = 30_000;

/**
 * The events of a run as they happen, each once and in order, over as many connections as needed. Returns the status with
 * which the run ended, or undefined if `signal` ended the watch.
 */
export async function* watch(
  watched: Watched,
  { after, signal, onLive, retryMs, idleMs = 60_000, onState }: StreamWatchOptions,
): AsyncGenerator<EventAnswer, RunStatus | undefined, undefined> {
  let place = after;
  let askedMs = retryMs ?? 1_000;
  const left = new AbortController();
  const leave = () => left.abort(signal?.reason);
  if (signal?.aborted) leave();
  signal?.addEventListener("abort", leave);
  try {
    for (let fruitless = 0; !left.signal.aborted; fruitless++) {
      let pauseMs = 0;
      let broken: DurableError | undefined;
      let isCalling = false;
      const connection = new Connection(left.signal, idleMs);
      try {
        const response = await watched.connect(place, connection.signal);
        if (response.body === null || response.status === 204) {
          const status = await watched.status(connection.signal);
          if (isTerminal(status)) return status;
        } else {
          isCalling = true;
          onState?.({ kind: "connected" });
          isCalling = false;
          const body = connection.observed(response.body);
          for await (const { event, id, data } of messagesOf(body, (ms) => (askedMs = retryMs ?? ms))) {
            if (event === "live") onLive?.(JSON.parse(data) as LiveMessage);
            if (event === "end") return (JSON.parse(data) as { status: RunStatus }).status;
            if (event !== "" || id === undefined || !isAfter(id, place)) continue;
            [place, fruitless] = [id, -1];
            yield JSON.parse(data) as EventAnswer;
          }
        }
      } catch (error) {
        // An error of the caller's function ends the watch.
        if (isCalling) throw error;
        if (left.signal.aborted) return undefined;
        // The connection was interrupted, or the service is temporarily unavailable.
        broken = isDurableError(error) ? error : brokenOff(error);
        if (!isPassing(broken)) throw error;
        pauseMs = broken.retryAfterMs ?? 0;
      } finally {
        connection.close();
      }
      if (fruitless >= 0) {
        const backoffMs = Math.min(askedMs * 2 ** Math.min(fruitless, 20), longestPauseMs);
        pauseMs = Math.max(pauseMs, backoffMs * (0.5 + Math.random() / 2));
      }
      if (broken !== undefined) onState?.({ kind: "reconnecting", error: broken, pauseMs });
      await pause(pauseMs, left.signal);
    }
    return undefined;
  } finally {
    signal?.removeEventListener("abort", leave);
    left.abort();
  }
}

function brokenOff(cause: unknown): DurableError {
  return new DurableError("upstream_failure", "the event stream was interrupted", { cause });
}

/** A position is a revision and an index in it; an event id ends with both. */
function isAfter(id: string, place: string | undefined): boolean {
  const [revision, index] = placeOf(id);
  const [lastRevision, lastIndex] = place === undefined ? [-1, -1] : placeOf(place);
  return revision > lastRevision || (revision === lastRevision && index > lastIndex);
}

function placeOf(id: string): readonly [revision: number, index: number] {
  const [, revision, index] = /(\d+)[:-](\d+)$/.exec(id) ?? [];
  return [Number(revision ?? -1), Number(index ?? -1)];
}
