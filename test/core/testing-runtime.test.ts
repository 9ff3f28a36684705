import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { systemClock } from "../../src/clock.ts";
import { defineCapability, defineSkill } from "../../src/index.ts";
import { createTestRuntime, virtualClock } from "../../src/testing/index.ts";

const days = 24 * 3_600_000;
const sent: string[] = [];
const send = defineCapability({ id: "send", version: "1" }, async (text: string) => {
  sent.push(text);
  return text.length;
});
const reminder = defineSkill({
  id: "reminder",
  version: "1",
  run: async (step, { to }: { to: string }) => {
    await step.use("first", "send", `first to ${to}`);
    try {
      return (await step.waitForEvent<number>("payment", { type: "paid", timeout: "7 days" })).payload;
    } catch {
      await step.use("second", "send", `second to ${to}`);
      return 0;
    }
  },
});
const options = { skills: [reminder], capabilities: [send] };
const letter = { skillId: "reminder", runId: "r", inputs: { to: "Ada" } };

describe("createTestRuntime", () => {
  test("settles where a run only waits, and goes on when its time has come", async () => {
    sent.length = 0;
    const { runs, settle, advance } = createTestRuntime(options);
    await runs.start(letter);
    await settle();
    expect([(await runs.get("r")).status, sent]).toEqual(["waiting_for_signal", ["first to Ada"]]);
    await advance(6 * days);
    expect((await runs.get("r")).status).toBe("waiting_for_signal");
    await advance(2 * days);
    expect(await runs.get("r")).toMatchObject({ status: "completed", result: 0 });
    expect(sent).toEqual(["first to Ada", "second to Ada"]);
  });

  test("settles what a signal has set going", async () => {
    const { runs, settle } = createTestRuntime(options);
    await runs.start(letter);
    await settle();
    await runs.signal("r", { name: "paid", payload: 5 });
    await settle();
    expect(await runs.get("r")).toMatchObject({ status: "completed", result: 5 });
  });

  test("takes a store, a clock and a tenant of yours, and shares no run with another", async () => {
    const store = memoryStore();
    const clock = virtualClock({ now: 1_000 });
    const mine = createTestRuntime({ ...options, store, clock, tenant: "mine" });
    expect([mine.store, mine.clock]).toEqual([store, clock]);
    await mine.runs.start(letter);
    await mine.settle();
    expect((await mine.runs.get("r")).createdAt).toBe("1970-01-01T00:00:01.000Z");
    expect(await store.countRuns("mine", {})).toBe(1);
    const another = createTestRuntime(options);
    await expect(another.runs.get("r")).rejects.toMatchObject({ code: "not_found" });
  });

  test("runs in real time with the system's clock, which nothing can advance", async () => {
    const napping = defineSkill({ id: "nap", version: "1", run: (step) => step.sleep("nap", 20) });
    const { runs, settle, advance } = createTestRuntime({ skills: [napping], clock: systemClock });
    expect(advance).toBeUndefined();
    const began = Date.now();
    await runs.start({ skillId: "nap", runId: "r" });
    await settle();
    expect((await runs.get("r")).status).toBe("completed");
    expect(Date.now() - began).toBeGreaterThanOrEqual(19);
  });
});
