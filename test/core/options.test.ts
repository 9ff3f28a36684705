import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, type RuntimeOptions } from "../../src/index.ts";

const refused = (path: string) => expect.objectContaining({ code: "invalid_request", path });
/** As a caller without types gives it. */
const untyped = (value: unknown) => value as number;
const notANumber = [Number.NaN, "1000", null, {}, true, 10n].map(untyped);

const runtimeWith = (options: Partial<RuntimeOptions> = {}) =>
  createRuntime({ serves: false, store: memoryStore(), ...options });

describe("a runtime's options", () => {
  test.each<[keyof RuntimeOptions, readonly number[], readonly number[]]>([
    ["leaseMs", [...notANumber, 0, -1, Number.POSITIVE_INFINITY, 2 ** 31], [0.5, 30_000, 2 ** 31 - 1]],
    ["holdMs", [...notANumber, -1, Number.NEGATIVE_INFINITY], [0, 0.5, Number.POSITIVE_INFINITY]],
    ["passMs", [...notANumber, 0, -1], [0.5, Number.POSITIVE_INFINITY]],
    ["maxStateBytes", [...notANumber, 0, -1], [1, Number.POSITIVE_INFINITY]],
  ])("refuse what is no %s, by name, and take what is", (name, bad, good) => {
    for (const value of bad) expect(() => runtimeWith({ [name]: value }), String(value)).toThrow(refused(name));
    for (const value of good) runtimeWith({ [name]: value });
  });

  test("say what was wrong and what is expected", () => {
    expect(() => runtimeWith({ leaseMs: untyped("30s") })).toThrow(
      'leaseMs: expected a number of milliseconds above 0, at most 2147483647, not "30s"',
    );
  });
});

describe("the options of a drain", () => {
  test.each(["limit", "concurrency"] as const)("refuse what is no %s, by name, and take what is", async (name) => {
    const runtime = runtimeWith();
    for (const value of [...notANumber, 0, -1, 1.5, Number.POSITIVE_INFINITY]) {
      await expect(runtime.drain({ [name]: value }), String(value)).rejects.toEqual(refused(name));
    }
    expect(await runtime.drain({ [name]: 1 })).toEqual({ taken: 0, passedOver: 0 });
  });
});

describe("the options of serve", () => {
  const signal = AbortSignal.abort();

  test.each<["everyMs" | "concurrency", readonly number[], number]>([
    ["everyMs", [...notANumber, 0, -1, Number.POSITIVE_INFINITY], 0.5],
    ["concurrency", [...notANumber, 0, -1, 1.5, Number.POSITIVE_INFINITY], 1],
  ])("refuse what is no %s, by name, and take what is", async (name, bad, good) => {
    const runtime = runtimeWith();
    for (const value of bad) {
      await expect(runtime.serve({ signal, [name]: value }), String(value)).rejects.toEqual(refused(name));
    }
    await runtime.serve({ signal, [name]: good });
  });
});

test("finished refuses what is no pollMs, by name", async () => {
  const runs = runtimeWith().for("me");
  for (const pollMs of [...notANumber, 0, -1]) {
    await expect(runs.settled("r", { pollMs }), String(pollMs)).rejects.toEqual(refused("pollMs"));
  }
});
