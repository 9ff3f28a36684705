import type { Kinds } from "./argument.ts";
import { aDuration, type Duration, durationMs, maxDurationMs } from "./duration.ts";
import { aNumber, oneOf } from "./json.ts";

/**
 * How often a failed step is tried again, and how long it waits between attempts: for capabilities, graphs and code
 * alike, in the terms of Cloudflare's Workflows. `maxDelay` and `jitter` are additions.
 */
export interface Retries {
  /** Further attempts after the first. Default 5. */
  readonly limit?: number;
  /** Before the second attempt. Default 10 seconds. */
  readonly delay?: Duration;
  /** How the delay grows from attempt to attempt: `exponential` (the default) doubles it. */
  readonly backoff?: Backoff;
  /** The longest delay, before jitter. Default: no bound. */
  readonly maxDelay?: Duration;
  /** The share of the delay, 0 to 1, by which it varies at random in either direction. Default 0. */
  readonly jitter?: number;
}

/** How the delay grows from one attempt to the next. */
export type Backoff = (typeof backoffs)[number];

const backoffs = ["constant", "linear", "exponential"] as const;

/** Source: https://developers.cloudflare.com/workflows/build/sleeping-and-retrying/ */
export const defaultRetries = { limit: 5, delay: 10_000, backoff: "exponential" } as const satisfies Retries;

/**
 * The delay before the next attempt after `attempts` failed ones, in whole milliseconds, or `undefined` if none is left.
 * `random` is in [0, 1).
 */
export function retryDelay(retries: Retries, attempts: number, random: number): number | undefined {
  const { limit, delay, backoff, maxDelay = maxDurationMs, jitter = 0 } = { ...defaultRetries, ...retries };
  if (attempts > limit) return undefined;
  const delayMs = Math.min(durationMs(delay, "delay") * growth(backoff, attempts), durationMs(maxDelay, "maxDelay"));
  // Jitter may double it.
  return Math.min(Math.round(delayMs * (1 + jitter * (2 * random - 1))), maxDurationMs);
}

function growth(backoff: Backoff, attempts: number): number {
  switch (backoff) {
    case "constant":
      return 1;
    case "linear":
      return attempts;
    case "exponential":
      // Finite, so that a delay of 0 stays 0 after any number of attempts.
      return 2 ** Math.min(attempts - 1, 1_000);
  }
}

/** Of {@link Retries}. */
export const retriesKinds: Kinds<Retries> = {
  limit: /* @__PURE__ */ aNumber(
    "a whole number of at least 0, or Infinity",
    (limit) => limit >= 0 && (Number.isSafeInteger(limit) || limit === Number.POSITIVE_INFINITY),
  ),
  delay: aDuration,
  backoff: /* @__PURE__ */ oneOf(backoffs),
  maxDelay: aDuration,
  jitter: /* @__PURE__ */ aNumber("a number from 0 to 1", (jitter) => jitter >= 0 && jitter <= 1),
};
