import { describe, expect, onTestFinished, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { countingStore } from "../../src/conformance/faults.ts";
import { createRuntime, defineSkill, type RuntimeOptions } from "../../src/index.ts";
import { until } from "../support/scene.ts";

const flaky = defineSkill({
  id: "flaky",
  version: "1",
  run: (step) =>
    step.do("flaky", { retries: { limit: 1, delay: "1 second" } }, async ({ attempt }) => {
      if (attempt === 1) throw new Error("not yet");
      return attempt;
    }),
});

/** A runtime that parks whatever waits, over a store whose calls are counted. */
function parking(options: Partial<RuntimeOptions> = {}) {
  const { store, sweeps } = counted();
  const runtime = createRuntime({ store, skills: [flaky], holdMs: 0, onError: () => {}, ...options });
  onTestFinished(() => runtime.stop());
  return { runtime, runs: runtime.for("acme"), sweeps };
}

function counted() {
  const store = countingStore(memoryStore());
  return { store, sweeps: () => store.counts.calls.dueRuns };
}

describe("a runtime", () => {
  test("takes what is due without being asked", async () => {
    const { runs } = parking();
    const { run } = await runs.start(flaky);
    expect(await runs.result(flaky, run.runId)).toBe(2);
  });

  test("takes what another one has left, of every tenant", async () => {
    const store = memoryStore();
    const before = createRuntime({ store, skills: [flaky], holdMs: 0, serves: false, onError: () => {} });
    const { run } = await before.for("acme").start(flaky);
    await before.idle();
    await before.stop();
    const runtime = createRuntime({ store, skills: [flaky] });
    onTestFinished(() => runtime.stop());
    await until(async () => (await runtime.for("acme").get(run.runId)).status === "completed");
  });

  test.each<[string, Partial<RuntimeOptions>]>([
    ["`serves: false`", { serves: false }],
    ["`executes: false`", { executes: false }],
    ["a platform's `background`", { background: () => {} }],
  ])("with %s asks for nothing by itself", async (_, options) => {
    const { runtime, runs, sweeps } = parking(options);
    const { run } = await runs.start(flaky);
    await runtime.idle();
    await runs.list();
    expect(sweeps()).toBe(0);
    expect(await runs.get(run.runId)).toMatchObject({ status: "running" });
  });

  test("with `background` serves if its options say so", async () => {
    const { runs } = parking({ background: () => {}, serves: true });
    const { run } = await runs.start(flaky);
    expect(await runs.result(flaky, run.runId)).toBe(2);
  });

  test("leaves serving to a call of `serve`", async () => {
    const { store, sweeps } = counted();
    const runtime = createRuntime({ store, skills: [flaky], holdMs: 0, onError: () => {} });
    onTestFinished(() => runtime.stop());
    const over = new AbortController();
    const serving = runtime.serve({ tenant: "acme", signal: over.signal });
    const { run } = await runtime.for("acme").start(flaky);
    expect(await runtime.for("acme").result(flaky, run.runId)).toBe(2);
    over.abort();
    await serving;
    const asked = sweeps();
    await runtime.for("acme").start(flaky);
    await runtime.idle();
    expect(sweeps()).toBe(asked);

    const { runtime: other, runs, sweeps: others } = parking();
    await other.serve({ signal: AbortSignal.abort() });
    const before = others();
    await runs.start(flaky);
    await other.idle();
    expect(others()).toBe(before);
  });

  test("that was stopped asks for nothing more, and still decides", async () => {
    const { runtime, runs, sweeps } = parking();
    await runs.start(flaky);
    await runtime.stop();
    const before = sweeps();
    await runtime.for("other").start(flaky);
    expect(sweeps()).toBe(before);
  });
});
