import { describe, expect, test } from "vitest";
import { given } from "../../src/argument.ts";
import { maxDurationMs } from "../../src/duration.ts";
import { type Retries, retriesKinds, retryDelay } from "../../src/retry.ts";

const retries: Retries = { limit: 4, delay: 100, maxDelay: 500 };

describe("the delay after a number of failed attempts", () => {
  test.each<[Retries, number, number | undefined]>([
    [{}, 1, 100],
    [{}, 2, 200],
    [{}, 3, 400],
    [{}, 4, 500],
    [{}, 5, undefined],
    [{}, 6, undefined],
    [{ limit: 0 }, 1, undefined],
    [{ backoff: "constant" }, 4, 100],
    [{ backoff: "linear" }, 3, 300],
    [{ backoff: "linear", maxDelay: "1 hour", delay: "1 minute" }, 3, 180_000],
    [{ delay: 0 }, 3, 0],
    [{ maxDelay: 0 }, 2, 0],
    [{ maxDelay: 50 }, 1, 50],
    [{ delay: 0.4 }, 1, 0],
    [{ limit: Number.POSITIVE_INFINITY }, 5_000, 500],
    [{ limit: Number.POSITIVE_INFINITY, delay: 0 }, 5_000, 0],
  ])("%j after %i: %s", (over, attempts, delay) => {
    expect(retryDelay({ ...retries, ...over }, attempts, 0.5)).toBe(delay);
  });

  test.each([
    [0, 50],
    [0.25, 75],
    [0.5, 100],
    [0.999999, 150],
  ])("varies to either side with jitter: random %d makes it %d", (random, delay) => {
    expect(retryDelay({ ...retries, jitter: 0.5 }, 1, random)).toBe(delay);
  });

  test("without a word about them there are five more attempts, from ten seconds on", () => {
    const delays = [1, 2, 3, 4, 5, 6].map((attempts) => retryDelay({}, attempts, 0.5));
    expect(delays).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, undefined]);
  });

  test("without a longest delay it stays a time that a Date can reach, jitter included", () => {
    const endless = { limit: Number.POSITIVE_INFINITY, jitter: 1 };
    expect(retryDelay(endless, 10_000, 1)).toBeLessThanOrEqual(maxDurationMs);
  });
});

const read = (retries: unknown) => given(retries as Retries, retriesKinds, "x.retries", "x.retries");

describe("retries that make no sense are refused, with their place", () => {
  test.each<[string, unknown]>([
    ["limit", -1],
    ["limit", 1.5],
    ["limit", Number.NaN],
    ["limit", "3"],
    ["delay", -1],
    ["delay", Number.NaN],
    ["delay", Number.POSITIVE_INFINITY],
    ["delay", "soon"],
    ["delay", null],
    ["delay", Symbol("a minute")],
    ["backoff", "quadratic"],
    ["maxDelay", -1],
    ["maxDelay", 8.64e15],
    ["jitter", -0.1],
    ["jitter", 1.1],
    ["jitter", null],
  ])("%s %s", (at, value) => {
    const refusal = expect.objectContaining({ code: "invalid_request", path: `x.retries.${at}` });
    expect(() => read({ [at]: value })).toThrow(refusal);
  });

  test.each([[undefined], [null], [3]])("%s", (asked) => {
    expect(() => read(asked)).toThrow(expect.objectContaining({ code: "invalid_request", path: "x.retries" }));
  });

  test.each<[Retries]>([[{}], [retries], [{ jitter: 1, delay: 0, maxDelay: 0 }], [{ limit: 0, delay: "3 days" }]])(
    "%j is accepted",
    (accepted) => {
      expect(read(accepted)).toEqual(accepted);
    },
  );
});
