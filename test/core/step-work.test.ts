import { afterEach, expect, test, vi } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { systemClock } from "../../src/clock.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";

const counted = 100;
const from = 50;

/** What a step of a run in memory does between the calls of two handlers, on average. */
interface Work {
  readonly timers: number;
  readonly signals: number;
  readonly listeners: number;
  readonly times: number;
  readonly draws: number;
  /** The turns of the microtask queue in the usual step. */
  readonly turns: number;
}

async function workOf(): Promise<Work> {
  const counts = { timers: 0, signals: 0, listeners: 0, times: 0, draws: 0 };
  class Counted extends AbortController {
    constructor() {
      super();
      counts.signals++;
    }
  }
  const toISOString = Date.prototype.toISOString;
  const listen = EventTarget.prototype.addEventListener;
  vi.stubGlobal("AbortController", Counted);
  vi.spyOn(Date.prototype, "toISOString").mockImplementation(function (this: Date) {
    counts.times++;
    return toISOString.call(this);
  });
  vi.spyOn(EventTarget.prototype, "addEventListener").mockImplementation(function (this: EventTarget, ...all) {
    counts.listeners++;
    listen.apply(this, all);
  });
  const draw = crypto.getRandomValues.bind(crypto);
  vi.spyOn(crypto, "getRandomValues").mockImplementation((bytes) => {
    counts.draws++;
    return draw(bytes);
  });
  const clock = {
    // Each step has a millisecond of its own.
    now: () => 1_700_000_000_000 + at,
    sleep(ms: number, signal?: AbortSignal) {
      if (ms > 0) counts.timers++;
      return systemClock.sleep(ms, signal);
    },
  };
  let at = 0;
  const turns: number[] = [];
  /** Counts the turns until the next handler is called. */
  async function count(step: number): Promise<void> {
    for (let turn = 0; turn < 1_000; turn++) {
      if (at !== step) return void turns.push(turn);
      await undefined;
    }
  }
  const samples: (typeof counts)[] = [];
  const skill = defineSkill({
    id: "many",
    version: "1",
    run: async (step) => {
      for (let number = 1; number <= from + counted; number++) {
        await step.do(`step ${number}`, async () => {
          at = number;
          if (number >= from) samples.push({ ...counts });
          if (number >= from) void count(number);
          return `${number} `.padEnd(1_024, "x");
        });
      }
    },
  });
  const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [skill], clock });
  const { run } = await runtime.for("a").start({ skillId: "many" });
  await runtime.idle();
  expect(await runtime.for("a").get(run.runId)).toMatchObject({ status: "completed" });
  const [first, last] = [samples.at(0), samples.at(-1)];
  expect(samples).toHaveLength(counted + 1);
  const perStep = (name: keyof typeof counts) => ((last?.[name] ?? 0) - (first?.[name] ?? 0)) / counted;
  return {
    timers: perStep("timers"),
    signals: perStep("signals"),
    listeners: perStep("listeners"),
    times: perStep("times"),
    draws: perStep("draws"),
    turns: turns.toSorted((a, b) => a - b)[turns.length >> 1] ?? 0,
  };
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test("a step whose callback is done at once needs no timer, one signal and few turns", async () => {
  const { timers, signals, listeners, times, draws, turns } = await workOf();
  expect({ timers, signals, times }).toEqual({ timers: 0, signals: 1, times: 1 });
  // The step's signal listens to its run's, and the end of the call to the loss of the run.
  expect(listeners).toBeLessThan(2.5);
  expect(draws).toBeLessThan(0.1);
  expect(turns).toBeLessThanOrEqual(26);
});
