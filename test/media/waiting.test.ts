import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { defineSkill } from "../../src/index.ts";
import { childRuns, whyWaiting } from "../../src/steps.ts";
import { type Actor, leaseMs, type Scene, scene } from "../support/scene.ts";
import { countEvents } from "../support/standing.ts";

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

const timeAfter = ({ clock }: Scene, ms: number) => new Date(clock.now() + ms).toISOString();
const why = async ({ runs }: Actor, runId: string) => whyWaiting(await runs.get(runId));

describe(`why a run on ${medium} does not go on`, () => {
  played("is its sleep, with the time at which it ends", async (scene) => {
    const { runId } = await scene.actor({ body: (step) => step.sleep("nap", "1 hour") }).start();
    expect(await why(scene.actor(), runId)).toEqual({
      on: "sleep",
      stepId: "nap",
      nextAt: timeAfter(scene, 3_600_000),
    });
  });

  played("is the nearest of several times", async (scene) => {
    const { runId } = await scene
      .actor({ body: (step) => Promise.race([step.sleep("long", "2 hours"), step.sleep("short", "1 hour")]) })
      .start();
    expect(await why(scene.actor(), runId)).toEqual({
      on: "sleep",
      stepId: "short",
      nextAt: timeAfter(scene, 3_600_000),
    });
  });

  played("is the attempt that failed, with its error and the time of the next", async (scene) => {
    const home = scene.actor({
      body: (step) =>
        step.do("call", { retries: { limit: 2, delay: "1 minute", backoff: "constant" } }, async ({ attempt }) => {
          if (attempt < 3) throw Object.assign(new Error(`busy ${"x".repeat(500)}`), { name: "Busy" });
          return attempt;
        }),
    });
    const { runId } = await home.start();
    const message = `busy ${"x".repeat(500)}`.slice(0, 199);
    const found = await why(home, runId);
    expect(found).toMatchObject({ on: "retry", stepId: "call", nextAt: timeAfter(scene, 60_000) });
    expect(found?.lastError).toMatchObject({ code: "step_failed", stepId: "call", attempt: 1 });
    expect(found?.lastError?.message.slice(0, 199)).toBe(message);
    expect(found?.lastError?.message.length).toBeLessThanOrEqual(201);
    await home.later(60_000, runId);
    expect((await why(home, runId))?.lastError).toMatchObject({ attempt: 2 });
    expect(await home.later(60_000, runId)).toMatchObject({ status: "completed", result: 3 });
    expect(await why(home, runId)).toBeUndefined();
  });

  played("has the code of the error, and keeps it while the next attempt is made", async (scene) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const home = scene.actor({
      body: (step) =>
        step.do(
          "call",
          { timeout: "1 second", retries: { limit: 1, delay: "1 minute" } },
          async ({ attempt, signal }) => {
            if (attempt === 2) return held;
            return new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          },
        ),
    });
    const runId = await home.begin();
    await expect.poll(async () => (await why(home, runId))?.on).toBe("executing");
    expect(await why(home, runId)).toEqual({ on: "executing", nextAt: timeAfter(scene, leaseMs) });
    await expect
      .poll(async () => {
        scene.clock.advance(1_001);
        return (await why(home, runId))?.on;
      })
      .toBe("retry");
    scene.clock.advance(61_000);
    const drained = home.runtime.drain();
    await expect.poll(async () => (await why(home, runId))?.on).toBe("executing");
    expect((await why(home, runId))?.lastError).toMatchObject({ code: "step_timeout", stepId: "call", attempt: 1 });
    release();
    await drained;
    expect((await home.runs.get(runId)).status).toBe("completed");
  });

  played("is the signal, with its name and the end of the wait for it", async (scene) => {
    const home = scene.actor({ body: (step) => step.waitForEvent("pay", { type: "paid", timeout: "1 day" }) });
    const { runId } = await home.start();
    expect(await why(home, runId)).toEqual({
      on: "signal",
      stepId: "pay",
      signal: "paid",
      nextAt: timeAfter(scene, 86_400_000),
    });
  });

  played("is the gate, whatever else it waits for, until it is decided", async (scene) => {
    const home = scene.actor({
      body: async (step) => {
        await Promise.all([
          step.waitForEvent("pay", { type: "paid", timeout: "2 days" }),
          step.sleep("nap", "1 day"),
          step.waitForApproval("sign"),
        ]);
      },
    });
    const { runId } = await home.start();
    expect(await why(home, runId)).toEqual({ on: "gate", stepId: "sign", nextAt: timeAfter(scene, 86_400_000) });
    await home.runs.approve(runId);
    await home.runtime.idle();
    expect(await why(home, runId)).toMatchObject({ on: "signal", stepId: "pay" });
    await home.runs.signal(runId, { name: "paid" });
    await home.runtime.idle();
    expect(await why(home, runId)).toMatchObject({ on: "sleep", stepId: "nap" });
  });

  played("is the child for whose end it waits", async (scene) => {
    const child = defineSkill({ id: "child", version: "1", run: (step) => step.waitForApproval("sign") });
    const parent = defineSkill({
      id: "parent",
      version: "1",
      uses: [childRuns],
      run: (step) => step.run("ask", child, {}),
    });
    const home = scene.actor({ skills: [child, parent] });
    const { runId } = await home.start({}, "parent");
    const found = await why(home, runId);
    expect(found).toEqual({ on: "child", stepId: "ask", childRunId: expect.stringMatching(/^child_/) });
    expect(await why(home, found?.childRunId ?? "")).toMatchObject({ on: "gate", stepId: "sign" });
  });

  played("is nothing if it has ended, has not been started, or cannot be read", async (scene) => {
    const home = scene.actor({ body: async () => "done" });
    const { runId } = await home.start();
    expect(await why(home, runId)).toBeUndefined();
    const { run } = await home.runs.create({ skillId: "body" });
    expect(whyWaiting(run)).toBeUndefined();
    const row = await scene.store.getRun("troupe", run.runId);
    if (row === undefined) throw new Error("there is no row");
    await scene.store.commit({ run: { ...row, revision: row.revision + 1, status: "running", body: "{" }, now: 0 });
    const damaged = (await home.runs.list()).items.find((one) => one.runId === run.runId);
    expect(damaged).toMatchObject({ isDamaged: true, status: "running" });
    expect(damaged && whyWaiting(damaged)).toBeUndefined();
  });

  played("is its start, if that is delayed", async (scene) => {
    const home = scene.actor({ body: async () => "done" });
    const { run } = await home.runs.start({ skillId: "body", delay: "1 hour" });
    expect(run.status).toBe("pending");
    expect(await why(home, run.runId)).toEqual({ on: "sleep", nextAt: timeAfter(scene, 3_600_000) });
    const bare = scene.actor();
    scene.clock.advance(3_600_000 + 120_000);
    await bare.runtime.drain();
    expect(await why(home, run.runId)).toMatchObject({ on: "unserved" });
    expect(bare.errors).toHaveLength(1);
  });

  played("is known of every run that a call returns, and of no copy", async (scene) => {
    const home = scene.actor({ body: (step) => step.waitForEvent("pay", { type: "paid" }) });
    const { runId } = await home.start();
    const [listed] = (await home.runs.list()).items;
    const key = { name: "other", idempotencyKey: "once" };
    for (const run of [listed, await home.runs.signal(runId, key), await home.runs.signal(runId, key)]) {
      expect(run && whyWaiting(run)).toMatchObject({ on: "signal", signal: "paid" });
    }
    expect(() => whyWaiting({ ...(listed as NonNullable<typeof listed>) })).toThrow(
      "run: expected a run that a call has returned, not a copy of it",
    );
    expect((await home.runs.resume(runId)).run).toMatchObject({ status: "running" });
  });

  played("is that nothing serves its skill: one event and one report, until one does", async (scene) => {
    const { actor, clock } = scene;
    const body = async (step: { sleep(name: string, ms: number): Promise<void> }) => {
      await step.sleep("nap", 3_600_000);
      await step.sleep("again", 3_600_000);
    };
    const home = actor({ body });
    const { runId } = await home.start();
    const bare = [actor(), actor()];
    clock.advance(3_600_000);
    for (const { runtime } of bare) expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 1 });
    // For two minutes another server may be about to take it.
    expect(await why(home, runId)).toMatchObject({ on: "sleep" });
    for (let look = 0; look < 4; look++) {
      clock.advance(3_600_000);
      await Promise.all(bare.map(({ runtime }) => runtime.drain()));
      const next = await why(home, runId);
      expect(next).toEqual({ on: "unserved", nextAt: expect.any(String) });
      expect(Date.parse(next?.nextAt ?? "")).toBeGreaterThan(clock.now());
    }
    expect(await countEvents(home.runs, runId, "run.unserved")).toBe(1);
    const errors = bare.flatMap((one) => one.errors);
    expect(errors).toMatchObject([{ code: "not_found", missing: "skill", message: expect.stringContaining('"body"') }]);
    const { items } = await home.runs.events(runId);
    expect(items.find(({ eventType }) => eventType === "run.unserved")?.payload).toEqual({
      message: 'skill "body" version 1 is not registered here',
    });
    await home.later(3_600_000, runId);
    expect(await why(home, runId)).toMatchObject({ on: "sleep", stepId: "again" });
    // A new episode.
    for (let look = 0; look < 2; look++) {
      clock.advance(3_600_000 + 120_000);
      await bare[0]?.runtime.drain();
    }
    expect(await countEvents(home.runs, runId, "run.unserved")).toBe(2);
    expect(bare.flatMap((one) => one.errors)).toHaveLength(2);
    expect(await home.later(3_600_000, runId)).toMatchObject({ status: "completed" });
  });
});
