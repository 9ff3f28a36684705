import { setTimeout as realSleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineCapability, defineGraphSkill } from "../../src/index.ts";
import { timelessStore, virtualClock } from "../../src/testing/index.ts";

const noon = Date.UTC(2026, 2, 26, 12);
const hour = 3_600_000;

describe("a virtual clock", () => {
  test("starts at the given time, or now", () => {
    expect(virtualClock({ now: noon }).now()).toBe(noon);
    const before = Date.now();
    const now = virtualClock().now();
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(Date.now());
  });

  test("skips a day in which everything sleeps", async () => {
    const clock = virtualClock({ now: noon });
    const began = process.cpuUsage();
    await clock.sleep(24 * hour);
    expect(clock.now()).toBe(noon + 24 * hour);
    // In microseconds of CPU: a busy machine may take longer.
    const { user, system } = process.cpuUsage(began);
    expect(user + system).toBeLessThan(5_000_000);
  });

  test("stands still if nothing sleeps", async () => {
    const clock = virtualClock({ now: noon });
    await realSleep(20);
    expect(clock.now()).toBe(noon);
  });

  test("ends sleeps in the order in which they are due, each at its own time", async () => {
    const clock = virtualClock({ now: 0 });
    const ended: [string, number][] = [];
    const sleep = (name: string, ms: number) => clock.sleep(ms).then(() => ended.push([name, clock.now()]));
    await Promise.all([sleep("c", 30), sleep("a", 10), sleep("b", 20), sleep("a too", 10), sleep("at once", 0)]);
    expect(ended).toEqual([
      ["at once", 0],
      ["a", 10],
      ["a too", 10],
      ["b", 20],
      ["c", 30],
    ]);
  });

  test("lets the consequences of one sleep happen before the next ends", async () => {
    const clock = virtualClock({ now: 0 });
    const seen: string[] = [];
    const chain = async () => {
      await clock.sleep(10);
      for (let turn = 0; turn < 100; turn++) await undefined;
      await realSleep(0);
      seen.push(`worked at ${clock.now()}`);
      await clock.sleep(5);
      seen.push(`slept until ${clock.now()}`);
    };
    await Promise.all([chain(), clock.sleep(20).then(() => seen.push(`other at ${clock.now()}`))]);
    expect(seen).toEqual(["worked at 10", "slept until 15", "other at 20"]);
  });

  test("ends a sleep at once when its signal aborts, and time does not move for it", async () => {
    const clock = virtualClock({ now: noon });
    const aborted = new AbortController();
    const sleep = clock.sleep(hour, aborted.signal);
    aborted.abort();
    await sleep;
    await clock.sleep(hour, AbortSignal.abort());
    await realSleep(20);
    expect(clock.now()).toBe(noon);
  });

  test("never ends a sleep without an end, and does not wait for it", async () => {
    const clock = virtualClock({ now: noon });
    let ended = false;
    void clock.sleep(Number.POSITIVE_INFINITY).then(() => {
      ended = true;
    });
    await clock.sleep(hour);
    await realSleep(20);
    expect(ended).toBe(false);
    expect(clock.now()).toBe(noon + hour);
  });

  test("keeps its time during work of real time, and passes its outcome on", async () => {
    const clock = virtualClock({ now: noon });
    const sleep = clock.sleep(hour);
    expect(await clock.during(realSleep(50, "done"))).toBe("done");
    expect(clock.now()).toBe(noon);
    const failing = clock.during(
      realSleep(10).then(() => {
        throw new Error("no");
      }),
    );
    await expect(failing).rejects.toThrow("no");
    expect(clock.now()).toBe(noon);
    await sleep;
    expect(clock.now()).toBe(noon + hour);
  });

  test("advances by itself, and past whatever else is due meanwhile", async () => {
    const clock = virtualClock({ now: 0 });
    const ended: number[] = [];
    void clock.sleep(10).then(async () => {
      ended.push(clock.now());
      await clock.sleep(10);
      ended.push(clock.now());
    });
    await clock.advance(100);
    expect(ended).toEqual([10, 20]);
    expect(clock.now()).toBe(100);
  });
});

describe("a manual clock", () => {
  test("moves only when told", async () => {
    const clock = virtualClock({ now: 0, isManual: true });
    const ended: string[] = [];
    const sleep = (name: string, ms: number) => clock.sleep(ms).then(() => ended.push(`${name} at ${clock.now()}`));
    void sleep("first", 10).then(() => sleep("then", 10));
    void sleep("last", 50);
    await realSleep(20);
    expect(ended).toEqual([]);
    await clock.advance(9);
    expect(ended).toEqual([]);
    await clock.advance(11);
    expect(ended).toEqual(["first at 10", "then at 20"]);
    expect(clock.now()).toBe(20);
    await clock.advance(1_000);
    expect(ended).toEqual(["first at 10", "then at 20", "last at 50"]);
    expect(clock.now()).toBe(1_020);
  });

  test("advanced by nothing lets what is under way happen", async () => {
    const clock = virtualClock({ now: 0, isManual: true });
    let done = false;
    void clock.during(realSleep(20)).then(() => {
      done = true;
    });
    await clock.advance(0);
    expect(done).toBe(true);
  });
});

describe("a runtime on a virtual clock", () => {
  test("sleeps for days, backs off for hours and times out, at once", async () => {
    const clock = virtualClock({ now: noon });
    const attempts: number[] = [];
    const work = defineCapability({ id: "work", version: "1", timeout: hour }, async (_, { attempt, signal }) => {
      attempts.push(attempt);
      if (attempt === 1) throw new Error("not yet");
      if (attempt === 2) await clock.sleep(2 * hour, signal);
      return "worked";
    });
    const retries = { limit: 2, delay: hour, backoff: "constant", maxDelay: hour } as const;
    const skill = defineGraphSkill({
      id: "slow",
      version: "1",
      steps: [
        { id: "nap", sleep: 72 * hour },
        { id: "work", uses: "work", retries, output: "outputs.work" },
      ],
    });
    const runtime = createRuntime({
      serves: false,
      store: memoryStore(),
      clock,
      leaseMs: hour,
      skills: [skill],
      capabilities: [work],
    });
    const runs = runtime.for("tenant");
    const serving = new AbortController();
    const served = runtime.serve({ signal: serving.signal, everyMs: hour / 2 });
    const { run } = await runs.start({ skillId: "slow" });
    const done = await runs.settled(run.runId, { pollMs: hour });
    serving.abort();
    await served;
    expect(done).toMatchObject({ status: "completed", result: { work: "worked" } });
    expect(attempts).toEqual([1, 2, 3]);
    const took = Date.parse(done.finishedAt ?? "") - noon;
    expect(took).toBeGreaterThanOrEqual(75 * hour);
    expect(took).toBeLessThan(77 * hour);
  });

  test("does not time out while a slow medium answers", async () => {
    const clock = virtualClock({ now: noon });
    const memory = memoryStore();
    const slow = {
      ...memory,
      commit: async (...args: Parameters<typeof memory.commit>) => {
        await realSleep(30);
        return memory.commit(...args);
      },
    };
    const work = defineCapability({ id: "work", version: "1" }, () => clock.sleep(hour).then(() => "worked"));
    const skill = defineGraphSkill({ id: "s", version: "1", steps: [{ id: "work", uses: "work" }] });
    const store = timelessStore(slow, clock);
    const errors: unknown[] = [];
    const runtime = createRuntime({
      serves: false,
      store,
      clock,
      skills: [skill],
      capabilities: [work],
      leaseMs: hour / 2,
      onError: (error) => errors.push(error),
    });
    const { run } = await runtime.for("t").start({ skillId: "s" });
    await runtime.idle();
    expect(await runtime.for("t").get(run.runId)).toMatchObject({ status: "completed" });
    expect(errors).toEqual([]);
  });
});
