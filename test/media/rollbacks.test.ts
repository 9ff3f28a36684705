import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { crashingStore } from "../../src/conformance/faults.ts";
import { defineMigration, defineSkill } from "../../src/index.ts";
import { rollbacks } from "../../src/steps.ts";
import { leaseMs } from "../support/scene.ts";
import { countEvents, once, playedOn, recordedSteps } from "../support/standing.ts";

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

/** A body of three steps that can be undone, which waits then. */
function waiting(undone: string[]) {
  return defineSkill({
    id: "body",
    version: "1",
    uses: [rollbacks],
    async run(step) {
      for (const name of names) {
        await step.do(name, async () => `did ${name}`, {
          rollback: async ({ output }) => void undone.push(`${output}`),
        });
      }
      await step.waitForEvent("paid", { type: "paid" });
    },
  });
}

const all = ["did c: no", "did b: no", "did a: no"];
const steps = ["a", "b", "c", "last", "rollback:", "rollback: c", "rollback: b", "rollback: a"];

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

  played("of a canceled run are cut off at any commit, and go on where they were", async ({ actor, store }) => {
    for (let atCommit = 1; atCommit < 16; atCommit++) {
      const undone: string[] = [];
      const skills = [waiting(undone)];
      const first = actor({ skills });
      const { runId } = await first.start();
      expect(await first.runs.cancel(runId, { rollback: true })).toMatchObject({ status: "running" });
      await first.die();
      const doomed = actor({ skills, store: crashingStore(store, { atCommit, moment: "after", calls: "reject" }) });
      await doomed.later(0, runId).catch(() => undefined);
      await doomed.die();
      const last = actor({ skills });
      const ended = await last.runs.get(runId);
      if (ended.status !== "canceled") expect(await last.later(leaseMs, runId)).toMatchObject({ status: "canceled" });
      expect(undone).toEqual(["did c", "did b", "did a"]);
      const recorded = ["a", "b", "c", "rollback:", "rollback: c", "rollback: b", "rollback: a"];
      expect(await recordedSteps(last.runs, runId)).toEqual(recorded);
    }
  });

  played(
    "of a canceled run are asked for once by several callers, and end with a cancel without",
    async ({ actor }) => {
      const undone: string[] = [];
      const { start, runs } = actor({ skills: [waiting(undone)] });
      const { runId } = await start();
      const other = actor({ skills: [waiting(undone)], executes: false }).runs;
      await Promise.all(Array.from({ length: 4 }, () => other.cancel(runId, { rollback: true })));
      expect(await countEvents(runs, runId, "run.undoing")).toBe(1);
      await runs.cancel(runId);
      expect(await runs.get(runId)).toMatchObject({ status: "canceled" });
      expect(undone).toEqual([]);
    },
  );

  played("go on under a newer version of the skill, which has other names", async (scene) => {
    const undone: string[] = [];
    let calls = 0;
    const before = saga(undone, (name) => {
      if (name === "b" && ++calls === 1) throw new Error("not yet");
    });
    const first = scene.actor({ skills: [before] });
    const { runId } = await first.start();
    expect(undone).toEqual(["did c: no"]);
    await first.die();
    const after = defineSkill({
      id: "body",
      version: "2",
      uses: [rollbacks],
      migrations: [defineMigration({ from: "1", renames: { b: "second", c: "third" } })],
      async run(step) {
        for (const name of ["a", "second", "third"]) {
          await step.do(name, async () => `did ${name}`, {
            rollback: async ({ output, ctx }) => void undone.push(`${ctx.step.name}, ${output}`),
          });
        }
        await step.do("last", once, async () => {});
      },
    });
    expect(await scene.actor({ skills: [after] }).later(3_600_000, runId)).toMatchObject({ status: "failed" });
    expect(undone).toEqual(["did c: no", "second, did b", "a, did a"]);
  });

  played("make the run refuse to go on", async ({ actor }) => {
    const { start, runs, settled } = actor({ skills: [saga([])] });
    const { runId } = await start();
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "invalid_transition" } });
  });
});
