import { maxDurationMs } from "./duration.ts";
import { DurableError } from "./errors.ts";

/** How often a step is tried, and how long it waits in between. */
export interface RetryPolicy {
  /** All attempts, the first one too. */
  readonly maxAttempts: number;
  /** Before the second attempt, in milliseconds. */
  readonly delayMs: number;
  /** By which the delay grows from attempt to attempt; 1 keeps it. */
  readonly multiplier: number;
  /** The longest delay, in milliseconds, before jitter. */
  readonly maxDelayMs: number;
  /** The share of the delay, 0 to 1, by which it varies at random to either side. */
  readonly jitter: number;
}

/** One attempt. */
export const noRetry: RetryPolicy = { maxAttempts: 1, delayMs: 1_000, multiplier: 2, maxDelayMs: 300_000, jitter: 0 };

/**
 * The delay before the next attempt after `attempts` failed ones, in whole milliseconds, or `undefined` where none is
 * left. `random` is in [0, 1).
 */
export function retryDelay(policy: RetryPolicy, attempts: number, random: number): number | undefined {
  if (attempts >= policy.maxAttempts) return undefined;
  // No delay is none after ever so many attempts, whose power overflows.
  const delay =
    policy.delayMs === 0 ? 0 : Math.min(policy.delayMs * policy.multiplier ** (attempts - 1), policy.maxDelayMs);
  return Math.round(delay * (1 + policy.jitter * (2 * random - 1)));
}

/** @throws `invalid_definition` that names the place. */
export function checkRetryPolicy(policy: Partial<RetryPolicy>, path: string): void {
  const isDuration = (value: number) => value >= 0 && value <= maxDurationMs / 2;
  // Jitter may double a delay.
  const aDuration = `a number of milliseconds from 0 to ${maxDurationMs / 2}`;
  const rules: readonly [keyof RetryPolicy, (value: number) => boolean, string][] = [
    ["maxAttempts", (value) => Number.isSafeInteger(value) && value >= 1, "a whole number of at least 1"],
    ["delayMs", isDuration, aDuration],
    ["multiplier", (value) => value >= 1 && Number.isFinite(value), "a number of at least 1"],
    ["maxDelayMs", isDuration, aDuration],
    ["jitter", (value) => value >= 0 && value <= 1, "a number from 0 to 1"],
  ];
  for (const [key, holds, what] of rules) {
    const value = policy[key];
    if (value !== undefined && !(typeof value === "number" && holds(value))) {
      throw new DurableError("invalid_definition", `${path}.${key}: expected ${what}, not ${String(value)}`, {
        path: `${path}.${key}`,
      });
    }
  }
}
