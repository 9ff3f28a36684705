import { describe, expect, test } from "vitest";
import { createRuntime, defineSkill, type WorkflowStep } from "../../src/index.ts";
import { childRuns, maps, type RollbackSteps, rollbacks } from "../../src/steps.ts";
import { createTestRuntime } from "../../src/testing/index.ts";

const once = { retries: { limit: 0, delay: 0 } };
const hour = 3_600_000;

type Body = (step: WorkflowStep & RollbackSteps, undone: string[]) => Promise<unknown>;

/** A run of a body whose steps can be undone, as far as it goes now. */
async function playing(body: Body) {
  const undone: string[] = [];
  const skill = defineSkill({ id: "saga", version: "1", uses: [rollbacks], run: (step) => body(step, undone) });
  const test = createTestRuntime({ skills: [skill], onError: () => {}, bodyQuietMs: 2_000 });
  const { run } = await test.runs.start(skill, {});
  await test.settle();
  return { ...test, undone, skill, runId: run.runId };
}

/** A step that can be undone. */
const undoable = (step: RollbackSteps, undone: string[], name: string, output: unknown = `did ${name}`) =>
  step.do(name, async () => output, { rollback: async ({ output }) => void undone.push(`${name}: ${output}`) });

async function typesOf(runs: Awaited<ReturnType<typeof playing>>["runs"], runId: string) {
  return (await runs.events(runId)).items.map(({ eventType }) => eventType);
}

describe("a cancel with rollback", () => {
  test("undoes what has begun in reverse order, and then the run is canceled", async () => {
    const { runs, settle, undone, runId } = await playing(async (step, undone) => {
      await undoable(step, undone, "a");
      await step.do("plain", async () => 1);
      await Promise.all([undoable(step, undone, "b"), undoable(step, undone, "c")]);
      await step.sleep("long", "30 days");
      await undoable(step, undone, "never");
    });
    const asked = await runs.cancel(runId, { rollback: true });
    expect(asked.status).toBe("running");
    await settle();
    const run = await runs.get(runId);
    expect(run.status).toBe("canceled");
    expect(run.error).toBeUndefined();
    expect(undone).toEqual(["c: did c", "b: did b", "a: did a"]);
    expect((await typesOf(runs, runId)).filter((type) => type.startsWith("run.")).slice(-2)).toEqual([
      "run.undoing",
      "run.canceled",
    ]);
    const { state } = await runs.loadCheckpoint(runId, run.checkpointHead ?? "");
    expect(state.stepResults["rollback:"]?.producedOutput).toEqual({
      canceled: true,
      error: `run "${runId}" was canceled`,
      steps: ["c", "b", "a"],
      count: 3,
      inherited: null,
    });
  });

  test("hands the error of the cancel to the rollbacks", async () => {
    const errors: unknown[] = [];
    const { runs, settle, runId } = await playing(async (step) => {
      await step.do("a", async () => 1, { rollback: async ({ error }) => void errors.push(error) });
      await step.waitForEvent("e", { type: "go" });
    });
    await runs.cancel(runId, { rollback: true });
    await settle();
    expect(errors).toMatchObject([{ code: "run_canceled" }]);
  });

  test("aborts what is in flight, waits for its callback, and undoes it without an output", async () => {
    const log: string[] = [];
    let end = () => {};
    const skill = defineSkill({
      id: "saga",
      version: "1",
      uses: [rollbacks],
      async run(step) {
        await step.do("a", async () => 1, { rollback: async () => void log.push("a undone") });
        await step.do(
          "slow",
          async ({ signal }) => {
            log.push("slow begins");
            signal.addEventListener("abort", () => log.push("aborted"));
            // It ignores its signal for a while.
            await new Promise<void>((resolve) => (end = resolve));
            log.push("slow ends");
            return "late";
          },
          { rollback: async ({ output }) => void log.push(`slow undone: ${output}`) },
        );
      },
    });
    const { runs, runtime, settle } = createTestRuntime({ skills: [skill], onError: () => {} });
    const { run } = await runs.start(skill, {});
    await expect.poll(() => log).toEqual(["slow begins"]);
    await runs.cancel(run.runId, { rollback: true });
    const draining = runtime.drain();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(log).toEqual(["slow begins", "aborted"]);
    end();
    await draining;
    await settle();
    expect(log).toEqual(["slow begins", "aborted", "slow ends", "slow undone: undefined", "a undone"]);
    expect((await runs.get(run.runId)).status).toBe("canceled");
  });

  test("undoes a step that waits for its next attempt, and does not wait for it", async () => {
    const { runs, settle, undone, runId } = await playing(async (step, undone) => {
      await step.do("a", { retries: { limit: 3, delay: "10 hours" } }, () => Promise.reject(new Error("no")), {
        rollback: async ({ output }) => void undone.push(`a: ${output}`),
      });
    });
    await runs.cancel(runId, { rollback: true });
    await settle();
    expect((await runs.get(runId)).status).toBe("canceled");
    expect(undone).toEqual(["a: undefined"]);
  });

  test("finds a step in flight behind work of the body that is not a step", async () => {
    const { runs, settle, undone, runId } = await playing(async (step, undone) => {
      await undoable(step, undone, "a");
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
      await step.do("b", { retries: { limit: 3, delay: "10 hours" } }, () => Promise.reject(new Error("no")), {
        rollback: async () => void undone.push("b"),
      });
    });
    await runs.cancel(runId, { rollback: true });
    await settle();
    expect((await runs.get(runId)).status).toBe("canceled");
    expect(undone).toEqual(["b", "a: did a"]);
  });

  test("waits out the retries of a rollback, and closes the gates of the body", async () => {
    let calls = 0;
    const { runs, settle, advance, undone, runId } = await playing(async (step, undone) => {
      await step.do("a", async () => 1, {
        rollback: async () => {
          if (++calls === 1) throw new Error("not yet");
          undone.push("a");
        },
        rollbackConfig: { retries: { limit: 1, delay: "1 hour" } },
      });
      await step.waitForApproval("sign");
    });
    expect(await runs.get(runId)).toMatchObject({ status: "waiting_for_human" });
    const asked = await runs.cancel(runId, { rollback: true });
    expect(asked.status).toBe("running");
    expect(asked.approvalRequest).toBeUndefined();
    await settle();
    expect(undone).toEqual([]);
    expect((await runs.get(runId)).status).toBe("running");
    await expect(runs.approve(runId)).rejects.toMatchObject({ code: "invalid_transition" });
    await expect(runs.deny(runId)).rejects.toMatchObject({ code: "invalid_transition" });
    // A second one changes nothing.
    expect(await runs.cancel(runId, { rollback: true })).toMatchObject({ status: "running" });
    expect((await typesOf(runs, runId)).filter((type) => type === "run.undoing")).toHaveLength(1);
    await advance(hour);
    expect(undone).toEqual(["a"]);
    expect((await runs.get(runId)).status).toBe("canceled");
    await expect(runs.cancel(runId, { rollback: true })).rejects.toMatchObject({ code: "invalid_transition" });
  });

  test("is cut short by a cancel without one: what is recorded stays, and a resume goes on undoing", async () => {
    let calls = 0;
    const { runs, settle, advance, undone, runId } = await playing(async (step, undone) => {
      await undoable(step, undone, "a");
      await step.do("b", async () => 1, {
        rollback: async () => {
          if (++calls === 1) throw new Error("not yet");
          undone.push("b");
        },
        rollbackConfig: { retries: { limit: 2, delay: "1 hour" } },
      });
      await undoable(step, undone, "c");
      await step.sleep("long", "30 days");
    });
    await runs.cancel(runId, { rollback: true });
    await settle();
    expect(undone).toEqual(["c: did c"]);
    expect((await runs.cancel(runId)).status).toBe("canceled");
    await advance(10 * hour);
    expect(undone).toEqual(["c: did c"]);
    await runs.resume(runId);
    await settle();
    expect(undone).toEqual(["c: did c", "b", "a: did a"]);
    expect((await runs.get(runId)).status).toBe("canceled");
  });

  test("says what could not be undone", async () => {
    const { runs, settle, undone, runId } = await playing(async (step, undone) => {
      await undoable(step, undone, "a");
      await step.do("b", async () => 1, {
        rollback: () => Promise.reject(new Error("cannot")),
        rollbackConfig: once,
      });
      await undoable(step, undone, "c");
      await step.sleep("long", "30 days");
    });
    await runs.cancel(runId, { rollback: true });
    await settle();
    expect(undone).toEqual(["c: did c"]);
    expect(await runs.get(runId)).toMatchObject({
      status: "canceled",
      error: {
        code: "rollback_failed",
        stepId: "b",
        message: 'the rollback of step "b" failed: cannot; not undone: "b", "a"',
      },
    });
  });

  test("cancels at once what has nothing to undo, and needs the skill to know", async () => {
    const plain = defineSkill({ id: "plain", version: "1", run: (step) => step.sleep("long", "30 days") });
    const saga = defineSkill({ id: "saga", version: "1", uses: [rollbacks], run: async () => {} });
    const { runs, settle, store } = createTestRuntime({ skills: [plain, saga] });
    const { run } = await runs.start(plain, {});
    await settle();
    const elsewhere = createRuntime({ store, skills: [], serves: false }).for("test");
    await expect(elsewhere.cancel(run.runId, { rollback: true })).rejects.toMatchObject({
      code: "not_found",
      missing: "skill",
    });
    expect((await runs.cancel(run.runId, { rollback: true })).status).toBe("canceled");
    const pending = await runs.create(saga, {});
    expect((await runs.cancel(pending.run.runId, { rollback: true })).status).toBe("canceled");
    await expect(runs.cancel(run.runId, { rollback: 1 as never })).rejects.toMatchObject({ code: "invalid_request" });
    const other = await runs.create(saga, {});
    const stale = { rollback: true, expectedRevision: 99 };
    await expect(runs.cancel(other.run.runId, stale)).rejects.toMatchObject({ code: "precondition_failed" });
  });

  test("also undoes a body that was about to end", async () => {
    const { runs, settle, undone, runId } = await playing(async (step, undone) => {
      await undoable(step, undone, "a");
      const slept = step.sleep("long", "30 days");
      await Promise.race([slept, step.waitForEvent("e", { type: "go" })]);
    });
    await runs.cancel(runId, { rollback: true });
    await settle();
    expect(undone).toEqual(["a: did a"]);
    expect((await runs.get(runId)).status).toBe("canceled");
  });

  test("cancels the children first, which undo their own steps; a completed child keeps its work", async () => {
    const undone: string[] = [];
    const child = defineSkill({
      id: "child",
      version: "1",
      uses: [rollbacks],
      async run(step, { long }: { long: boolean }) {
        await undoable(step, undone, long ? "of the long child" : "of the short child");
        if (long) await step.sleep("long", "30 days");
      },
    });
    const parent = defineSkill({
      id: "parent",
      version: "1",
      uses: [childRuns, rollbacks],
      async run(step) {
        await undoable(step, undone, "of the parent");
        await step.run("short", child, { long: false });
        await step.run("long", child, { long: true });
      },
    });
    const { runs, settle } = createTestRuntime({ skills: [parent, child] });
    const { run } = await runs.start(parent, {});
    await settle();
    await runs.cancel(run.runId, { rollback: true });
    await settle();
    const { items } = await runs.list();
    expect(items.map(({ skillId, status }) => [skillId, status]).sort()).toEqual([
      ["child", "canceled"],
      ["child", "completed"],
      ["parent", "canceled"],
    ]);
    expect([...undone].sort()).toEqual([
      "of the long child: did of the long child",
      "of the parent: did of the parent",
    ]);
  });
});

describe("a run that was rolled back", () => {
  test("does not go on from an earlier checkpoint, and nothing descends from what it undid", async () => {
    const { runs, settle, undone, runId } = await playing(async (step, undone) => {
      await undoable(step, undone, "a");
      await step.do("b", once, () => Promise.reject(new Error("no")));
    });
    expect(undone).toEqual(["a: did a"]);
    const { items } = await runs.listCheckpoints(runId);
    const ofA = items.find(({ stepId }) => stepId === "a")?.checkpointId ?? "";
    const first = items[0]?.checkpointId ?? "";
    const refused = { status: "failed", error: { code: "invalid_transition" } };
    for (const checkpointId of [first, ofA]) {
      await runs.resume(runId, { checkpointId });
      await settle();
      expect(await runs.get(runId)).toMatchObject(refused);
      const { run } = await runs.replay(runId, { checkpointId });
      await settle();
      expect(await runs.get(run.runId)).toMatchObject(refused);
    }
    const late = await runs.fork(runId, { checkpointId: ofA });
    await runs.resume(late.run.runId);
    await settle();
    expect(await runs.get(late.run.runId)).toMatchObject(refused);
    expect(undone).toEqual(["a: did a"]);
    // A fork from its start does everything anew.
    const early = await runs.fork(runId, { checkpointId: first });
    await runs.resume(early.run.runId);
    await settle();
    expect(await runs.get(early.run.runId)).toMatchObject({ error: { code: "step_failed" } });
    expect(undone).toEqual(["a: did a", "a: did a"]);
  });

  test("has undone only its own steps: those of its source stay", async () => {
    let isBroken = false;
    const { runs, settle, undone, runId } = await playing(async (step, undone) => {
      await undoable(step, undone, "a");
      await step.do("charge", { sideEffects: "external_action" }, async () => 1, {
        rollback: async () => void undone.push("charge"),
      });
      await undoable(step, undone, "own");
      if (isBroken) throw new Error("no");
    });
    isBroken = true;
    const { items } = await runs.listCheckpoints(runId);
    const ofA = items.find(({ stepId }) => stepId === "a")?.checkpointId ?? "";
    const { run } = await runs.replay(runId, { checkpointId: ofA });
    await settle();
    expect(await runs.get(run.runId)).toMatchObject({ status: "failed", error: { message: "no" } });
    expect(undone).toEqual(["own: did own"]);
  });
});

test("a map that the body left behind delays no rollback, and begins no other item", async () => {
  const undone: string[] = [];
  const items: number[] = [];
  const skill = defineSkill({
    id: "saga",
    version: "1",
    uses: [maps, rollbacks],
    async run(step) {
      await undoable(step, undone, "a");
      const all = step.map("m", [1, 2, 3, 4], { concurrency: 1 }, async (n) => {
        items.push(n);
        await new Promise((resolve) => setTimeout(resolve, 10));
      });
      await Promise.all([all, step.do("b", once, () => Promise.reject(new Error("no")))]);
    },
  });
  const { runs, settle } = createTestRuntime({ skills: [skill], onError: () => {} });
  const { run } = await runs.start(skill, {});
  await settle();
  expect(await runs.get(run.runId)).toMatchObject({ status: "failed", error: { message: "no" } });
  expect(undone).toEqual(["a: did a"]);
  expect(items).toEqual([1]);
});
