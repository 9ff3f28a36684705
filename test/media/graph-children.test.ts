import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { crashingStore } from "../../src/conformance/faults.ts";
import { defineCapability, defineGraphSkill, defineSkill, literal } from "../../src/index.ts";
import { childRuns, readChildren } from "../../src/steps.ts";
import { type Actor, leaseMs, type Scene, scene, tenant } from "../support/scene.ts";

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

/** A child that counts its executions, and graphs that start it. */
function family() {
  const counts = { work: 0, after: 0 };
  const child = defineSkill({
    id: "child",
    version: "1",
    async run(step, { what }: { what: string }) {
      await step.do("work", async () => counts.work++);
      const said = what === "wait" ? (await step.waitForEvent<string>("word", { type: "word" })).payload : what;
      if (what === "fail") throw new TypeError("it is broken");
      return { said };
    },
  });
  const after = defineCapability({ id: "after", version: "1" }, async ({ said }: { said: string }) => {
    counts.after++;
    return `${said}!`;
  });
  const last = { id: "last", uses: after, input: { said: "vars.said" }, output: "outputs.result" } as const;
  const run = { id: "child", run: child, input: { what: "inputs.what" } } as const;
  const ofGraph = { version: "1", uses: [childRuns] } as const;
  const parent = defineGraphSkill({
    ...ofGraph,
    id: "parent",
    steps: [{ ...run, output: { said: "vars.said" } }, last],
  });
  const tolerant = defineGraphSkill({
    ...ofGraph,
    id: "tolerant",
    steps: [
      { ...run, onFailure: "continue", output: { said: "vars.said" } },
      { ...last, input: { said: literal("anyway") } },
    ],
  });
  const starting = defineGraphSkill({
    ...ofGraph,
    id: "starting",
    steps: [
      { ...run, wait: false, output: { runId: "outputs.child" } },
      { id: "apart", run: "child", input: "inputs", wait: false, detached: true },
      { id: "end", waitFor: { signal: "end" } },
    ],
  });
  const wide = defineGraphSkill({
    ...ofGraph,
    id: "wide",
    steps: [
      { ...run, id: "a", dependsOn: [], output: { said: "vars.said" } },
      { ...run, id: "b", dependsOn: [], when: "inputs.both", output: { said: "outputs.b" } },
      { ...last, dependsOn: ["a", "b"] },
    ],
  });
  const whole = defineGraphSkill({
    ...ofGraph,
    id: "whole",
    steps: [{ id: "child", run: "child", input: "inputs.what" }],
  });
  return { counts, skills: [child, parent, tolerant, starting, wide, whole] };
}

const childrenOf = async ({ runs }: Actor, runId: string) => (await readChildren(runs, runId)).items;

const childOf = async (actor: Actor, runId: string): Promise<string> => {
  const children = await childrenOf(actor, runId);
  expect(children).toHaveLength(1);
  return children[0]?.runId as string;
};

async function drained({ runtime }: Actor): Promise<void> {
  await runtime.idle();
  while ((await runtime.drain()).taken > 0) await runtime.idle();
}

describe(`a graph's child run on ${medium}`, () => {
  played("is waited for as data, and its result goes where the mapping says", async ({ actor }) => {
    const { skills, counts } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    expect(await home.runs.get(runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await home.runs.get(child)).toMatchObject({ skillId: "child", parentRunId: runId, parentStepId: "child" });
    await home.runs.signal(child, { name: "word", payload: "yes" });
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: { result: "yes!" } });
    expect(counts).toEqual({ work: 1, after: 1 });
    const { state } = await home.runs.loadCheckpoint(runId, (await home.runs.get(runId)).checkpointHead as string);
    expect(state.stepResults.child).toMatchObject({ uses: "step.run", status: "completed" });
    expect(home.errors).toEqual([]);
    expect((await home.runtime.drain()).taken).toBe(0);
  });

  played("is one for each step, side by side, and none for a step that is skipped", async ({ actor }) => {
    const { skills, counts } = family();
    const home = actor({ skills });
    const both = await home.start({ what: "x", both: true }, "wide");
    expect((await home.settled(both.runId)).result).toEqual({ b: "x", result: "x!" });
    expect((await childrenOf(home, both.runId)).map(({ stepId }) => stepId).sort()).toEqual(["a", "b"]);
    const one = await home.start({ what: "y", both: false }, "wide");
    expect((await home.settled(one.runId)).result).toEqual({ result: "y!" });
    expect((await childrenOf(home, one.runId)).map(({ stepId }) => stepId)).toEqual(["a"]);
    expect(counts.work).toBe(3);
  });

  played("that fails fails its step and the run, or degrades the step", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "fail" }, "parent");
    const child = await childOf(home, runId);
    expect(await home.settled(runId)).toMatchObject({
      status: "failed",
      error: { code: "run_failed", message: `run "${child}" failed: it is broken`, stepId: "child" },
    });
    const tolerant = await home.start({ what: "fail" }, "tolerant");
    expect(await home.settled(tolerant.runId)).toMatchObject({ status: "completed", result: { result: "anyway!" } });
  });

  played("that is canceled fails its step", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    await home.runs.cancel(await childOf(home, runId));
    expect(await home.settled(runId)).toMatchObject({ status: "failed", error: { code: "run_canceled" } });
  });

  played("whose inputs are no object fails its step", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "text" }, "whole");
    expect(await home.settled(runId)).toMatchObject({ error: { code: "invalid_request", stepId: "child" } });
    expect(await childrenOf(home, runId)).toEqual([]);
  });

  played("is only started with wait: false, and canceled with its parent unless it is detached", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "wait" }, "starting");
    const children = await childrenOf(home, runId);
    expect(children).toHaveLength(2);
    await home.runs.cancel(runId);
    const statuses = (await childrenOf(home, runId)).map(({ stepId, status }) => `${stepId} ${status}`);
    expect(statuses.sort()).toEqual(["apart waiting_for_signal", "child canceled"]);
    const other = await home.start({ what: "quick" }, "starting");
    await home.runs.signal(other.runId, { name: "end" });
    const { result } = await home.settled(other.runId);
    const named = (await childrenOf(home, other.runId)).find(({ stepId }) => stepId === "child");
    expect(result).toEqual({ child: named?.runId });
  });

  played("is reused by a replay, and started anew by a fork from before its step", async ({ actor }) => {
    const { skills, counts } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "quick" }, "parent");
    expect(await home.settled(runId)).toMatchObject({ status: "completed" });
    const first = (await home.runs.listCheckpoints(runId)).items[0]?.checkpointId as string;
    const { run: replay } = await home.runs.replay(runId, { checkpointId: first });
    expect((await home.settled(replay.runId)).result).toEqual({ result: "quick!" });
    expect(await childrenOf(home, replay.runId)).toEqual([]);
    expect(counts.work).toBe(1);
    const { run: fork } = await home.runs.fork(runId, { checkpointId: first });
    await home.runs.resume(fork.runId);
    expect((await home.settled(fork.runId)).result).toEqual({ result: "quick!" });
    expect(await childrenOf(home, fork.runId)).toHaveLength(1);
    expect(counts.work).toBe(2);
  });

  played("is started once, wherever its parent's process stops", async ({ actor, store, clock }) => {
    for (const moment of ["before", "after"] as const) {
      for (let atCommit = 1; ; atCommit++) {
        const { skills } = family();
        const crashing = crashingStore(store, { atCommit, moment, calls: "reject" });
        const doomed = actor({ skills, store: crashing });
        const runId = `${moment}-${atCommit}`;
        const begun = doomed.runs.start({ skillId: "parent", inputs: { what: "quick" }, runId });
        await begun.then(
          () => doomed.runtime.idle(),
          () => undefined,
        );
        if (!crashing.crashed) {
          expect(atCommit).toBeGreaterThan(8);
          break;
        }
        const heir = actor({ skills });
        clock.advance(leaseMs + 1);
        await drained(heir);
        if ((await store.getRun(tenant, runId)) === undefined) {
          expect([atCommit, moment]).toEqual([1, "before"]);
          continue;
        }
        expect(await heir.settled(runId)).toMatchObject({ status: "completed", result: { result: "quick!" } });
        expect(await childrenOf(heir, runId)).toMatchObject([{ status: "completed", stepId: "child" }]);
      }
    }
    expect(await store.countRuns(tenant, { skillId: "child" })).toBe(
      await store.countRuns(tenant, { skillId: "parent" }),
    );
  });
});
