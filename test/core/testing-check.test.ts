import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { chargeCard } from "../../examples/testing/card.ts";
import { sendMail } from "../../examples/testing/mail.ts";
import { order } from "../../examples/testing/order.ts";
import {
  type CapabilityDefinition,
  createRuntime,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  type Skill,
  type WorkflowBody,
} from "../../src/index.ts";
import {
  assertSkill,
  checkSkill,
  mockCapabilities,
  mockSteps,
  type SkillCheck,
  type SkillProblem,
} from "../../src/testing/index.ts";
import { exportRun } from "../../src/transfer.ts";

function bodySkill(run: WorkflowBody<{ amount: number }>, version = "1"): Skill {
  return defineSkill({ id: "checked", version, run });
}

const inputs = { amount: 12 };

async function problemsOf(skill: Skill, check: Partial<SkillCheck> = {}): Promise<readonly SkillProblem[]> {
  return (await checkSkill(skill, { inputs, ...check })).problems;
}

/** The kinds and the steps of the problems, each once. */
async function kindsOf(skill: Skill, check: Partial<SkillCheck> = {}): Promise<readonly string[]> {
  const problems = await problemsOf(skill, check);
  return [...new Set(problems.map(({ kind, stepId = "-" }) => `${kind} ${stepId}`))];
}

/** A payment that hands its key on, and counts under which keys it was made. */
function payment(definition: Partial<CapabilityDefinition> = {}, readsKey = true) {
  const keys: string[] = [];
  const capability = defineCapability(
    { id: "card.charge", version: "1", sideEffects: "external_action", ...definition },
    async (_input: unknown, context) => {
      if (readsKey) keys.push(context.idempotencyKey);
      return { receipt: "r1" };
    },
  );
  return { capability, keys };
}

describe("effects", () => {
  test("an action that hands its key on is no problem, and the report says how often it was called", async () => {
    const { capability, keys } = payment();
    const report = await checkSkill(
      bodySkill((step, { amount }) => step.use("charge", "card.charge", { amount })),
      { inputs, capabilities: [capability] },
    );
    expect(report.problems).toEqual([]);
    expect(report.steps).toEqual([
      expect.objectContaining({
        stepId: "charge",
        uses: "card.charge",
        sideEffects: "external_action",
        mostCalls: 2,
        mostKeys: 1,
        usesKey: true,
      }),
    ]);
    expect(keys).toContain(report.steps[0]?.key);
    expect(report.run).toMatchObject({ status: "completed", result: { receipt: "r1" } });
  });

  test("an action that does not read its key is doubled by a crash", async () => {
    const { capability } = payment({}, false);
    const body: WorkflowBody<{ amount: number }> = (step, { amount }) => step.use("charge", "card.charge", { amount });
    const problems = await problemsOf(bodySkill(body), { capabilities: [capability] });
    expect(problems).toMatchObject([{ kind: "effect", stepId: "charge", when: expect.stringMatching(/^stopped /) }]);
    expect(problems[0]?.message).toContain("does not read its idempotency key");
    // A person is asked before it is done again.
    const asked = payment({ isIdempotent: false }, false).capability;
    expect(await problemsOf(bodySkill(body), { capabilities: [asked] })).toEqual([]);
    const reading = payment({ sideEffects: "read" }, false).capability;
    expect(await problemsOf(bodySkill(body), { capabilities: [reading] })).toEqual([]);
  });

  test("an action whose input changes is doubled under another key", async () => {
    const { capability } = payment();
    let tick = 0;
    const wrong = bodySkill((step, { amount }) => step.use("charge", "card.charge", { amount, at: ++tick }));
    const problems = await problemsOf(wrong, { capabilities: [capability] });
    expect(problems).toContainEqual(
      expect.objectContaining({
        kind: "effect",
        stepId: "charge",
        message: expect.stringContaining("a different idempotency key"),
      }),
    );
    const right = bodySkill(async (step, { amount }) => {
      const at = await step.do("now", { sideEffects: "none" }, async () => ++tick);
      return step.use("charge", "card.charge", { amount, at });
    });
    expect(await problemsOf(right, { capabilities: [capability] })).toEqual([]);
  });

  test("a callback that declares nothing and reads no key may be an action", async () => {
    const undeclared = bodySkill((step) => step.do("write", async () => 1));
    expect(await kindsOf(undeclared)).toEqual(["effect write"]);
    expect(
      await problemsOf(bodySkill((step) => step.do("write", async ({ idempotencyKey }) => idempotencyKey))),
    ).toEqual([]);
    expect(await problemsOf(bodySkill((step) => step.do("write", { sideEffects: "none" }, async () => 1)))).toEqual([]);
  });

  test("a step of a graph is observed as well", async () => {
    const skill = defineGraphSkill({
      id: "checked",
      version: "1",
      steps: [{ id: "charge", uses: "card.charge", input: { amount: "inputs.amount" }, output: "outputs.receipt" }],
    });
    expect(await problemsOf(skill, { capabilities: [payment().capability] })).toEqual([]);
    expect(await kindsOf(skill, { capabilities: [payment({}, false).capability] })).toEqual(["effect charge"]);
  });
});

describe("nondeterminism", () => {
  test("a body that asks for another step when it is called again", async () => {
    let call = 0;
    const skill = bodySkill(async (step) => {
      const name = call++ === 0 ? "first" : "second";
      await step.do(name, { sideEffects: "none" }, async () => name);
      await step.do("last", { sideEffects: "none" }, async () => 1);
    });
    expect(await kindsOf(skill)).toContain("nondeterminism first");
  });

  test("a body whose result is not made of its steps' results", async () => {
    let call = 0;
    const skill = bodySkill(async (step) => {
      await step.do("one", { sideEffects: "none" }, async () => 1);
      return ++call;
    });
    expect(await problemsOf(skill)).toEqual([
      expect.objectContaining({ kind: "nondeterminism", message: expect.stringContaining("a different result") }),
    ]);
  });

  test("a callback that sets a variable of the body", async () => {
    const skill = bodySkill(async (step) => {
      let total = 0;
      await step.do("sum", { sideEffects: "none" }, async () => {
        total = 5;
      });
      return total;
    });
    expect(await kindsOf(skill)).toEqual(["nondeterminism -"]);
    const right = bodySkill((step) => step.do("sum", { sideEffects: "none" }, async () => 5));
    expect(await problemsOf(right)).toEqual([]);
  });

  test("a body that awaits something else than a step", async () => {
    const skill = bodySkill(async (step) => {
      await step.do("one", { sideEffects: "none" }, async () => 1);
      await new Promise(() => {});
    });
    expect(await kindsOf(skill, { mostCommits: 1 })).toEqual(["nondeterminism one"]);
  });

  test("a race and parallel steps in any order are none", async () => {
    const skill = bodySkill(async (step) => {
      const order: string[] = [];
      const part = (name: string) =>
        step.do(name, { sideEffects: "none" }, async () => name).then((done) => order.push(done));
      await Promise.all([part("a"), part("b"), part("c")]);
      const winner = await Promise.race([
        step.do("d", { sideEffects: "none" }, async () => "d"),
        step.do("e", { sideEffects: "none" }, async () => "e"),
      ]);
      return [...order, winner];
    });
    expect(await problemsOf(skill)).toEqual([]);
  });
});

describe("values", () => {
  class Client {
    name = "x";
  }

  test("what a step returns", async () => {
    const skill = bodySkill((step) => step.do("open", { sideEffects: "none" }, async () => ({ client: new Client() })));
    expect(await problemsOf(skill)).toMatchObject([{ kind: "value", stepId: "open", path: "output.client" }]);
  });

  test("what a capability returns, and what it is called with", async () => {
    const open = defineCapability({ id: "open", version: "1", sideEffects: "none" }, async () => ({ list: [() => 1] }));
    const returned = bodySkill((step) => step.use("open", "open"));
    expect(await problemsOf(returned, { capabilities: [open] })).toMatchObject([
      { kind: "value", stepId: "open", path: "output.list[0]" },
    ]);
    const called = bodySkill((step) => step.use("open", "open", { client: new Client() }));
    expect(await problemsOf(called, { capabilities: [open] })).toMatchObject([
      { kind: "value", stepId: "open", path: "input.client" },
    ]);
  });

  test("what the body returns", async () => {
    const skill = bodySkill(async (step) => {
      await step.do("one", { sideEffects: "none" }, async () => 1);
      return { client: new Client() };
    });
    expect(await problemsOf(skill)).toMatchObject([{ kind: "value", path: "result.client" }]);
  });

  test("dates, maps and errors can be kept", async () => {
    const skill = bodySkill((step) =>
      step.do("open", { sideEffects: "none" }, async () => [new Date(0), new Map([[1, 2]]), new Error("x")]),
    );
    expect(await problemsOf(skill)).toEqual([]);
  });
});

describe("waits", () => {
  const waiting = (timeout?: number) =>
    defineGraphSkill({
      id: "checked",
      version: "1",
      steps: [
        {
          id: "payment",
          waitFor: { signal: "paid", ...(timeout === undefined ? {} : { timeout }) },
          onFailure: "continue",
          output: "outputs.paid",
        },
      ],
    });

  test("a signal that is never sent, without a timeout", async () => {
    expect(await problemsOf(waiting())).toMatchObject([
      { kind: "wait", stepId: "payment", message: expect.stringContaining('"paid"') },
    ]);
  });

  test("a signal that comes, or whose wait times out, is none", async () => {
    expect(await problemsOf(waiting(), { signals: { paid: 12 } })).toEqual([]);
    expect(await problemsOf(waiting(60_000))).toEqual([]);
  });

  test("a loop that never ends", async () => {
    const skill = bodySkill(async (step) => {
      for (;;) await step.sleep("nap", "1 day");
    });
    expect(await kindsOf(skill, { mostWaits: 20 })).toEqual(["wait nap#20"]);
  });

  test("signals win over timeouts and lose to them, and both ways are checked", async () => {
    const skill = bodySkill(async (step) => {
      try {
        return (await step.waitForEvent<number>("payment", { type: "paid", timeout: "7 days" })).payload;
      } catch {
        return step.do("remind", async () => "reminded");
      }
    });
    expect(await kindsOf(skill)).toEqual(["effect remind"]);
    const report = await checkSkill(skill, { inputs, signals: { paid: 12 } });
    expect(report.run.result).toBe(12);
    expect(report.problems).toMatchObject([
      { kind: "effect", stepId: "remind", when: expect.stringContaining("no signal arrived in time") },
    ]);
  });

  test("gates are opened, or denied", async () => {
    const skill = bodySkill(async (step) => {
      await step.waitForApproval("ask");
      return "approved";
    });
    const approved = await checkSkill(skill, { inputs });
    expect(approved).toMatchObject({ problems: [], run: { status: "completed", result: "approved" } });
    const denied = await checkSkill(skill, { inputs, approve: false });
    expect(denied).toMatchObject({ problems: [], run: { status: "canceled" } });
  });
});

describe("the end", () => {
  test("a run that fails where parallel steps return in another order", async () => {
    const skill = bodySkill(async (step) => {
      const part = (name: string) => step.do(name, { sideEffects: "none" }, async () => name);
      const winner = await Promise.race([part("a"), part("b")]);
      if (winner === "b") throw new Error("b was first");
      return winner;
    });
    expect(await problemsOf(skill)).toMatchObject([
      {
        kind: "end",
        message: "The run is failed instead of completed: b was first.",
        when: "parallel steps returned in reverse",
      },
    ]);
  });

  test("a handler that takes real time is not outrun by its timeout", async () => {
    const skill = bodySkill((step) =>
      step.do("slow", { sideEffects: "none", timeout: "1 second", retries: { limit: 0, delay: 0 } }, async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        return 1;
      }),
    );
    expect(await checkSkill(skill, { inputs })).toMatchObject({ problems: [], run: { result: 1 } });
  });

  test("a run that fails as it is meant to is no problem, and the report has its error", async () => {
    const skill = bodySkill((step) =>
      step.do("refuse", { retries: { limit: 0, delay: 0 }, sideEffects: "none" }, async () => {
        throw new Error("no stock");
      }),
    );
    const report = await checkSkill(skill, { inputs });
    expect(report).toMatchObject({ problems: [], run: { status: "failed", error: { message: "no stock" } } });
  });

  test("a run that ends otherwise when it is disturbed", async () => {
    let calls = 0;
    const skill = bodySkill((step) =>
      step.do("once", { retries: { limit: 0, delay: 0 }, sideEffects: "none" }, async () => {
        if (++calls > 1) throw new Error("there is one already");
        return calls;
      }),
    );
    expect(await problemsOf(skill)).toMatchObject([
      { kind: "end", stepId: "once", message: expect.stringContaining("failed instead of completed") },
    ]);
  });
});

describe("histories", () => {
  const part = (name: string) => [name, { sideEffects: "none" as const }, async () => name] as const;
  const old = bodySkill(async (step) => {
    await step.do(...part("a"));
    await step.do(...part("b"));
    return "ab";
  });

  async function history(): Promise<readonly string[]> {
    const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [old] });
    const runs = runtime.for("someone");
    const { run } = await runs.start({ skillId: "checked", inputs });
    await runs.settled(run.runId);
    await runtime.idle();
    const lines: string[] = [];
    for await (const line of exportRun(runs, run.runId)) lines.push(line);
    return lines;
  }

  test("code that does the same can replay them", async () => {
    expect(await problemsOf(old, { histories: [await history()] })).toEqual([]);
  });

  test("code that asks for other steps cannot", async () => {
    const changed = bodySkill(async (step) => {
      await step.do(...part("a"));
      await step.do(...part("renamed"));
      return "ab";
    });
    expect(await problemsOf(changed, { histories: [await history()] })).toMatchObject([
      { kind: "nondeterminism", stepId: "b", when: expect.stringContaining("history 1") },
    ]);
  });

  test("a run that still waits is taken to its end", async () => {
    const waiting = bodySkill(async (step) => {
      await step.do(...part("a"));
      return (await step.waitForEvent<number>("payment", { type: "paid", timeout: "7 days" })).payload;
    });
    const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [waiting] });
    const runs = runtime.for("someone");
    const { run } = await runs.start({ skillId: "checked", inputs });
    await runtime.idle();
    expect((await runs.get(run.runId)).status).toBe("waiting_for_signal");
    const lines: string[] = [];
    for await (const line of exportRun(runs, run.runId)) lines.push(line);
    expect(await problemsOf(waiting, { histories: [lines], signals: { paid: 1 } })).toEqual([]);
    const changed = bodySkill(async (step) => {
      await step.do(...part("b"));
      return (await step.waitForEvent<number>("payment", { type: "paid", timeout: "7 days" })).payload;
    });
    const problems = await problemsOf(changed, { histories: [lines], signals: { paid: 1 } });
    expect(problems).toMatchObject([{ kind: "nondeterminism", stepId: "a" }]);
  });

  test("a version without a migration cannot", async () => {
    const next = bodySkill(async (step) => {
      await step.do(...part("a"));
      return "a";
    }, "2");
    const problems = await problemsOf(next, { histories: [await history()] });
    expect(problems).toMatchObject([{ kind: "end", message: expect.stringContaining("migration") }]);
  });
});

describe("the report", () => {
  test("assertSkill throws it", async () => {
    const skill = bodySkill((step) => step.do("write", async () => 1));
    await expect(assertSkill(skill, { inputs })).rejects.toThrow(/1 problem found.*effect in step "write"/s);
    const fine = bodySkill((step) => step.do("write", { sideEffects: "none" }, async () => 1));
    expect((await assertSkill(fine, { inputs })).text).toContain("no problems found");
  });

  test("the docs show the real one", async () => {
    const capabilities = mockCapabilities([chargeCard, sendMail], {
      "card.charge": (_payment, { idempotencyKey }) => ({ receipt: idempotencyKey.length }),
      "mail.send": (_mail, { idempotencyKey }) => void idempotencyKey,
    });
    const { text } = await checkSkill(order, { inputs: { customer: "alice@example.com", amount: 12 }, capabilities });
    const page = readFileSync("docs/testing.md", "utf8");
    const shown = /^```text\n(skill "shop\.order".*?)\n```$/ms.exec(page)?.[1];
    // How many commits and runs there are may change with the engine.
    const withoutNumbers = (report = "") => report.replaceAll(/\d+ runs|commit \d+/g, "…");
    expect(withoutNumbers(shown)).toBe(withoutNumbers(text));
  });

  test("mocked skills can be checked", async () => {
    const skill = bodySkill(async (step) => {
      await step.do("write", { sideEffects: "write" }, async () => 1);
      return (await step.waitForEvent<number>("payment", { type: "paid" })).payload;
    });
    const mocked = mockSteps(skill, { payment: { returns: 3 }, write: { returns: 1 } });
    const report = await checkSkill(mocked, { inputs });
    expect(report.run.result).toBe(3);
    expect(report.problems).toMatchObject([{ kind: "effect", stepId: "write" }]);
  });

  test("inputs that cannot be kept are the caller's fault", async () => {
    const skill = bodySkill(async () => 1);
    await expect(checkSkill(skill, { inputs: { amount: () => 1 } })).rejects.toMatchObject({ code: "invalid_request" });
  });
});
