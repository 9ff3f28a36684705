import { describe, expect, expectTypeOf, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill, isDurableError } from "../../src/index.ts";
import { type MapOptions, type MapOutcome, maps } from "../../src/steps.ts";
import type { Store } from "../../src/store.ts";
import { assertSkill, createTestRuntime, mockSteps } from "../../src/testing/index.ts";

/** The length of the row and of the snapshot of a commit. */
function sizeOf([{ run, entry }]: Parameters<Store["commit"]>): number {
  return run.body.length + (entry?.body.length ?? 0) + (entry?.snapshot?.length ?? 0);
}

const once = { retries: { limit: 0, delay: 0 } };

describe("the arguments of a map", () => {
  async function errorOf(...args: readonly unknown[]) {
    let calls = 0;
    const skill = defineSkill({
      id: "mapped",
      version: "1",
      uses: [maps],
      async run(step) {
        const given = args.map((arg) => (arg === "callback" ? async () => calls++ : arg));
        const error = await step.map(...(given as [never, never, never])).catch((thrown: unknown) => thrown);
        return isDurableError(error) ? { code: error.code, path: error.path, message: error.message } : error;
      },
    });
    const { runs, settle } = createTestRuntime({ skills: [skill] });
    const { run } = await runs.start(skill, {});
    await settle();
    expect(calls).toBe(0);
    return runs.result(skill, run.runId);
  }

  test.each([
    ["a key that two items have", ["m", ["a", "b", "a"], { key: (item: string) => item }, "callback"], "m.items[2]"],
    ["a key that is no text", ["m", [7], { key: (item: number) => item }, "callback"], "m.items[0]"],
    ["a key that is too long", ["m", [7], { key: () => "k".repeat(254) }, "callback"], "m.items[0]"],
    ["a list that is none", ["m", { length: 1 }, "callback"], "m.items"],
    ["no concurrency", ["m", [1], { concurrency: 0 }, "callback"], "m.concurrency"],
    ["half a concurrency", ["m", [1], { concurrency: 1.5 }, "callback"], "m.concurrency"],
    ["an unknown policy", ["m", [1], { onFailure: "continue" }, "callback"], "m.onFailure"],
    [
      "wrong retries, also if failures are collected",
      ["m", [1], { onFailure: "collect", retries: 5 }, "callback"],
      "m.retries",
    ],
    ["a wrong key function", ["m", [1], { key: "id" }, "callback"], "m.key"],
    ["no callback", ["m", [1], {}], "m.callback"],
    ["no name", ["", [1], "callback"], "name"],
  ])("%s is an error that names the place, and no item is called", async (_, args, path) => {
    expect(await errorOf(...args)).toMatchObject({ code: "invalid_request", path });
  });

  test("the error of a key names the other item", async () => {
    const { message } = (await errorOf("m", ["a", "a"], { key: () => "k" }, "callback")) as { message: string };
    expect(message).toContain('the item has the key of item 0, "k"');
  });

  test("decide the type of the results", () => {
    defineSkill({
      id: "typed",
      version: "1",
      uses: [maps],
      async run(step) {
        expectTypeOf(await step.map("a", [1], async (n) => `${n}`)).toEqualTypeOf<readonly string[]>();
        expectTypeOf(await step.map("b", [1], { concurrency: 2 }, async (n) => n)).toEqualTypeOf<readonly number[]>();
        const collected = await step.map("c", ["x"], { onFailure: "collect" }, async (text) => text.length);
        expectTypeOf(collected).toEqualTypeOf<readonly MapOutcome<number>[]>();
        const unknown = { onFailure: "fail" } as MapOptions<number>;
        // @ts-expect-error it may collect
        void step.map("d", [1], unknown, async (n) => n);
      },
    });
  });
});

describe("a map", () => {
  test("of no items is an empty list, without a step", async () => {
    const skill = defineSkill({ id: "m", version: "1", uses: [maps], run: (step) => step.map("m", [], async () => 1) });
    const { runs, settle } = createTestRuntime({ skills: [skill] });
    const { run } = await runs.start(skill, {});
    await settle();
    expect(await runs.result(skill, run.runId)).toEqual([]);
  });

  test("goes on with the list that it was called with", async () => {
    const skill = defineSkill({
      id: "m",
      version: "1",
      uses: [maps],
      async run(step) {
        const list = [1, 2, 3];
        const results = step.map("m", list, { concurrency: 1 }, async (n) => n);
        list.fill(9);
        return results;
      },
    });
    const { runs, settle } = createTestRuntime({ skills: [skill] });
    const { run } = await runs.start(skill, {});
    await settle();
    expect(await runs.result(skill, run.runId)).toEqual([1, 2, 3]);
  });

  test("under a name that was used counts its steps like others", async () => {
    const skill = defineSkill({
      id: "m",
      version: "1",
      uses: [maps],
      run: async (step) => [
        await step.map("m", [1], async (n) => n),
        await step.map("m", [2], async (_, { step: { name, count } }) => `${name} ${count}`),
      ],
    });
    const { runs, settle } = createTestRuntime({ skills: [skill] });
    const { run } = await runs.start(skill, {});
    await settle();
    expect(await runs.result(skill, run.runId)).toEqual([[1], ["m[0] 2"]]);
  });

  test("calls the mocks of its steps", async () => {
    const skill = defineSkill({
      id: "m",
      version: "1",
      uses: [maps],
      run: (step) => step.map("m", [1, 2], async (n) => n),
    });
    const mocked = mockSteps(skill, { "m[1]": { returns: 5 } });
    const { runs, settle } = createTestRuntime({ skills: [mocked] });
    const { run } = await runs.start(skill, {});
    await settle();
    expect(await runs.result(skill, run.runId)).toEqual([1, 5]);
  });

  test("in the callback of a step is a nested step", async () => {
    const skill = defineSkill({
      id: "m",
      version: "1",
      uses: [maps],
      run: (step) => step.do("outer", once, () => step.map("m", [1, 2], async (n) => n)),
    });
    const { runs, settle } = createTestRuntime({ skills: [skill] });
    const { run } = await runs.start(skill, {});
    await settle();
    expect(await runs.get(run.runId)).toMatchObject({ status: "failed", error: { code: "nested_step" } });
  });
});

describe("checkSkill finds no fault with a map", () => {
  const letters = ["a", "b", "c", "d", "e"];

  test("of effects that read their key", async () => {
    const skill = defineSkill({
      id: "checked",
      version: "1",
      uses: [maps],
      run: (step) =>
        step.map("m", letters, { concurrency: 2, sideEffects: "external_action" }, async (letter, context) => {
          return `${letter} ${context.idempotencyKey.length > 0}`;
        }),
    });
    const report = await assertSkill(skill, { inputs: {} });
    expect(report.steps.map(({ stepId }) => stepId).toSorted()).toEqual(letters.map((_, index) => `m[${index}]`));
  });

  test("that collects failures, tries again, and stands beside other steps", async () => {
    const skill = defineSkill({
      id: "checked",
      version: "1",
      uses: [maps],
      async run(step) {
        const options = {
          concurrency: 2,
          onFailure: "collect",
          retries: { limit: 1, delay: "1 minute" },
          sideEffects: "none",
        } as const;
        const [outcomes] = await Promise.all([
          step.map("m", letters, options, async (letter, { attempt }) => {
            if (letter === "b" && attempt === 1) throw new Error("not yet");
            if (letter === "d") throw new Error("never");
            return letter;
          }),
          step.sleep("nap", "30 seconds"),
        ]);
        return outcomes.map((outcome) => (outcome.status === "completed" ? outcome.value : "none"));
      },
    });
    const report = await assertSkill(skill, { inputs: {} });
    expect(report.run).toMatchObject({ status: "completed", result: ["a", "b", "c", "none", "e"] });
  });

  test("that fails", async () => {
    const skill = defineSkill({
      id: "checked",
      version: "1",
      uses: [maps],
      async run(step) {
        try {
          return await step.map("m", letters, { concurrency: 3, sideEffects: "none", ...once }, async (letter) => {
            if (letter !== "a") throw new Error(letter);
          });
        } catch (error) {
          return step.do("report", { sideEffects: "none" }, async () => `${(error as Error).message} failed first`);
        }
      },
    });
    const report = await assertSkill(skill, { inputs: {} });
    expect(report.run.status).toBe("completed");
  });
});

test("10,000 items store as much for each item as 1,000 do, and are read as often", async () => {
  const skill = defineSkill({
    id: "many",
    version: "1",
    uses: [maps],
    run: async (step, { count }: { count: number }) => {
      const items = Array.from({ length: count }, (_, index) => index);
      return (await step.map("item", items, { concurrency: 8 }, async (n) => n)).length;
    },
  });
  const cost = async (count: number) => {
    let bytes = 0;
    const calls = new Map<string, number>();
    const counted = new Proxy(memoryStore(), {
      get:
        (store, name: keyof Store) =>
        (...args: never) => {
          calls.set(name, (calls.get(name) ?? 0) + 1);
          if (name === "commit") bytes += sizeOf(args);
          return (store[name] as (...args: never) => unknown)(...args);
        },
    });
    const runtime = createRuntime({ serves: false, store: counted, skills: [skill] });
    const runs = runtime.for("t");
    const { run } = await runs.start(skill, { count });
    await runtime.idle();
    expect(await runs.result(skill, run.runId)).toBe(count);
    await runtime.stop();
    return { bytes: bytes / count, commits: (calls.get("commit") ?? 0) / count };
  };
  const [few, many] = [await cost(1_000), await cost(10_000)];
  expect(many.commits).toBeLessThan(1.1);
  // The numbers in the names are a digit longer.
  expect(many.bytes / few.bytes).toBeLessThan(1.1);
}, 120_000);
