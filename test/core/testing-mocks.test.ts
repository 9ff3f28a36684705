import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import {
  type AnyCapability,
  createRuntime,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  type Retries,
  type Runs,
  type Schema,
  type Skill,
  type WorkflowBody,
} from "../../src/index.ts";
import { childRuns } from "../../src/steps.ts";
import { mockCapabilities, mockSteps, virtualClock } from "../../src/testing/index.ts";
import type { Run } from "../../src/types.ts";

const version = "1.0.0";

/** Runs a skill to its end, or as far as it goes. */
async function play(
  skill: Skill,
  capabilities: readonly AnyCapability[] = [],
): Promise<{ run: Run; runs: Runs; eventTypes: readonly string[] }> {
  const clock = virtualClock();
  const runtime = createRuntime({ serves: false, store: memoryStore(), clock, skills: [skill], capabilities });
  const runs = runtime.for("tenant");
  const { run } = await runs.start({ skillId: skill.id });
  await runtime.idle();
  const events = (await runs.events(run.runId)).items;
  return { run: await runs.get(run.runId), runs, eventTypes: events.map((event) => event.eventType) };
}

async function stepOf(runs: Runs, { runId, checkpointHead }: Run, id: string) {
  return (await runs.loadCheckpoint(runId, checkpointHead ?? "")).state.stepResults[id];
}

describe("mocked capabilities", () => {
  const sent: unknown[] = [];
  const text: Schema = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) => (typeof value === "string" ? { value } : { issues: [{ message: "expected text" }] }),
    },
  };
  const send = defineCapability(
    { id: "mail.send", version, sideEffects: "external_action", output: text, timeout: 1_000 },
    (input) => {
      sent.push(input);
      return "really sent";
    },
  );
  const format = defineCapability({ id: "format", version }, (input: { to: string }) => `to ${input.to}`);
  const mail = (retries: Retries = { limit: 0 }) =>
    defineGraphSkill({
      id: "mail",
      version,
      steps: [
        { id: "format", uses: "format", input: "inputs", output: "vars.text" },
        { id: "send", uses: "mail.send", input: "vars.text", output: "outputs.sent", retries },
      ],
    });
  const formatted = { format: { returns: "to no one" } };

  test("have the same definitions, and those without a mock are themselves", () => {
    const [mocked, kept] = mockCapabilities([send, format], { "mail.send": { returns: "" } });
    expect(mocked?.definition).toBe(send.definition);
    expect(mocked?.handler).not.toBe(send.handler);
    expect(kept).toBe(format);
  });

  test("return their result, and it is recorded like that of the real action", async () => {
    const capabilities = mockCapabilities([send, format], { ...formatted, "mail.send": { returns: "as if" } });
    const { run, eventTypes } = await play(mail(), capabilities);
    expect(run).toMatchObject({ status: "completed", result: { sent: "as if" } });
    expect(eventTypes).toContain("side_effect.recorded");
    expect(sent).toEqual([]);
  });

  test("throw their error", async () => {
    const capabilities = mockCapabilities([send, format], { ...formatted, "mail.send": { throws: new Error("full") } });
    const { run } = await play(mail(), capabilities);
    expect(run).toMatchObject({ status: "failed", error: { code: "step_failed", message: "full", stepId: "send" } });
  });

  test("time out without taking time, for a number of attempts, and then call the real action", async () => {
    const capabilities = mockCapabilities([send, format], { ...formatted, "mail.send": { timesOut: true, times: 2 } });
    const { run, eventTypes } = await play(mail({ limit: 2, delay: 1_000 }), capabilities);
    expect(run).toMatchObject({ status: "completed", result: { sent: "really sent" } });
    expect(eventTypes.filter((type) => type === "step.retry_scheduled")).toHaveLength(2);
    expect(sent.splice(0)).toEqual(["to no one"]);
    const failed = await play(
      mail(),
      mockCapabilities([send, format], { ...formatted, "mail.send": { timesOut: true } }),
    );
    expect(failed.run).toMatchObject({ status: "failed", error: { code: "step_timeout" } });
  });

  test("are functions of the input and the step", async () => {
    const keys: string[] = [];
    const capabilities = mockCapabilities([send, format], {
      format: (input: object) => `to ${Object.keys(input).length} people`,
      "mail.send": async (input, { idempotencyKey, stepId }) => {
        keys.push(idempotencyKey);
        return `${stepId}: ${input}`;
      },
    });
    const { run } = await play(mail(), capabilities);
    expect(run).toMatchObject({ status: "completed", result: { sent: "send: to 0 people" } });
    expect(keys).toEqual([expect.stringContaining(`tenant/${run.runId}/send`)]);
  });

  test("are held to the schema of the real thing", async () => {
    const capabilities = mockCapabilities([send, format], { ...formatted, "mail.send": { returns: 7 } });
    const { run } = await play(mail(), capabilities);
    expect(run).toMatchObject({ status: "failed", error: { code: "invalid_output" } });
  });

  test("must be among those given, and be a mock", () => {
    expect(() => mockCapabilities([send], { "mail.sent": { returns: "" } })).toThrow(
      expect.objectContaining({ code: "invalid_definition", path: "mail.sent" }),
    );
    expect(() => mockCapabilities([send], { "mail.send": { return: "" } as never })).toThrow(
      expect.objectContaining({ code: "invalid_definition", path: "mail.send" }),
    );
    expect(() => mockCapabilities([send], { toString: { returns: "" } })).toThrow(
      expect.objectContaining({ code: "invalid_definition", path: "toString" }),
    );
    // A Map has no entries by name: the real handler would be called.
    expect(() => mockCapabilities([send], new Map([["mail.send", { returns: "" }]]) as never)).toThrow(
      expect.objectContaining({ code: "invalid_definition", path: "mocks" }),
    );
  });
});

describe("mocked steps", () => {
  const stock = defineCapability(
    { id: "stock.take", version, retries: { limit: 1, delay: 1_000 } },
    () => "really taken",
  );
  const code = <R>(run: WorkflowBody<never, R>) => defineSkill({ id: "order", version, run });
  const order = code(async (step) => {
    const taken = await step.use<string>("take", "stock.take", { item: "pen" });
    const charged = await step.do("charge", { retries: { limit: 1, delay: "1 hour" } }, async () => "really charged");
    const { payload } = await step.waitForEvent<string>("paid", { type: "payment" });
    return { taken, charged, payload };
  });
  const all = { take: { returns: "taken" }, charge: { returns: "charged" }, paid: { returns: "all of it" } };

  test("return their result, and are recorded as the kind of step that they replace", async () => {
    const { run, runs } = await play(mockSteps(order, all), [stock]);
    expect(run).toMatchObject({
      status: "completed",
      result: { taken: "taken", charged: "charged", payload: "all of it" },
    });
    expect(await stepOf(runs, run, "take")).toMatchObject({
      uses: "stock.take",
      status: "completed",
      resolvedInput: { item: "pen" },
      producedOutput: "taken",
    });
    expect(await stepOf(runs, run, "charge")).toMatchObject({ uses: "step.do", producedOutput: "charged" });
    expect(await stepOf(runs, run, "paid")).toMatchObject({
      uses: "step.waitForEvent",
      producedOutput: { payload: "all of it", type: "payment", timestamp: expect.any(Date) },
    });
  });

  test("throw and time out, as often as they say", async () => {
    const mocks = {
      ...all,
      take: { throws: new Error("none left"), times: 1 },
      charge: { timesOut: true as const, times: 1 },
    };
    const { run, eventTypes } = await play(mockSteps(order, mocks), [stock]);
    // One attempt failed, and an hour is too long to wait for it here.
    expect(run.status).toBe("running");
    expect(eventTypes.filter((type) => type === "step.retry_scheduled")).toHaveLength(2);
    const failed = await play(mockSteps(order, { take: { throws: new RangeError("none left") } }), [stock]);
    expect(failed.run).toMatchObject({ status: "failed", error: { message: "none left", stepId: "take" } });
  });

  test("of a wait time out as a wait does", async () => {
    const patient = code(async (step) => {
      try {
        await step.waitForEvent("paid", { type: "payment", timeout: "30 days" });
        return "paid";
      } catch (error) {
        return (error as Error).message;
      }
    });
    const { run } = await play(mockSteps(patient, { paid: { timesOut: true } }));
    expect(run).toMatchObject({ status: "completed", result: 'signal "payment" did not arrive in time' });
  });

  test("are functions, which see the input of step.use and which attempt it is", async () => {
    const seen: unknown[] = [];
    const mocks = {
      ...all,
      take: (input: unknown, { attempt, idempotencyKey }: { attempt: number; idempotencyKey: string }) => {
        seen.push(input, attempt, idempotencyKey);
        if (attempt === 1) throw new Error("again");
        return "taken";
      },
      paid: () => "by card",
    };
    const { run } = await play(mockSteps(order, mocks), [stock]);
    expect(run).toMatchObject({ status: "completed", result: { taken: "taken", payload: "by card" } });
    const key = `tenant/${run.runId}/take`;
    expect(seen).toEqual([{ item: "pen" }, 1, key, { item: "pen" }, 2, key]);
  });

  test("answer for each step of a repeated name, and once each", async () => {
    let answers = 0;
    const twice = code(async (step) => {
      const first = await step.do("count", async () => -1);
      await step.sleep("nap", "1 second");
      return [first, await step.do("count", async () => -1)];
    });
    const { run } = await play(mockSteps(twice, { count: () => ++answers }));
    expect(run).toMatchObject({ status: "completed", result: [1, 2] });
  });

  test("pile up: a mocked skill can be mocked again", async () => {
    const inner = mockSteps(order, { take: { returns: "inner" }, paid: { returns: 1 } });
    const { run } = await play(mockSteps(inner, { charge: { returns: "outer" } }), [stock]);
    expect(run).toMatchObject({ status: "completed", result: { taken: "inner", charged: "outer" } });
  });

  test("of a name that the body never asked for fail the run, also where the body threw", async () => {
    const misspelt = await play(mockSteps(order, { ...all, chrage: { returns: 1 } }), [stock]);
    expect(misspelt.run).toMatchObject({ status: "failed", error: { code: "invalid_definition", stepId: "chrage" } });
    const early = code(async (step) => {
      await step.do("one", async () => 1);
      throw new Error("early");
    });
    expect((await play(mockSteps(early, { two: { returns: 2 } }))).run.error?.code).toBe("invalid_definition");
    expect((await play(mockSteps(early, { one: { returns: 2 } }))).run.error).toMatchObject({ message: "early" });
  });

  test.each<[string, WorkflowBody]>([
    ["a sleep", (step) => step.sleep("it", "1 day")],
    ["a sleep until a time", (step) => step.sleepUntil("it", Date.now() + 1e9)],
    ["a gate", (step) => step.waitForApproval("it")],
  ])("of %s fail the run", async (_, body) => {
    const { run } = await play(mockSteps(code(body), { it: { returns: null } }));
    expect(run).toMatchObject({ status: "failed", error: { code: "invalid_definition", stepId: "it" } });
  });

  describe("of child runs", () => {
    const parent = defineSkill({
      id: "parent",
      version,
      uses: [childRuns],
      async run(step) {
        const first = await step.run<number>("first", "elsewhere", { n: 1 });
        return [first, await step.run("second", "elsewhere", { n: first }).catch(({ message }: Error) => message)];
      },
    });

    test("answer without a child, and see its inputs", async () => {
      const inputs: unknown[] = [];
      const first = (input: unknown) => {
        inputs.push(input);
        return 7;
      };
      const { run, runs } = await play(mockSteps(parent, { first, second: { throws: new Error("it failed") } }));
      expect(run).toMatchObject({ status: "completed", result: [7, "it failed"] });
      expect(inputs).toEqual([{ n: 1 }]);
      expect(await runs.count()).toBe(1);
      expect(await stepOf(runs, run, "first")).toMatchObject({ uses: "step.run", producedOutput: 7 });
      const { run: late } = await play(mockSteps(parent, { first, second: { timesOut: true } }));
      expect(late.result).toEqual([7, 'the child run of step "second" timed out']);
    });

    test("pile up, and one of a name that no step has fails the run", async () => {
      const once = mockSteps(parent, { first: { returns: 1 }, second: { returns: 2 } });
      const { run } = await play(mockSteps(once, { second: { returns: 3 } }));
      expect(run.result).toEqual([1, 3]);
      const { run: wrong } = await play(mockSteps(once, { third: { returns: 3 } }));
      expect(wrong.error).toMatchObject({ code: "invalid_definition", stepId: "third" });
    });
  });

  test("are not for a graph", () => {
    const graph = defineGraphSkill({ id: "g", version, steps: [{ id: "nap", sleep: 1 }] });
    expect(() => mockSteps(graph, {})).toThrow(expect.objectContaining({ code: "invalid_definition" }));
  });
});
