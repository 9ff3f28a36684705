import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { countingStore } from "../../src/conformance/faults.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";
import { exported } from "../support/lines.ts";

const steps = 2_000;

// A Worker of the free plan may ask D1 50 times in an invocation.
test("an export asks the store once for 500 small steps, and five times more", async () => {
  const store = countingStore(memoryStore());
  const many = defineSkill({
    id: "many",
    version: "1",
    run: async (step) => {
      for (let number = 0; number < steps; number++) await step.do(`step ${number}`, async () => number);
    },
  });
  const runtime = createRuntime({ serves: false, store, skills: [many], passMs: 600_000 });
  const runs = runtime.for("a");
  await runs.start({ skillId: "many", runId: "r" });
  await runtime.idle();
  expect(await runs.get("r")).toMatchObject({ status: "completed" });
  const before = sum(store.counts.calls);
  const lines = await exported(runs, "r");
  expect(lines.length).toBeGreaterThan(steps);
  expect(sum(store.counts.calls) - before).toBeLessThanOrEqual(5 + steps / 500);
});

function sum(calls: Readonly<Record<string, number>>): number {
  return Object.values(calls).reduce((all, count) => all + count, 0);
}
