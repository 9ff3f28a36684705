import { afterEach, describe, expect, test, vi } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import {
  createRuntime,
  DurableError,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  localNotifier,
  type RuntimeOptions,
  type WorkflowBody,
} from "../../src/index.ts";
import { virtualClock } from "../../src/testing/index.ts";
import { until } from "../support/scene.ts";

const once = { retries: { limit: 0, delay: 0 } } as const;

function office(body: WorkflowBody, options: Partial<RuntimeOptions> = {}) {
  const skill = defineSkill({ id: "body", version: "1", run: body });
  const runtime = createRuntime({
    serves: false,
    store: memoryStore(),
    skills: [skill],
    onError: () => {},
    ...options,
  });
  return { runtime, runs: runtime.for("t") };
}

const failing: WorkflowBody = async (step) => {
  await step.do("a", once, () => Promise.reject(new Error("x"))).catch(() => {});
  return "done";
};

afterEach(() => {
  vi.restoreAllMocks();
});

describe("what fails around a run takes no run with it:", () => {
  const broken = () => {
    throw new Error("it is broken");
  };
  const mishaps: readonly [string, Partial<RuntimeOptions>][] = [
    ["an onError that throws", { onError: broken }],
    ["an onError that rejects", { onError: (async () => broken()) as never }],
    ["a background that throws", { background: broken }],
    ["a background that rejects", { background: (async () => broken()) as never }],
    ["a notifier that cannot be listened to", { notifier: { ...localNotifier(), subscribe: broken } }],
    ["a notifier that cannot be left", { notifier: { ...localNotifier(), subscribe: () => broken } }],
  ];
  test.each(mishaps)("%s", async (_, options) => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    const { runs, runtime } = office(failing, options);
    const { run } = await runs.start({ skillId: "body" });
    await runtime.idle();
    expect(await runs.get(run.runId)).toMatchObject({ status: "completed", result: "done" });
  });
});

describe("a gate", () => {
  test("about one action confirms no capability of the same name", async () => {
    let calls = 0;
    let sent = 0;
    const mail = defineCapability(
      { id: "mail.send", version: "1", sideEffects: "external_action", requiresConfirmation: true },
      () => ++sent,
    );
    const charge = { sideEffects: "external_action", isIdempotent: false, retries: { limit: 1, delay: 0 } } as const;
    const body: WorkflowBody = async (step) => {
      await step.do("mail.send", charge, async () => {
        if (calls++ === 0) throw new Error("broke");
      });
      await step.use("mail", "mail.send");
    };
    const { runs, runtime } = office(body, { capabilities: [mail] });
    const { run } = await runs.start({ skillId: "body" });
    await runtime.idle();
    await runs.approve(run.runId);
    await runtime.idle();
    expect(await runs.get(run.runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "mail", status: "pending" },
    });
    expect(sent).toBe(0);
  });

  test("of a body that has ended is asked no more, and cancels nothing", async () => {
    const body: WorkflowBody = async (step) => {
      void step.waitForApproval("late");
      void step.do("slow", { retries: { limit: 1, delay: "1 hour" } }, () => Promise.reject(new Error("no")));
      await step.do("quick", async () => undefined);
      return "done";
    };
    const { runs, runtime } = office(body);
    const { run } = await runs.start({ skillId: "body" });
    await runtime.idle();
    const parked = await runs.get(run.runId);
    expect(parked.status).toBe("running");
    expect(parked.approvalRequest).toBeUndefined();
    await expect(runs.deny(run.runId)).rejects.toMatchObject({ code: "invalid_transition" });
  });
});

test.each([
  ["answers with a promise", async () => false],
  ["rejects", () => Promise.reject(new Error("no"))],
])("a `when` that %s fails its step, and does nothing", async (_, when) => {
  let calls = 0;
  const work = defineCapability({ id: "work", version: "1" }, () => ++calls);
  const skill = defineGraphSkill({
    id: "graph",
    version: "1",
    steps: [{ id: "a", uses: "work", when: when as never }],
  });
  const runs = createRuntime({
    serves: false,
    store: memoryStore(),
    skills: [skill],
    capabilities: [work],
    onError() {},
  }).for("t");
  const { run } = await runs.start({ skillId: "graph" });
  expect(await runs.settled(run.runId)).toMatchObject({
    status: "failed",
    error: { code: "invalid_request", stepId: "a" },
  });
  expect(calls).toBe(0);
});

test.each(["no", 1, null, Symbol("no")])("isIdempotent: %s is refused, wherever it is said", async (isIdempotent) => {
  const config = { isIdempotent: isIdempotent as never };
  expect(() => defineCapability({ id: "c", version: "1", ...config }, () => 1)).toThrow(/isIdempotent/);
  const { runs } = office((step) => step.do("a", config, async () => 1).catch((error) => error.code));
  const { run } = await runs.start({ skillId: "body" });
  expect((await runs.settled(run.runId)).result).toBe("invalid_request");
});

describe("a body that throws", () => {
  const refuses = new Proxy(new Error("seen"), {
    get: () => {
      throw new Error("not to be looked at");
    },
  });
  const withCause = Object.defineProperty(new Error("mine"), "cause", {
    get: () => {
      throw new Error("not to be looked at");
    },
  });

  test.each<[string, unknown, { readonly code: string; readonly message: string }]>([
    ["what throws when it is looked at", refuses, { code: "body_failed", message: "the thrown value has no message" }],
    ["an error whose cause cannot be read", withCause, { code: "body_failed", message: "mine" }],
    [
      "an error of more errors than a call takes arguments",
      new AggregateError(Array<Error>(300_000).fill(new Error("one")), "all"),
      { code: "body_failed", message: "all" },
    ],
    ["a typed error", new DurableError("conflict", "mine"), { code: "conflict", message: "mine" }],
  ])("%s fails its run with that", async (_, thrown, error) => {
    const { runs } = office(async () => {
      throw thrown;
    });
    const { run } = await runs.start({ skillId: "body" });
    expect(await runs.settled(run.runId)).toMatchObject({ status: "failed", error });
  });

  test("what a call with a wrong argument rejects with fails its run with that code", async () => {
    const { runs } = office((step) => step.sleepUntil("nap", Number.MAX_SAFE_INTEGER));
    const { run } = await runs.start({ skillId: "body" });
    expect((await runs.settled(run.runId)).error).toMatchObject({ code: "invalid_request" });
  });
});

test.each(["store_failed", "store_blocked", "store_outdated", "quota_exceeded"] as const)(
  "a medium that answers %s for a while fails no run and no step",
  async (code) => {
    const fault = { isOn: true };
    const store = { ...memoryStore() };
    const { getClaim, commit } = store;
    const away = () => Promise.reject(new DurableError(code, "for a while"));
    store.getClaim = (...call) => (fault.isOn ? away() : getClaim(...call));
    const pay = defineCapability({ id: "pay", version: "1", sideEffects: "write" }, () => "paid");
    const skill = defineSkill({ id: "body", version: "1", run: (step) => step.use("pay", pay) });
    const clock = virtualClock();
    const runtime = createRuntime({ serves: false, store, clock, skills: [skill], capabilities: [pay], onError() {} });
    const runs = runtime.for("t");
    for (const runId of ["read", "written"]) {
      if (runId === "written") store.commit = (made) => (fault.isOn && made.run.revision > 1 ? away() : commit(made));
      fault.isOn = true;
      await runs.start({ skillId: "body", runId });
      await runtime.idle();
      fault.isOn = false;
      await clock.advance(60_000);
      await runtime.drain();
      await runtime.idle();
      expect(await runs.get(runId)).toMatchObject({ status: "completed", result: "paid" });
    }
  },
);

test("a value that cannot even be read is refused by its path", async () => {
  const { runs } = office(failing);
  const detached = new Uint8Array(new ArrayBuffer(8));
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const throwing = Object.defineProperty({}, "x", {
    enumerable: true,
    get: () => {
      throw new TypeError("no");
    },
  });
  for (const value of [detached, throwing]) {
    await expect(runs.start({ skillId: "body", inputs: { value } })).rejects.toMatchObject({
      code: "invalid_request",
      path: expect.stringContaining("inputs"),
    });
  }
});

test("a body that is stuck fails its run, also where a pass is shorter than it may be quiet", async () => {
  const { runs, runtime } = office(() => new Promise(() => {}), { passMs: 250, bodyQuietMs: 30_000 });
  const { run } = await runs.start({ skillId: "body" });
  await runtime.idle();
  for (let drains = 0; (await runs.get(run.runId)).status === "running" && drains < 5; drains++) await runtime.drain();
  expect(await runs.get(run.runId)).toMatchObject({ status: "failed", error: { code: "await_outside_step" } });
});

test("of several steps that ended a body together, each is tried afresh", async () => {
  let isSick = true;
  const calls: string[] = [];
  const { runs, runtime } = office((step) => {
    const part = (name: string) =>
      step.do(name, once, async () => {
        calls.push(name);
        if (isSick) throw new Error("sick");
        return name;
      });
    return Promise.any([part("a"), part("b")]);
  });
  const { run } = await runs.start({ skillId: "body" });
  await runtime.idle();
  expect(await runs.get(run.runId)).toMatchObject({ status: "failed", error: { code: "step_failed", stepId: "a" } });
  isSick = false;
  await runs.resume(run.runId);
  await runtime.idle();
  expect(await runs.get(run.runId)).toMatchObject({ status: "completed", result: "a" });
  expect(calls).toEqual(["a", "b", "a", "b"]);
});

test("a body of quick steps lets the rest of the process live, and can be canceled", async () => {
  let done = 0;
  const { runs, runtime } = office(async (step) => {
    for (; done < 5_000; done++) await step.do("step", async () => done);
  });
  const { run } = await runs.start({ skillId: "body" });
  await until(() => done > 0);
  expect(await runs.cancel(run.runId)).toMatchObject({ status: "canceled" });
  await runtime.idle();
  expect(await runs.get(run.runId)).toMatchObject({ status: "canceled" });
});
