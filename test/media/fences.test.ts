import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import type { WorkflowBody } from "../../src/index.ts";
import { saveCheckpoint } from "../../src/index.ts";
import { leaseMs, type Scene, scene, stillClock, tenant, until } from "../support/scene.ts";
import { slow } from "../support/slow-step.ts";

// Whatever moves a run's head or its lease over a lease that has lapsed ends the hold of its holder, also where the one who
// does it executes nothing: the slow executor goes on when its step returns, and must write nothing.

/** An executor whose clock stands still in its step; for everyone else its lease has lapsed. */
const lapsed = async (scene: Scene, skillId: string) => {
  const { calls, options } = slow();
  const sleeper = scene.actor({ ...options, clock: stillClock() });
  const runId = await sleeper.begin({}, skillId);
  await until(() => calls.length === 1);
  scene.clock.advance(leaseMs);
  const clerk = scene.actor({ ...options, executes: false });
  const { items: checkpoints } = await clerk.runs.listCheckpoints(runId);
  const first = checkpoints[0]?.checkpointId ?? "";
  return { calls, options, sleeper, clerk, runId, first };
};
/** An executor whose own sleeps stand still in its step, so that it renews nothing; its lease has lapsed, as it can see. */
const napping = async (scene: Scene, skillId: string) => {
  const { calls, options } = slow();
  const napper = scene.actor({ ...options, clock: { now: scene.clock.now, sleep: stillClock().sleep } });
  const runId = await napper.begin({}, skillId);
  await until(() => calls.length === 1);
  scene.clock.advance(leaseMs);
  return { calls, napper, runId };
};
const revisionOf = async ({ store }: Scene, runId: string) => (await store.getRun(tenant, runId))?.revision;

describe.each(["graph", "body"])(`over a lapsed lease on ${medium}, in a %s,`, (skillId) => {
  const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

  played("a resume from an older checkpoint by who does not execute is not undone", async (scene) => {
    const { calls, options, sleeper, clerk, runId, first } = await lapsed(scene, skillId);
    await clerk.runs.resume(runId, { checkpointId: first });
    const resumed = await revisionOf(scene, runId);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    expect(await revisionOf(scene, runId)).toBe(resumed);
    const next = scene.actor(options);
    const drained = next.runtime.drain();
    await until(() => calls.length === 2);
    calls[1]?.finish("anew");
    expect(await drained).toMatchObject({ taken: 1 });
    expect(await next.settled(runId)).toMatchObject({ status: "completed", result: { slow: "anew" } });
    expect(sleeper.errors).toEqual([]);
  });

  played("a resume from the head by who does not execute ends the hold too", async (scene) => {
    const { calls, sleeper, clerk, runId } = await lapsed(scene, skillId);
    await clerk.runs.resume(runId);
    const resumed = await revisionOf(scene, runId);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    expect(await revisionOf(scene, runId)).toBe(resumed);
  });

  played("a checkpoint that was saved stays the head, and the run is due", async (scene) => {
    const { calls, options, sleeper, clerk, runId, first } = await lapsed(scene, skillId);
    const { state } = await clerk.runs.loadCheckpoint(runId, first);
    const saved = await saveCheckpoint(clerk.runs, runId, {
      kind: "by hand",
      state: { ...state, vars: { by: "hand" } },
    });
    const revision = await revisionOf(scene, runId);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    expect(await revisionOf(scene, runId)).toBe(revision);
    expect(await clerk.runs.get(runId)).toMatchObject({ status: "running", checkpointHead: saved.checkpointId });
    expect((await scene.store.dueRuns({ tenant, now: scene.clock.now(), limit: 1 })).length).toBe(1);
    const next = scene.actor(options);
    const drained = next.runtime.drain();
    await until(() => calls.length === 2);
    calls[1]?.finish("anew");
    await drained;
    expect(await next.settled(runId)).toMatchObject({ status: "completed", result: { slow: "anew" } });
  });

  played("a cancel and a resume by who does not execute leave the old executor out", async (scene) => {
    const { calls, sleeper, clerk, runId } = await lapsed(scene, skillId);
    await clerk.runs.cancel(runId);
    await clerk.runs.resume(runId);
    const resumed = await revisionOf(scene, runId);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    expect(await revisionOf(scene, runId)).toBe(resumed);
    expect(await clerk.runs.get(runId)).toMatchObject({ status: "running" });
  });

  played("a deletion is final", async (scene) => {
    const { calls, sleeper, clerk, runId } = await lapsed(scene, skillId);
    await clerk.runs.delete(runId);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    await expect(clerk.runs.get(runId)).rejects.toMatchObject({ code: "not_found" });
  });

  played("a run that is set aside is left by who had it", async (scene) => {
    const { calls, sleeper, runId } = await lapsed(scene, skillId);
    const broken = scene.actor({
      ...slow().options,
      store: { ...scene.store, getSnapshots: async () => [] },
    });
    expect(await broken.runtime.drain()).toEqual({ taken: 0, passedOver: 1 });
    const revision = await revisionOf(scene, runId);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    expect(await revisionOf(scene, runId)).toBe(revision);
  });

  played("a resume here ends the pass that is still here, and the new one has the run", async (scene) => {
    const { calls, napper, runId } = await napping(scene, skillId);
    await napper.runs.resume(runId);
    expect(calls[0]?.signal.aborted).toBe(true);
    await until(() => calls.length === 2);
    calls[0]?.finish("too late");
    calls[1]?.finish("anew");
    expect(await napper.settled(runId)).toMatchObject({ status: "completed", result: { slow: "anew" } });
  });

  played("a checkpoint that is saved here ends the pass that is still here", async (scene) => {
    const { calls, napper, runId } = await napping(scene, skillId);
    const { checkpointHead = "" } = await napper.runs.get(runId);
    const { state } = await napper.runs.loadCheckpoint(runId, checkpointHead);
    await saveCheckpoint(napper.runs, runId, { kind: "by hand", state });
    expect(calls[0]?.signal.aborted).toBe(true);
  });
});

describe(`a gate over a lapsed lease on ${medium}`, () => {
  /** A run with a step in flight beside a gate, whose executor stands still while its lease lapses. */
  const gated = async (scene: Scene) => {
    const calls: { readonly finish: (value: string) => void }[] = [];
    const body: WorkflowBody = async (step) => {
      const slow = step.do("slow", () => new Promise<string>((finish) => calls.push({ finish })));
      const { approver } = await step.waitForApproval("gate");
      return [await slow, approver];
    };
    const sleeper = scene.actor({ body, clock: stillClock() });
    const runId = await sleeper.begin();
    await until(async () => calls.length === 1 && (await sleeper.runs.get(runId)).approvalRequest !== undefined);
    scene.clock.advance(leaseMs);
    return { calls, body, sleeper, clerk: scene.actor({ body, executes: false }), runId };
  };

  test("that is denied by who does not execute ends the run for good", () =>
    scene(harness, async (scene) => {
      const { calls, sleeper, clerk, runId } = await gated(scene);
      await clerk.runs.deny(runId);
      await clerk.runs.resume(runId);
      const resumed = await revisionOf(scene, runId);
      calls[0]?.finish("too late");
      await sleeper.runtime.idle();
      expect(await revisionOf(scene, runId)).toBe(resumed);
    }));

  test("that is approved through a runtime that does not execute stays approved, whichever executor continues", () =>
    scene(harness, async (scene) => {
      for (const isBack of [true, false]) {
        const { calls, body, sleeper, clerk, runId } = await gated(scene);
        await clerk.runs.approve(runId, { approver: "ada" });
        if (isBack) {
          calls[0]?.finish("done");
          expect(await sleeper.settled(runId)).toMatchObject({ status: "completed", result: ["done", "ada"] });
          continue;
        }
        const next = scene.actor({ body });
        const drained = next.runtime.drain();
        await until(() => calls.length === 2);
        calls[0]?.finish("too late");
        calls[1]?.finish("anew");
        await drained;
        expect(await next.settled(runId)).toMatchObject({ status: "completed", result: ["anew", "ada"] });
      }
    }));
});
