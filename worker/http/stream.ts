import { present } from "../../src/present.ts";
import { lengthOption } from "../../src/runs/options.ts";

/** How a stream of events behaves. Times are in milliseconds. */
export interface StreamOptions {
  /** How often the store is read while no notifier reports changes. Default 250. */
  readonly pollMs?: number;
  /** While nothing happens, the store is read less and less often, down to this. Default 5,000. */
  readonly maxPollMs?: number;
  /** How often a comment shows that the stream lives. Default 15,000. */
  readonly heartbeatMs?: number;
  /** After so long the stream closes, and the client connects again. Default five minutes. */
  readonly maxMs?: number;
  /**
   * Closes every stream of the app, such as before another version takes its place. Each closes without an `end`, so that its
   * client connects again, to what serves by then.
   */
  readonly signal?: AbortSignal;
}

/** A stream that goes on. */
export interface OpenStream {
  /** Aborts when the stream has ended, by whatever. */
  readonly ended: AbortSignal;
  /** Closes it without an `end`, so that its client connects again. */
  close(): void;
}

/** {@link StreamOptions} with its defaults. */
export type CheckedStream = Required<Omit<StreamOptions, "signal">> & Pick<StreamOptions, "signal">;

/** @throws `invalid_request` that names the option. */
export function checkedStream({ signal, ...lengths }: StreamOptions): CheckedStream {
  return {
    pollMs: lengthOption(lengths.pollMs, "stream.pollMs", 250),
    maxPollMs: lengthOption(lengths.maxPollMs, "stream.maxPollMs", 5_000),
    heartbeatMs: lengthOption(lengths.heartbeatMs, "stream.heartbeatMs", 15_000),
    maxMs: lengthOption(lengths.maxMs, "stream.maxMs", 300_000),
    ...present({ signal }),
  };
}
