import { aLength, aSignal, given, type Kinds } from "../../src/argument.ts";

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

export const streamKinds: Kinds<StreamOptions> = {
  pollMs: aLength,
  maxPollMs: aLength,
  heartbeatMs: aLength,
  maxMs: aLength,
  signal: aSignal,
};

/** @throws `invalid_request` that names the option. */
export function checkedStream(options: StreamOptions): CheckedStream {
  const own = given(options, streamKinds, "stream", "stream");
  return { pollMs: 250, maxPollMs: 5_000, heartbeatMs: 15_000, maxMs: 300_000, ...own };
}
