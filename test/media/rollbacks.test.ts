import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { crashingStore } from "../../src/conformance/faults.ts";
import { defineSkill } from "../../src/index.ts";
import { rollbacks } from "../../src/steps.ts";
import { leaseMs } from "../support/scene.ts";
import { once, playedOn, recordedSteps } from "../support/standing.ts";

// What the rollbacks of steps promise, on one medium.
const played = playedOn(harness);

const names = ["a", "b", "c"];

/** A body of three steps that can be undone, and one that fails. `fails` is called by each rollback. */
function saga(undone: string[], fails: (name: string) => void = () => {}) {
  return defineSkill({
    id: "body",
    version: "1",
    uses: [rollbacks],
    async run(step) {
      for (const name of names) {
        await step.do(name, async () => `did ${name}`, {
          rollback: async ({ output, error }) => {
            fails(name);
            undone.push(`${output}: ${error.message}`);
          },
          rollbackConfig: { retries: { limit: 1, delay: "1 hour" } },
        });
      }
      await step.do("last", once, async () => {
        throw new Error("no");
      });
    },
  });
}

const all = ["did c: no", "did b: no", "did a: no"];
const steps = ["a", "b", "c", "last", "rollback: c", "rollback: b", "rollback: a"];

describe(`rollbacks on ${medium}`, () => {
  played("undo the steps in reverse order, as steps of the run, which fails as before", async ({ actor }) => {
    const undone: string[] = [];
    const { start, runs } = actor({ skills: [saga(undone)] });
    const run = await start();
    expect(run).toMatchObject({ status: "failed", error: { code: "step_failed", stepId: "last", message: "no" } });
    expect(undone).toEqual(all);
    expect(await recordedSteps(runs, run.runId)).toEqual(steps);
  });

  played("that wait for their next attempt park the run, and the next pass repeats none", async (scene) => {
    const undone: string[] = [];
    let calls = 0;
    const skill = saga(undone, (name) => {
      if (name === "b" && ++calls === 1) throw new Error("not yet");
    });
    const first = scene.actor({ skills: [skill] });
    const { runId, status } = await first.start();
    expect(status).toBe("running");
    await first.die();
    expect(await scene.actor({ skills: [skill] }).later(3_600_000, runId)).toMatchObject({ status: "failed" });
    expect(undone).toEqual(all);
  });

  played(
    "cut off at any commit go on where they were, and a recorded one is never repeated",
    async ({ actor, store }) => {
      for (let atCommit = 1; atCommit < 30; atCommit++) {
        const undone: string[] = [];
        const skills = [saga(undone)];
        const { run } = await actor({ skills, executes: false }).runs.start({ skillId: "body" });
        const doomed = actor({ skills, store: crashingStore(store, { atCommit, moment: "after", calls: "reject" }) });
        await doomed.later(leaseMs, run.runId).catch(() => undefined);
        await doomed.die();
        const last = actor({ skills });
        expect(await last.later(leaseMs, run.runId)).toMatchObject({ status: "failed", error: { stepId: "last" } });
        expect(undone).toEqual(all);
        expect(await recordedSteps(last.runs, run.runId)).toEqual(steps);
      }
    },
  );

  played("make the run refuse to go on", async ({ actor }) => {
    const { start, runs, settled } = actor({ skills: [saga([])] });
    const { runId } = await start();
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "invalid_transition" } });
  });
});
