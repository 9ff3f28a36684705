import { present } from "../../src/json.ts";
import { lengthOption } from "../../src/runs/options.ts";

/** The options of an event stream. Times are in milliseconds. */
export interface StreamOptions {
  /** The interval at which the store is read while no notifier reports changes. Default: 250. */
  readonly pollMs?: number;
  /** While nothing happens, the polling interval grows up to this. Default: 5,000. */
  readonly maxPollMs?: number;
  /** The interval of heartbeat comments. Default: 15,000. */
  readonly heartbeatMs?: number;
  /** The time after which the stream closes and the client reconnects. Default: five minutes. */
  readonly maxMs?: number;
  /**
   * Closes every stream of the app when it aborts, for example before another version takes over. Each stream closes without
   * an `end`, so that its client reconnects to the next version.
   */
  readonly signal?: AbortSignal;
}

/** An open stream. */
export interface OpenStream {
  /** Aborts when the stream has ended, for any reason. */
  readonly ended: AbortSignal;
  /** Closes the stream without an `end`, so that its client reconnects. */
  close(): void;
}

/** {@link StreamOptions} with the defaults filled in. */
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
