import * as v from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import {
  createRuntime,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  isDurableError,
  type Skill,
} from "../../src/index.ts";
import { childRuns } from "../../src/steps.ts";
import { assertSkill, mockCapabilities } from "../../src/testing/index.ts";

// What is said of types here is checked by `npm run typecheck`: a line marked as an error fails it once it is none.

const shout = defineCapability(
  { id: "shout", version: "1", sideEffects: "none" },
  ({ text }: { text: string; loud?: boolean }) => ({
    text: text.toUpperCase(),
    length: text.length,
  }),
);

const letter = defineSkill({
  id: "letter",
  version: "1",
  async run(step, { to }: { to: string }) {
    const { text, length } = await step.use("shout", shout, { text: `dear ${to}` });
    return { text, length, at: new Date(0) };
  },
});

const mute = defineSkill({
  id: "mute",
  version: "1",
  async run(step) {
    await step.do("nothing", async () => undefined);
  },
});

const broken = defineSkill({
  id: "broken",
  version: "1",
  async run(step) {
    await step.do("fall", { retries: { limit: 0, delay: 0 } }, async () => {
      throw new TypeError("it broke");
    });
    return 1;
  },
});

const parsed = defineSkill({
  id: "parsed",
  version: "1",
  inputs: v.object({ on: v.pipe(v.string(), v.toDate()) }),
  run: async (_, { on }) => on.getTime(),
});

const graph = defineGraphSkill({
  id: "graph",
  version: "1",
  inputs: v.object({ text: v.string() }),
  steps: [{ id: "shout", uses: shout, input: { text: "inputs.text" }, output: { text: "outputs.text" } }],
});

function home() {
  const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [letter, mute, broken, parsed, graph] });
  return runtime.for("acme");
}

describe("a skill remembers its types", () => {
  test("a start by the skill checks the inputs, and its result has the skill's type", async () => {
    const runs = home();
    const { run } = await runs.start(letter, { to: "Alice" }, { runId: "first", metadata: { by: "test" } });
    expect(run).toMatchObject({ runId: "first", skillId: "letter", skillVersion: "1", metadata: { by: "test" } });
    const result = await runs.result(letter, run.runId);
    expectTypeOf(result).toEqualTypeOf<{ text: string; length: number; at: Date }>();
    expect(result).toEqual({ text: "DEAR ALICE", length: 10, at: new Date(0) });
    expectTypeOf(await runs.result(run.runId)).toBeUnknown();
    expect(await runs.result(run.runId)).toEqual(result);
    // @ts-expect-error A number is no recipient.
    await runs.start(letter, { to: 7 });
    // @ts-expect-error The inputs are missing.
    expect(await runs.start(letter).catch(({ code }: { code: string }) => code)).toBeTypeOf("object");
  });

  test("by its id, as a service gets it, a skill is started too", async () => {
    const runs = home();
    const { run } = await runs.start({ skillId: "letter", inputs: { to: "Alice" } });
    expect(await runs.result(letter, run.runId)).toMatchObject({ length: 10 });
  });

  test("a body that returns nothing has the result null", async () => {
    const runs = home();
    const { run } = await runs.start(mute);
    const result = await runs.result(mute, run.runId);
    expectTypeOf(result).toBeNull();
    expect(result).toBeNull();
  });

  test("a schema that transforms says what a start takes and what the body gets", async () => {
    expectTypeOf(parsed).toEqualTypeOf<Skill<{ on: string }, number>>();
    const runs = home();
    const { run } = await runs.start(parsed, { on: "1970-01-02" });
    expect(await runs.result(parsed, run.runId)).toBe(86_400_000);
  });

  test("a graph's steps map what their capability declares", async () => {
    const runs = home();
    const { run } = await runs.start(graph, { text: "so" });
    expect(await runs.result(graph, run.runId)).toEqual({ text: "SO" });
    const base = { id: "g", version: "1" } as const;
    // @ts-expect-error The input has no `texts`, and needs a `text`.
    defineGraphSkill({ ...base, steps: [{ id: "a", uses: shout, input: { texts: "inputs.text" } }] });
    const output = { words: "vars.words" } as const;
    // @ts-expect-error The output has no `words`.
    defineGraphSkill({ ...base, steps: [{ id: "a", uses: shout, input: { text: "inputs.text" }, output }] });
    defineGraphSkill({ ...base, steps: [{ id: "a", uses: "shout", input: { texts: "inputs.text" } }] });
    const misspelt = [{ id: "a", uses: shout, input: { text: "inputs.x" }, retry: {} }] as const;
    // @ts-expect-error A step has no `retry`.
    const define = () => defineGraphSkill({ ...base, steps: misspelt });
    expect(define).toThrow('skill "g".steps[0].retry: a step has no such member');
  });

  test("a step of a graph that runs a skill itself has mappings that fit it", () => {
    const base = { id: "g", version: "1", uses: [childRuns] } as const;
    const input = { to: "inputs.to" } as const;
    defineGraphSkill({ ...base, steps: [{ id: "a", run: letter, input, output: { text: "vars.text" } }] });
    defineGraphSkill({ ...base, steps: [{ id: "a", run: letter, input, wait: false, output: { runId: "vars.id" } }] });
    defineGraphSkill({
      ...base,
      steps: [{ id: "a", run: graph, input: { text: "inputs.x" }, output: { y: "vars.y" } }],
    });
    // @ts-expect-error It has no input `from`.
    defineGraphSkill({ ...base, steps: [{ id: "a", run: letter, input: { from: "inputs.to" } }] });
    // @ts-expect-error Its result has no `words`.
    defineGraphSkill({ ...base, steps: [{ id: "a", run: letter, input, output: { words: "vars.words" } }] });
    // @ts-expect-error A step that does not wait has the id alone.
    defineGraphSkill({ ...base, steps: [{ id: "a", run: letter, input, wait: false, output: { text: "vars.text" } }] });
    defineGraphSkill({
      ...base,
      steps: [{ id: "a", run: "letter", input: { from: "inputs.x" }, output: { y: "vars.y" } }],
    });
  });

  test("skills of any types stand in one list", () => {
    expectTypeOf([letter, mute, graph]).toExtend<readonly Skill[]>();
    // @ts-expect-error Its inputs are others.
    const other: Skill<{ from: string }> = letter;
    expect(other.id).toBe("letter");
  });
});

describe("result", () => {
  test("of a failed run throws run_failed with the run's own error, and settled does not throw", async () => {
    const runs = home();
    const { run } = await runs.start(broken);
    const error: unknown = await runs.result(broken, run.runId).catch((error: unknown) => error);
    expect(isDurableError(error, "run_failed")).toBe(true);
    expect(error).toMatchObject({
      message: `run "${run.runId}" failed: it broke`,
      details: { runId: run.runId, code: "step_failed", stepId: "fall" },
    });
    expect(await runs.settled(run.runId)).toMatchObject({ status: "failed" });
  });

  test("of a canceled run throws run_canceled", async () => {
    const runs = home();
    const { run } = await runs.create(mute);
    await runs.cancel(run.runId);
    await expect(runs.result(run.runId)).rejects.toMatchObject({ code: "run_canceled" });
  });

  test("of another skill's run is an invalid_request, and a missing run a not_found", async () => {
    const runs = home();
    const { run } = await runs.start(mute);
    await expect(runs.result(letter, run.runId)).rejects.toMatchObject({ code: "invalid_request", path: "skill" });
    await expect(runs.result(letter, "none")).rejects.toMatchObject({ code: "not_found" });
    // @ts-expect-error A caller without types.
    await expect(runs.result(letter)).rejects.toMatchObject({ code: "invalid_request" });
    // @ts-expect-error A caller without types.
    await expect(runs.start(42, {})).rejects.toMatchObject({ code: "invalid_request" });
  });
});

describe("step.use with a capability", () => {
  test("calls the one that is registered under its id, such as a mock, before the one given", async () => {
    const capabilities = mockCapabilities([shout], { shout: { returns: { text: "mocked", length: 0 } } });
    const runs = createRuntime({ serves: false, store: memoryStore(), skills: [letter, graph], capabilities }).for(
      "acme",
    );
    const { run } = await runs.start(letter, { to: "Alice" });
    expect(await runs.result(letter, run.runId)).toMatchObject({ text: "mocked" });
    const second = await runs.start(graph, { text: "so" });
    expect(await runs.result(graph, second.run.runId)).toEqual({ text: "mocked" });
  });

  test("refuses what is neither a capability nor the id of one, and the body may catch it", async () => {
    const careless = defineSkill({
      id: "careless",
      version: "1",
      async run(step) {
        const codes: unknown[] = [];
        for (const given of [undefined, null, 42, {}, { definition: null, handler: null }, "unknown"]) {
          await step.use("x", given as string).catch((error: { code?: unknown }) => codes.push(error.code));
        }
        return codes;
      },
    });
    const runs = createRuntime({ serves: false, store: memoryStore(), skills: [careless] }).for("acme");
    const { run } = await runs.start(careless);
    const refused = Array.from({ length: 5 }, () => "invalid_request");
    expect(await runs.result(careless, run.runId)).toEqual([...refused, "not_found"]);
  });

  test("is checked with the skill, in both forms", async () => {
    await assertSkill(letter, { inputs: { to: "Alice" } });
    await assertSkill(graph, { inputs: { text: "so" } });
  });
});
