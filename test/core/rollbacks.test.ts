import { describe, expect, expectTypeOf, test } from "vitest";
import { defineSkill, NonRetryableError, type WorkflowStep } from "../../src/index.ts";
import { maps, type RollbackContext, type RollbackSteps, rollbacks } from "../../src/steps.ts";
import { assertSkill, createTestRuntime, mockSteps } from "../../src/testing/index.ts";

const once = { retries: { limit: 0, delay: 0 } };

/** Plays a body once, and what was undone, in order. */
async function played(body: (step: WorkflowStep & RollbackSteps, undone: string[]) => Promise<unknown>) {
  const undone: string[] = [];
  const skill = defineSkill({ id: "saga", version: "1", uses: [rollbacks], run: (step) => body(step, undone) });
  const { runs, settle } = createTestRuntime({ skills: [skill], onError: () => {} });
  const { run } = await runs.start(skill, {});
  await settle();
  return { undone, run: await runs.get(run.runId), runs, settle };
}

describe("rollbacks", () => {
  test("undo what has begun in reverse order, with the result of each step, and the run fails as its body did", async () => {
    const { undone, run } = await played(async (step, undone) => {
      const rollback = async ({ ctx, output, error, stepName }: RollbackContext<string>) => {
        undone.push(`${ctx.step.name} ${ctx.step.count} ${ctx.attempt} ${stepName}: ${output} since ${error.message}`);
      };
      await step.do("a", async () => "one", { rollback });
      await step.do("plain", async () => 1);
      await step.do("a", async () => "two", { rollback });
      await step.do("b", once, async (): Promise<string> => Promise.reject(new RangeError("no b")), { rollback });
    });
    expect(run).toMatchObject({ status: "failed", error: { code: "step_failed", message: "no b", stepId: "b" } });
    expect(undone).toEqual([
      "b 1 1 b-1: undefined since no b",
      "a 2 1 a-2: two since no b",
      "a 1 1 a-1: one since no b",
    ]);
  });

  test("undo nothing if the body handles the failure, or ends well", async () => {
    const { undone, run } = await played(async (step, undone) => {
      await step.do("a", async () => 1, { rollback: async () => void undone.push("a") });
      await step.do("b", once, () => Promise.reject(new Error("no"))).catch(() => {});
    });
    expect(run.status).toBe("completed");
    expect(undone).toEqual([]);
  });

  test("wait for what the body left in flight, undo that as well, and begin nothing more of it", async () => {
    const calls: string[] = [];
    const { undone, run } = await played(async (step, undone) => {
      const left = async () => {
        await step.do("slow", async () => new Promise((resolve) => setTimeout(resolve, 20)), {
          rollback: async () => void undone.push("slow"),
        });
        await step.do("never", async () => calls.push("never"));
      };
      await Promise.all([left(), step.do("quick", once, () => Promise.reject(new Error("no")))]);
    });
    expect(run.status).toBe("failed");
    expect(undone).toEqual(["slow"]);
    expect(calls).toEqual([]);
  });

  test("do not wait for a sleep that the body left behind", async () => {
    const { undone, run } = await played(async (step, undone) => {
      await step.do("a", async () => 1, { rollback: async () => void undone.push("a") });
      void step.sleep("long", "30 days");
      throw new Error("no");
    });
    expect(run).toMatchObject({ status: "failed", error: { code: "body_failed" } });
    expect(undone).toEqual(["a"]);
  });

  test("try again by their own options, and stop at one that cannot be done, as in Workflows", async () => {
    let calls = 0;
    const { undone, run, runs } = await played(async (step, undone) => {
      await step.do("a", async () => 1, { rollback: async () => void undone.push("a") });
      await step.do("b", async () => 1, {
        rollback: async () => {
          throw new NonRetryableError("cannot");
        },
      });
      await step.do("c", async () => 1, {
        rollback: async () => {
          if (++calls < 3) throw new Error("not yet");
          undone.push("c");
        },
        rollbackConfig: { retries: { limit: 2, delay: "1 second", backoff: "constant" } },
      });
      throw new Error("no");
    });
    expect(undone).toEqual(["c"]);
    expect(run).toMatchObject({ status: "failed", error: { code: "rollback_failed", stepId: "b" } });
    expect(run.error?.message).toBe('no; the rollback of step "b" failed: cannot; not undone: "b", "a"');
    const { items } = await runs.events(run.runId);
    const failed = items.filter(({ eventType }) => eventType === "step.failed").map(({ payload }) => payload.step_id);
    expect(failed).toEqual(["rollback: b"]);
  });

  test("are in the ledger if their step is", async () => {
    const { run, runs } = await played(async (step) => {
      await step.do("charge", { sideEffects: "external_action" }, async () => "receipt", {
        rollback: async ({ idempotencyKey }) => void idempotencyKey,
      });
      throw new Error("no");
    });
    const { items } = await runs.events(run.runId);
    const recorded = items.filter(({ eventType }) => eventType === "side_effect.recorded");
    expect(recorded.map(({ payload }) => payload.step_id)).toEqual(["charge", "rollback: charge"]);
  });

  test("make a resume of the run fail before it does anything on top of what was undone", async () => {
    let isBroken = true;
    const calls: string[] = [];
    const { undone, run, runs, settle } = await played(async (step, undone) => {
      await step.do("a", async () => 1, { rollback: async () => void undone.push("a") });
      await step.do("b", once, async () => {
        if (isBroken) throw new Error("no");
        calls.push("b");
      });
    });
    isBroken = false;
    for (const again of [run.runId, (await runs.replay(run.runId)).run.runId]) {
      if (again === run.runId) await runs.resume(again);
      await settle();
      expect(await runs.get(again)).toMatchObject({ status: "failed", error: { code: "invalid_transition" } });
    }
    expect(calls).toEqual([]);
    expect(undone).toEqual(["a"]);
  });

  test("hold for the items of a map beside them, and can be mocked", async () => {
    const undone: string[] = [];
    const skill = defineSkill({
      id: "saga",
      version: "1",
      uses: [maps, rollbacks],
      async run(step) {
        await step.do("a", async () => 1, { rollback: async () => void undone.push("a") });
        await step.map("m", [1, 2], once, async (n) => {
          if (n === 2) throw new Error("no");
        });
      },
    });
    for (const one of [skill, mockSteps(skill, { "rollback: a": { returns: undefined } })]) {
      const { runs, settle } = createTestRuntime({ skills: [one], onError: () => {} });
      const { run } = await runs.start(one, {});
      await settle();
      expect(await runs.get(run.runId)).toMatchObject({ status: "failed", error: { stepId: "m[1]" } });
    }
    expect(undone).toEqual(["a"]);
  });

  test("are checked, and reserve the names of their steps", async () => {
    const errors: unknown[] = [];
    await played(async (step) => {
      const wrong = [{ rollback: 5 }, {}, 5, { rollback: async () => {}, rollbackConfig: { timeout: -1 } }];
      for (const options of wrong) await step.do("a", async () => 1, options as never).catch((e) => errors.push(e));
      await step.do("rollback: a", async () => 1).catch((e) => errors.push(e));
    });
    expect(errors).toHaveLength(5);
    for (const error of errors) expect(error).toMatchObject({ code: "invalid_request" });
  });

  test("have types, and no step without the kind takes them", () => {
    defineSkill({
      id: "typed",
      version: "1",
      uses: [rollbacks],
      async run(step) {
        const done = await step.do("a", async () => 5, {
          rollback: async ({ output }) => {
            expectTypeOf(output).toEqualTypeOf<number | undefined>();
          },
        });
        expectTypeOf(done).toEqualTypeOf<number>();
      },
    });
    defineSkill({
      id: "typed",
      version: "1",
      // @ts-expect-error the skill does not name the kind
      run: (step) => step.do("a", async () => 5, { rollback: async () => {} }),
    });
  });

  test("survive every crash: each is recorded once, in the same order", async () => {
    const skill = defineSkill({
      id: "saga",
      version: "1",
      uses: [rollbacks],
      async run(step) {
        const options = { sideEffects: "external_action" } as const;
        const undo = { rollback: async ({ idempotencyKey }: RollbackContext) => void idempotencyKey };
        const act = async ({ idempotencyKey }: { idempotencyKey: string }) => idempotencyKey.length;
        await step.do("a", options, act, undo);
        await Promise.all([step.do("b", options, act, undo), step.do("c", options, act, undo)]);
        await step.sleep("nap", "1 hour");
        await step.do("d", { sideEffects: "none", ...once }, async () => Promise.reject(new Error("no d")));
      },
    });
    const report = await assertSkill(skill, { inputs: {} });
    expect(report.run.status).toBe("failed");
  });
});
