import { describe, expect, test } from "vitest";
import { durationMs } from "../../src/duration.ts";
import {
  type Duration,
  NonRetryableError,
  type StepConfig,
  type WorkflowBody,
  type WorkflowStepContext,
} from "../../src/index.ts";
import { systemClock, virtualClock } from "../../src/testing/index.ts";
import type { DelayFunction } from "../../src/types.ts";
import { memoryHarness } from "../support/memory-harness.ts";
import { type Actor, type Scene, scene, until } from "../support/scene.ts";

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const played = (play: (scene: Scene) => Promise<void>) => () => scene(memoryHarness, play);

/** The times of all attempts of a step that always fails, after its first, and how the run ended. */
async function attemptTimes(
  { actor, clock }: Scene,
  config: StepConfig | undefined,
  thrown: unknown = new Error("no"),
) {
  const began = clock.now();
  const times: number[] = [];
  const fail = async () => {
    times.push(clock.now() - began);
    throw thrown;
  };
  const body: WorkflowBody = (step) => (config === undefined ? step.do("x", fail) : step.do("x", config, fail));
  const last = actor({ body });
  let run = await last.start();
  for (let tries = 0; run.status === "running" && tries < 20; tries++) {
    const waiting = (await last.runs.events(run.runId)).items.at(-1);
    run = await last.later(Date.parse(String(waiting?.payload.retry_at)) - clock.now(), run.runId);
  }
  return { times, run };
}

describe("a length of time", () => {
  test.each<[Duration, number]>([
    [0, 0],
    [1.5, 1.5],
    ["1 second", second],
    ["30 seconds", 30 * second],
    ["1.5 hours", 1.5 * hour],
    ["2 minute", 2 * minute],
    ["26 hours", 26 * hour],
    ["3 days", 3 * day],
    ["1 week", 7 * day],
    ["1 month", 30 * day],
    ["1 year", 365 * day],
  ])("%j is %d ms", (duration, ms) => {
    expect(durationMs(duration, "d")).toBe(ms);
  });

  test.each([
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "",
    "3",
    "3days",
    "three days",
    "3 fortnights",
    "-1 day",
    " 1 day",
  ])("%j is refused with its place", (duration) => {
    expect(() => durationMs(duration as Duration, "x.timeout")).toThrow(
      expect.objectContaining({ code: "invalid_request", path: "x.timeout" }),
    );
  });
});

describe("retries of a step", () => {
  test(
    "are five by default, ten seconds later and then after twice as long each time",
    played(async (scene) => {
      const { times, run } = await attemptTimes(scene, undefined);
      expect(times).toEqual([0, 10, 30, 70, 150, 310].map((seconds) => seconds * second));
      expect(run).toMatchObject({ status: "failed", error: { code: "step_failed", stepId: "x", message: "no" } });
    }),
  );

  test.each<[string, NonNullable<StepConfig["retries"]>, readonly number[]]>([
    ["constant", { limit: 3, delay: "1 minute", backoff: "constant" }, [0, 1, 2, 3]],
    ["linear", { limit: 3, delay: "1 minute", backoff: "linear" }, [0, 1, 3, 6]],
    ["exponential", { limit: 3, delay: "1 minute", backoff: "exponential" }, [0, 1, 3, 7]],
    ["exponential where nothing is said", { limit: 3, delay: minute }, [0, 1, 3, 7]],
    ["none", { limit: 0, delay: minute }, [0]],
    ["by a function", { limit: 3, delay: ({ ctx }) => ctx.attempt * minute, backoff: "constant" }, [0, 1, 3, 6]],
    [
      "by a function, with backoff",
      { limit: 2, delay: async (): Promise<Duration> => "2 minutes", backoff: "linear" },
      [0, 2, 6],
    ],
  ])("%s", async (_, retries, minutes) => {
    await scene(memoryHarness, async (scene) => {
      const { times, run } = await attemptTimes(scene, { retries });
      expect(times.map((time) => time / minute)).toEqual(minutes);
      expect(run).toMatchObject({ status: "failed" });
    });
  });

  test(
    "that never end are counted on, in every executor",
    played(async ({ actor }) => {
      const seen: unknown[] = [];
      const body: WorkflowBody = (step) =>
        step.do("x", { retries: { limit: 2, delay: "1 hour", backoff: "constant" } }, async ({ attempt }) => {
          seen.push(attempt);
          throw new Error(`attempt ${attempt}`);
        });
      const actors = [actor({ body }), actor({ body }), actor({ body })] as [Actor, Actor, Actor];
      const { runId } = await actors[0].start();
      await actors[1].later(hour, runId);
      expect(await actors[2].later(hour, runId)).toMatchObject({ status: "failed", error: { message: "attempt 3" } });
      expect(seen).toEqual([1, 2, 3]);
    }),
  );

  test(
    "are spared by a NonRetryableError, of any class of that name",
    played(async (scene) => {
      class Theirs extends Error {
        override readonly name = "NonRetryableError";
      }
      for (const error of [new NonRetryableError("never"), new Theirs("never")]) {
        const { times, run } = await attemptTimes(scene, undefined, error);
        expect(times).toEqual([0]);
        expect(run).toMatchObject({ status: "failed", error: { stepId: "x", message: "never" } });
      }
    }),
  );

  test(
    "keep the NonRetryableError's name for the body",
    played(async ({ actor }) => {
      const { start } = actor({
        body: async (step) =>
          step
            .do("x", async () => Promise.reject(new NonRetryableError("never")))
            .catch(({ name, message }) => [name, message]),
      });
      expect((await start()).result).toEqual(["NonRetryableError", "never"]);
    }),
  );
});

describe("a delay function", () => {
  test(
    "is called with the attempt that failed and its error",
    played(async (scene) => {
      const told: unknown[] = [];
      const delay: DelayFunction = ({ ctx, error }) => {
        told.push([ctx.step, ctx.attempt, ctx.config, error instanceof RangeError, error.message]);
        return minute;
      };
      const config: StepConfig = { retries: { limit: 2, delay, backoff: "constant" }, timeout: "1 hour" };
      await attemptTimes(scene, config, new RangeError("too far"));
      const shown = { retries: { limit: 2, backoff: "constant" }, timeout: "1 hour" };
      expect(told).toEqual([1, 2].map((attempt) => [{ name: "x", count: 1 }, attempt, shown, true, "too far"]));
    }),
  );

  test.each<[string, DelayFunction, string]>([
    [
      "throws",
      () => {
        throw new Error("no idea");
      },
      "no idea",
    ],
    ["rejects", async () => Promise.reject(new Error("no idea")), "no idea"],
    ["gives no length of time", () => "soon" as Duration, "x.retries.delay: expected a duration of 0 to"],
    ["gives a negative one", () => -1, "x.retries.delay"],
  ])("that %s fails the step without another attempt", async (_, delay, message) => {
    await scene(memoryHarness, async (scene) => {
      const { times, run } = await attemptTimes(scene, { retries: { limit: 5, delay } });
      expect(times).toEqual([0]);
      expect(run).toMatchObject({
        status: "failed",
        error: { stepId: "x", message: expect.stringContaining(message) },
      });
    });
  });
});

describe("a step's callback", () => {
  test(
    "is called with its step, its attempt and its configuration, with defaults",
    played(async ({ actor }) => {
      const told: WorkflowStepContext[] = [];
      const note = async (context: WorkflowStepContext) => {
        told.push(context);
      };
      const { start, later } = actor({
        body: async (step) => {
          await step.do("plain", note);
          await step.do("plain", {}, note);
          await step.do(
            "own",
            { retries: { limit: 1, delay: "1 hour" }, timeout: "2 days", sensitive: "output" },
            async (context) => {
              await note(context);
              if (context.attempt === 1) throw new Error("again");
            },
          );
        },
      });
      const { runId } = await start();
      expect(await later(hour, runId)).toMatchObject({ status: "completed" });
      const defaults = { retries: { limit: 5, delay: 10_000, backoff: "exponential" }, timeout: "10 minutes" };
      const own = {
        retries: { limit: 1, delay: "1 hour", backoff: "exponential" },
        timeout: "2 days",
        sensitive: "output",
      };
      expect(told.map(({ step, attempt, config }) => ({ step, attempt, config }))).toEqual([
        { step: { name: "plain", count: 1 }, attempt: 1, config: defaults },
        { step: { name: "plain", count: 2 }, attempt: 1, config: defaults },
        { step: { name: "own", count: 1 }, attempt: 1, config: own },
        { step: { name: "own", count: 1 }, attempt: 2, config: own },
      ]);
      const keys = told.map(({ idempotencyKey }) => idempotencyKey);
      expect(new Set(keys).size).toBe(3);
      expect(keys[2]).toBe(keys[3]);
    }),
  );

  test(
    "is given ten minutes for each attempt; then its signal aborts, and what it returns late is dropped",
    played(async ({ actor, clock }) => {
      const signals: AbortSignal[] = [];
      const late = Promise.withResolvers<string>();
      const { begin, settled, runs } = actor({
        body: async (step) =>
          step.do("slow", { retries: { limit: 1, delay: 0 } }, async ({ attempt, signal }) => {
            signals.push(signal);
            return attempt === 1 ? late.promise : "second";
          }),
      });
      const runId = await begin();
      await until(() => signals.length === 1);
      clock.advance(10 * minute - 1);
      expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
      clock.advance(1);
      expect(await settled(runId)).toMatchObject({ status: "completed", result: "second" });
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
      expect(signals[0]?.reason).toMatchObject({ code: "step_timeout" });
      late.resolve("late");
      expect(await runs.get(runId)).toMatchObject({ result: "second" });
    }),
  );
});

describe("real time", () => {
  test(
    "a body may take its time over pure work, also work that takes turns of the event loop",
    played(async ({ actor }) => {
      const { start } = actor({
        clock: systemClock,
        body: async (step) => {
          const text = await step.do("text", async () => "text");
          const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
          for (let n = 0; n < 1_000; n++) await undefined;
          await new Promise((resolve) => setTimeout(resolve, 10));
          return step.do("length", async () => hash.byteLength);
        },
      });
      expect(await start()).toMatchObject({ status: "completed", result: 32 });
    }),
  );

  test(
    "a stall of the process is not taken for an await outside a step",
    played(async ({ actor }) => {
      const { start } = actor({
        clock: systemClock,
        body: async () => {
          const answered = crypto.subtle.digest("SHA-256", new Uint8Array(1));
          setTimeout(stall, 1);
          await answered;
          await crypto.subtle.digest("SHA-256", new Uint8Array(5_000_000));
          return "done";
        },
      });
      expect(await start()).toMatchObject({ status: "completed", result: "done" });
    }),
  );

  test(
    "a wait outside a step is reported after a second, and refused after the time that a body may be quiet",
    played(async ({ actor }) => {
      const { start, errors } = actor({
        clock: systemClock,
        bodyQuietMs: 1_500,
        body: async (step) => {
          await step.do("asked", async () => 1);
          await new Promise(() => {});
        },
      });
      const began = Date.now();
      expect(await start()).toMatchObject({ error: { code: "await_outside_step", stepId: "asked" } });
      expect(Date.now() - began).toBeGreaterThanOrEqual(1_400);
      expect(errors.map(String)).toEqual([
        expect.stringContaining('the body awaits something that is not a step, after step "asked"'),
      ]);
    }),
  );

  test(
    "a body may be quiet for 30 seconds where nothing else is said",
    played(async ({ actor }) => {
      const clock = virtualClock();
      const { begin, runs, errors } = actor({
        clock,
        body: async (step) => {
          await step.do("asked", async () => 1);
          await new Promise(() => {});
        },
      });
      const runId = await begin();
      await clock.advance(29_000);
      expect(await runs.get(runId)).toMatchObject({ status: "running" });
      expect(errors.map(String)).toEqual([expect.stringContaining("the body awaits")]);
      await clock.advance(2_000);
      expect(await runs.get(runId)).toMatchObject({
        status: "failed",
        error: { code: "await_outside_step", stepId: "asked" },
      });
    }),
  );
});

function stall(): void {
  const over = Date.now() + 300;
  while (Date.now() < over);
}
