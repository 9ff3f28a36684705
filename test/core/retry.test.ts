import { describe, expect, test } from "vitest";
import { isDurableError } from "../../src/errors.ts";
import { checkRetryPolicy, noRetry, type RetryPolicy, retryDelay } from "../../src/retry.ts";

const policy: RetryPolicy = { maxAttempts: 5, delayMs: 100, multiplier: 2, maxDelayMs: 500, jitter: 0 };

describe("the delay after so many failed attempts", () => {
  test.each<[Partial<RetryPolicy>, number, number | undefined]>([
    [{}, 1, 100],
    [{}, 2, 200],
    [{}, 3, 400],
    [{}, 4, 500],
    [{}, 5, undefined],
    [{}, 6, undefined],
    [{ maxAttempts: 1 }, 1, undefined],
    [{ multiplier: 1 }, 4, 100],
    [{ multiplier: 1.5 }, 3, 225],
    [{ delayMs: 0 }, 3, 0],
    [{ maxDelayMs: 0 }, 2, 0],
    [{ maxDelayMs: 50 }, 1, 50],
    [{ delayMs: 0.4 }, 1, 0],
    [{ maxAttempts: 10_000, multiplier: 1e300 }, 5_000, 500],
  ])("%j after %i: %s", (over, attempts, delay) => {
    expect(retryDelay({ ...policy, ...over }, attempts, 0.5)).toBe(delay);
  });

  test.each([
    [0, 50],
    [0.25, 75],
    [0.5, 100],
    [0.999999, 150],
  ])("varies to either side with jitter: random %d gives %d", (random, delay) => {
    expect(retryDelay({ ...policy, jitter: 0.5 }, 1, random)).toBe(delay);
  });

  test("without a policy there is one attempt", () => {
    expect(retryDelay(noRetry, 1, 0.5)).toBeUndefined();
  });
});

describe("a policy that makes no sense is refused, with its path", () => {
  test.each<[string, unknown]>([
    ["maxAttempts", 0],
    ["maxAttempts", 1.5],
    ["maxAttempts", Number.POSITIVE_INFINITY],
    ["maxAttempts", "3"],
    ["delayMs", -1],
    ["delayMs", Number.NaN],
    ["delayMs", Number.POSITIVE_INFINITY],
    ["multiplier", 0.5],
    ["multiplier", Number.NaN],
    ["maxDelayMs", -1],
    ["maxDelayMs", Number.POSITIVE_INFINITY],
    ["jitter", -0.1],
    ["jitter", 1.1],
    ["jitter", null],
  ])("%s %s", (key, value) => {
    try {
      checkRetryPolicy({ [key]: value } as Partial<RetryPolicy>, "retry");
    } catch (error) {
      expect(isDurableError(error, "invalid_definition") && error.path).toBe(`retry.${key}`);
      return;
    }
    throw new Error("it was accepted");
  });

  test.each<[Partial<RetryPolicy>]>([[{}], [policy], [noRetry], [{ jitter: 1, delayMs: 0, maxDelayMs: 0 }]])(
    "%j is accepted",
    (accepted) => {
      expect(() => checkRetryPolicy(accepted, "retry")).not.toThrow();
    },
  );
});
