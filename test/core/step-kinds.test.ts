import { describe, expect, expectTypeOf, test } from "vitest";
import { defineSkill } from "../../src/index.ts";
import { stepKind } from "../../src/skills/code/step-kind.ts";
import { createTestRuntime, mockSteps } from "../../src/testing/index.ts";

const twice = stepKind("twice", (_, step) => ({
  twice: async <T>(name: string, callback: () => Promise<T>): Promise<readonly [T, T]> => [
    await step.do(`${name} first`, callback),
    await step.do(`${name} second`, callback),
  ],
}));
const shouted = stepKind("shouted", (_, step) => ({
  shout: (name: string, text: string) => step.do(name, async () => text.toUpperCase()),
}));

const skill = defineSkill({
  id: "kinds",
  version: "1",
  uses: [twice, shouted],
  async run(step, { text }: { text: string }) {
    const both = await step.twice("pair", async () => 1);
    expectTypeOf(both).toEqualTypeOf<readonly [number, number]>();
    return { both, shouted: await step.shout("shout", text) };
  },
});

describe("the kinds of steps that a skill uses", () => {
  test("are methods of its body's step object, and their steps are recorded like others", async () => {
    const { runs, settle } = createTestRuntime({ skills: [skill] });
    const { run } = await runs.start(skill, { text: "ho" });
    await settle();
    expect(await runs.result(skill, run.runId)).toEqual({ both: [1, 1], shouted: "HO" });
    const { items } = await runs.events(run.runId);
    const steps = items.filter(({ eventType }) => eventType === "step.completed").map(({ payload }) => payload.step_id);
    expect(steps).toEqual(["pair first", "pair second", "shout"]);
  });

  test("are not there for a body that does not name them", () => {
    defineSkill({
      id: "none",
      version: "1",
      // @ts-expect-error the skill names no kind
      run: (step) => step.twice("pair", async () => 1),
    });
  });

  test("call the mocks of the steps that they make", async () => {
    const mocked = mockSteps(skill, { "pair first": { returns: 5 } });
    const { runs, settle } = createTestRuntime({ skills: [mocked] });
    const { run } = await runs.start(skill, { text: "ho" });
    await settle();
    expect(await runs.result(skill, run.runId)).toMatchObject({ both: [5, 1] });
  });

  test("are checked", () => {
    for (const uses of [[1], 5, [{}], [null]]) {
      expect(() => defineSkill({ id: "bad", version: "1", uses: uses as never, run: async () => 1 })).toThrow(
        expect.objectContaining({ code: "invalid_definition", message: expect.stringContaining('skill "bad"') }),
      );
    }
  });
});
