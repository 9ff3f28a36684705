import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineCapability, defineGraphSkill, defineSkill, type Skill } from "../../src/index.ts";
import { childRuns } from "../../src/steps.ts";
import { checkSkill, mockSteps, type SkillCheck, type SkillProblem } from "../../src/testing/index.ts";
import { exportRun } from "../../src/transfer.ts";

const none = { sideEffects: "none" } as const;
const once = { ...none, retries: { limit: 0, delay: 0 } } as const;

const pay = defineCapability(
  { id: "pay", version: "1", sideEffects: "external_action" },
  async (_: unknown, { idempotencyKey }) => `paid under ${idempotencyKey.length}`,
);
const payTwice = defineCapability({ id: "pay", version: "1", sideEffects: "external_action" }, async () => "paid");

/** Runs the child once, under the name that its step has in the report. */
const parentOf = (child: Skill<Readonly<Record<string, unknown>>>) =>
  defineSkill({ id: "parent", version: "1", uses: [childRuns], run: (step) => step.run("child", child, {}) });

async function problemsOf(
  child: Skill<Readonly<Record<string, unknown>>>,
  check: Partial<SkillCheck> = {},
  skill: Skill = parentOf(child),
): Promise<readonly SkillProblem[]> {
  return (await checkSkill(skill, { inputs: {}, skills: [child], ...check })).problems;
}

describe("children are taken to their ends", () => {
  const waits = defineSkill({
    id: "waits",
    version: "1",
    async run(step) {
      await step.sleep("nap", "1 day");
      await step.waitForApproval("ask");
      const { payload } = await step.waitForEvent<number>("payment", { type: "paid" });
      return [payload, await step.use("pay", "pay")];
    },
  });

  test("through sleeps, gates and signals, and their steps are in the report", async () => {
    const report = await checkSkill(parentOf(waits), {
      inputs: {},
      skills: [waits],
      capabilities: [pay],
      signals: { paid: 12 },
    });
    expect(report.problems).toEqual([]);
    expect(report.run).toMatchObject({ status: "completed", result: [12, expect.stringContaining("paid")] });
    expect(report.steps).toMatchObject([{ skillId: "waits", stepId: "pay", uses: "pay", mostCalls: 2, mostKeys: 1 }]);
    expect(report.text).toContain('pay of child "waits" (pay): side effects external_action');
  });

  test("also if their gates are denied", async () => {
    const caught = defineSkill({
      id: "caught",
      version: "1",
      uses: [childRuns],
      run: (step) => step.run("child", waits).catch(() => "denied"),
    });
    const report = await checkSkill(caught, { inputs: {}, skills: [waits], capabilities: [pay], approve: false });
    expect(report).toMatchObject({ problems: [], run: { status: "completed", result: "denied" } });
  });

  test("several at once, and their own children", async () => {
    const leaf = defineSkill({
      id: "leaf",
      version: "1",
      run: (step, { of }: { of: number }) => step.do("double", none, async () => 2 * of),
    });
    const middle = defineSkill({
      id: "middle",
      version: "1",
      uses: [childRuns],
      run: (step, { of }: { of: number }) => step.run("leaf", leaf, { of }),
    });
    const many = defineSkill({
      id: "many",
      version: "1",
      uses: [childRuns],
      run: (step) => Promise.all([1, 2].map((of) => step.run(`child ${of}`, middle, { of }))),
    });
    const report = await checkSkill(many, { inputs: {}, skills: [leaf, middle] });
    expect(report).toMatchObject({ problems: [], run: { result: [2, 4] } });
  });

  test("of a graph as well, whose capability a child's graph brings along", async () => {
    const child = defineGraphSkill({
      id: "child",
      version: "1",
      steps: [{ id: "pay", uses: payTwice, output: "outputs.paid" }],
    });
    const graph = defineGraphSkill({
      id: "graph",
      version: "1",
      uses: [childRuns],
      steps: [{ id: "order", run: child, output: "outputs.order" }],
    });
    expect(await problemsOf(child, {}, graph)).toMatchObject([{ kind: "effect", skillId: "child", stepId: "pay" }]);
  });
});

describe("problems of a child are found, and name it", () => {
  test("an action that a crash doubles", async () => {
    const child = defineSkill({ id: "child", version: "1", run: (step) => step.use("pay", "pay") });
    expect(await problemsOf(child, { capabilities: [pay] })).toEqual([]);
    const problems = await problemsOf(child, { capabilities: [payTwice] });
    expect(problems).toMatchObject([{ kind: "effect", skillId: "child", stepId: "pay" }]);
  });

  test("a step of the same name is the parent's own", async () => {
    const child = defineSkill({ id: "child", version: "1", run: (step) => step.use("pay", "pay") });
    const parent = defineSkill({
      id: "parent",
      version: "1",
      uses: [childRuns],
      async run(step) {
        await step.do("pay", none, async () => 1);
        return step.run("child", child);
      },
    });
    const report = await checkSkill(parent, { inputs: {}, skills: [child], capabilities: [payTwice] });
    expect(report.problems).toMatchObject([{ kind: "effect", skillId: "child", stepId: "pay" }]);
    expect(report.steps.map(({ skillId, stepId, uses }) => [skillId, stepId, uses])).toEqual([
      [undefined, "pay", "step.do"],
      ["child", "pay", "pay"],
    ]);
  });

  test("a result that is not made of its steps' results, which a replay of the parent does not show", async () => {
    let call = 0;
    const child = defineSkill({
      id: "child",
      version: "1",
      async run(step) {
        await step.do("one", none, async () => 1);
        return ++call;
      },
    });
    const ignored = defineSkill({
      id: "parent",
      version: "1",
      uses: [childRuns],
      async run(step) {
        await step.run("child", child);
        return "done";
      },
    });
    expect(await problemsOf(child, {}, ignored)).toEqual([
      expect.objectContaining({
        kind: "nondeterminism",
        skillId: "child",
        message: expect.stringContaining("a different result"),
      }),
    ]);
  });

  test("a value that cannot be kept", async () => {
    const child = defineSkill({ id: "child", version: "1", run: (step) => step.do("open", none, async () => () => 1) });
    expect(await problemsOf(child)).toMatchObject([
      { kind: "value", skillId: "child", stepId: "open", path: "output" },
    ]);
  });

  test("a signal that never comes: the parent waits for the child alone", async () => {
    const child = defineGraphSkill({
      id: "child",
      version: "1",
      steps: [{ id: "payment", waitFor: { signal: "paid" }, output: "outputs.paid" }],
    });
    const problems = await problemsOf(child);
    expect(problems).toMatchObject([{ kind: "wait", skillId: "child", stepId: "payment" }]);
    expect(await problemsOf(child, { signals: { paid: 1 } })).toEqual([]);
  });

  test("a loop that never ends", async () => {
    const child = defineSkill({
      id: "child",
      version: "1",
      async run(step) {
        for (;;) await step.sleep("nap", "1 day");
      },
    });
    const problems = await problemsOf(child, { mostWaits: 20 });
    expect(problems).toMatchObject([{ kind: "wait", skillId: "child", message: expect.stringContaining("mostWaits") }]);
  });

  test("another end if it is disturbed, whether the parent waits for it or not", async () => {
    for (const wait of [true, false]) {
      let calls = 0;
      const child = defineSkill({
        id: "child",
        version: "1",
        run: (step) =>
          step.do("once", once, async () => {
            if (++calls > 1) throw new Error("there is one already");
            return calls;
          }),
      });
      const parent = defineSkill({
        id: "parent",
        version: "1",
        uses: [childRuns],
        async run(step) {
          if (wait) await step.run("child", child);
          else await step.run("child", child, {}, { wait: false });
        },
      });
      expect(await problemsOf(child, {}, parent)).toMatchObject([
        { kind: "end", skillId: "child", stepId: "once", message: expect.stringContaining("there is one already") },
      ]);
    }
  });
});

describe("a child whose skill is not there", () => {
  const child = defineSkill({ id: "child", version: "1", run: async () => 1 });

  test("is refused with the place, also if the body catches it", async () => {
    const caught = defineSkill({
      id: "parent",
      version: "1",
      uses: [childRuns],
      run: (step) => step.run("child", child).catch(() => "none"),
    });
    for (const skill of [parentOf(child), caught]) {
      await expect(checkSkill(skill, { inputs: {} })).rejects.toMatchObject({
        code: "invalid_request",
        path: "skills",
        message: 'skills: step "child" runs skill "child" version 1, which is not among them',
      });
    }
    const other = defineSkill({ id: "child", version: "2", run: async () => 1 });
    await expect(checkSkill(parentOf(child), { inputs: {}, skills: [other] })).rejects.toThrow("version 1");
  });

  test("may be mocked", async () => {
    const mocked = mockSteps(parentOf(child), { child: { returns: 5 } });
    expect(await checkSkill(mocked, { inputs: {} })).toMatchObject({ problems: [], run: { result: 5 } });
  });

  test("and a skill that is none is refused", async () => {
    const skills = [child, {} as Skill];
    await expect(checkSkill(parentOf(child), { inputs: {}, skills })).rejects.toMatchObject({ path: "skills[1]" });
  });
});

test("of several versions the one that is checked is started", async () => {
  const ofVersion = (version: string) =>
    defineSkill({ id: "checked", version, run: (step) => step.do("one", none, async () => version) });
  for (const [version, other] of [
    ["1", "2"],
    ["2", "1"],
  ] as const) {
    const { run } = await checkSkill(ofVersion(version), { inputs: {}, skills: [ofVersion(other)] });
    expect(run).toMatchObject({ skillVersion: version, result: version });
  }
});

test("a history of an earlier version can be replayed if that version is there", async () => {
  const ofVersion = (version: string) =>
    defineSkill({ id: "checked", version, run: (step) => step.do("one", none, async () => version) });
  const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [ofVersion("1")] });
  const runs = runtime.for("someone");
  await runs.start({ skillId: "checked", runId: "old" });
  await runtime.idle();
  const lines: string[] = [];
  for await (const line of exportRun(runs, "old")) lines.push(line);
  const check = { inputs: {}, histories: [lines] };
  expect((await checkSkill(ofVersion("2"), check)).problems).toMatchObject([{ kind: "end" }]);
  expect((await checkSkill(ofVersion("2"), { ...check, skills: [ofVersion("1")] })).problems).toEqual([]);
});
