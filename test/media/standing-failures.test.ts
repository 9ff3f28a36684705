import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import {
  DurableError,
  defineCapability,
  defineGraphSkill,
  type ErrorCode,
  type GraphStep,
  isDurableError,
  type WorkflowStep,
} from "../../src/index.ts";
import { leaseMs, tenant } from "../support/scene.ts";
import { headOf, inRealTime, once, pause, playedOn, recordedSteps, untilRecorded } from "../support/standing.ts";
import { rowsOf } from "../support/stored.ts";

/** The process's events, in engines that have them. */
interface ProcessEvents {
  on?(event: "unhandledRejection", listener: (reason: unknown) => void): void;
  off?(event: "unhandledRejection", listener: (reason: unknown) => void): void;
}

/** What the work returns, which leaves no rejection unhandled. */
async function withNoneUnhandled<T>(work: () => Promise<T>): Promise<T> {
  const seen: unknown[] = [];
  const { process } = globalThis as { process?: ProcessEvents };
  const note = (reason: unknown) => seen.push(reason);
  const noteEvent = (event: Event) => seen.push((event as PromiseRejectionEvent).reason);
  process?.on?.("unhandledRejection", note);
  globalThis.addEventListener?.("unhandledrejection", noteEvent);
  try {
    const result = await work();
    await pause(20);
    expect(seen).toEqual([]);
    return result;
  } finally {
    process?.off?.("unhandledRejection", note);
    globalThis.removeEventListener?.("unhandledrejection", noteEvent);
  }
}

// That whatever a pass throws fails a step or the run at once, in one way.
const played = playedOn(harness);

describe(`the failure of a step on ${medium}`, () => {
  played("that is awaited late ends no process, and reaches the body", async ({ actor }) => {
    const b = Promise.withResolvers<void>();
    const { begin, runs, settled } = actor({
      body: async (step) => {
        const failing = step.do("a", once, async () => {
          await pause(20);
          throw new Error("later");
        });
        await step.do("b", () => b.promise);
        return failing.catch((error: Error) => error.message);
      },
    });
    const run = await withNoneUnhandled(async () => {
      const runId = await begin();
      await untilRecorded(runs, runId, "a");
      await pause(20);
      b.resolve();
      return settled(runId);
    });
    expect(run).toMatchObject({ status: "completed", result: "later" });
  });

  played("that is not awaited ends no process, nor does what is refused", async ({ actor }) => {
    const e = Promise.withResolvers<void>();
    const { begin, runs, settled } = actor({
      body: async (step) => {
        void step.do("a", once, async () => Promise.reject(new Error("not awaited")));
        void step.do("", async () => 1);
        void step.sleepUntil("b", Number.NaN);
        void step.waitForEvent("c", { type: undefined as never });
        void step.use("d", "not registered");
        await step.do("e", () => e.promise);
        return "done";
      },
    });
    const run = await withNoneUnhandled(async () => {
      const runId = await begin();
      await untilRecorded(runs, runId, "a");
      await pause(20);
      e.resolve();
      return settled(runId);
    });
    expect(run).toMatchObject({ status: "completed", result: "done" });
  });

  played("is handed to `onError` itself, with its run and its step; so is that of a body", async ({ actor }) => {
    class Broken extends Error {}
    const told: [unknown, unknown][] = [];
    const ofStep = new Broken("the step's");
    const ofBody = new Broken("the body's");
    const { start } = actor({
      onError: (error, context) => told.push([error, context]),
      body: async (step) => {
        await step.do("a", once, async () => Promise.reject(ofStep)).catch(() => {});
        await step.do("b", async () => "goes on");
        throw ofBody;
      },
    });
    const { runId } = await start();
    expect(told.map(([error]) => error)).toEqual([ofStep, ofBody]);
    expect(told[0]?.[0]).toBe(ofStep);
    expect(told[1]?.[0]).toBe(ofBody);
    expect(told.map(([, context]) => context)).toMatchObject([
      { runId, skillId: "body", stepId: "a" },
      { runId, skillId: "body" },
    ]);
  });

  played("that a body caught does not hide the error that ends the body", async ({ actor }) => {
    const ofStep = new Error("the step's");
    const ofBody = new Error("the body's");
    const { start, errors } = actor({
      body: async (step) => {
        await step.do("a", once, async () => Promise.reject(ofStep)).catch(() => {});
        throw ofBody;
      },
    });
    await start();
    expect(errors[0]).toBe(ofStep);
    expect(errors[1]).toBe(ofBody);
  });

  played("keeps the name of its error in the history, and no stack in any row", async ({ actor, store }) => {
    const { start, runs } = actor({
      body: (step) => step.do("a", once, async () => Promise.reject(new RangeError("too far"))),
    });
    const { runId } = await start();
    const failed = (await runs.events(runId)).items.find(({ eventType }) => eventType === "step.failed");
    expect(failed?.payload).toMatchObject({ step_id: "a", error: "too far", error_name: "RangeError" });
    const { stepResults } = await headOf(runs, runId);
    expect(stepResults.a).toMatchObject({ errorMessage: "too far" });
    const rows = JSON.stringify(await rowsOf(store, tenant, runId));
    expect(rows).toContain("RangeError");
    expect(rows).not.toMatch(/standing-failures|\bat \S+:\d+:\d+/);
  });

  played("keeps a short message of each step that is tried again later, however many there are", async ({ actor }) => {
    const count = 300;
    const reason = (n: number) => `${n} ${"e".repeat(5_000)}`;
    let calls = 0;
    const { start, later } = actor({
      body: async (step) => {
        const all = Array.from({ length: count }, (_, n) =>
          step.do(`item ${n}`, { retries: { limit: 1, delay: 60_000, backoff: "constant" } }, async () => {
            calls++;
            if (calls <= count) throw new Error(reason(n));
            return n;
          }),
        );
        return (await Promise.all(all)).length;
      },
    });
    const { runId, status } = await start();
    // With whole messages the waits would have more than a megabyte, and the run's row is a quarter of that.
    expect([status, calls]).toEqual(["running", count]);
    expect(await later(60_000, runId)).toMatchObject({ status: "completed", result: count });
    expect(calls).toBe(2 * count);
  });
});

describe(`an argument of a step on ${medium}`, () => {
  const longest = Number.MAX_SAFE_INTEGER;
  const refusals: readonly {
    readonly name: string;
    /** Where the fault is, as the error says. */
    readonly path: string;
    readonly ask: (step: WorkflowStep) => Promise<unknown>;
  }[] = [
    { name: "a time that no Date can hold", path: "x", ask: (step) => step.sleepUntil("x", longest) },
    { name: "a time before all Dates", path: "x", ask: (step) => step.sleepUntil("x", -longest) },
    { name: "a sleep that no Date can hold", path: "x", ask: (step) => step.sleep("x", longest) },
    { name: "a sleep of no number", path: "x", ask: (step) => step.sleep("x", Number.NaN) },
    {
      name: "a delay that no Date can hold",
      path: "x.retries.delay",
      ask: (step) => step.do("x", { retries: { limit: 1, delay: longest } }, async () => 1),
    },
    {
      name: "a number of retries that overflows",
      path: "x.retries.limit",
      ask: (step) => step.do("x", { retries: { limit: Number.MAX_VALUE, delay: 1 } }, async () => 1),
    },
    {
      name: "a timeout that no Date can hold",
      path: "x.timeout",
      ask: (step) => step.do("x", { timeout: longest }, async () => 1),
    },
    {
      name: "an event without a type",
      path: "x.type",
      ask: (step) => step.waitForEvent("x", { type: undefined as never }),
    },
    { name: "an event without options", path: "x", ask: (step) => step.waitForEvent("x", undefined as never) },
    {
      name: "an event whose type is a number",
      path: "x.type",
      ask: (step) => step.waitForEvent("x", { type: 7 as never }),
    },
    {
      name: "an event whose timeout no Date can hold",
      path: "x.timeout",
      ask: (step) => step.waitForEvent("x", { type: "word", timeout: longest }),
    },
    { name: "a name that is no text", path: "name", ask: (step) => step.waitForApproval(7 as never) },
  ];
  for (const { name, path, ask } of refusals) {
    played(`that is ${name} is refused where it is given, and the body can catch that`, async ({ actor }) => {
      const { start } = actor({
        ...inRealTime,
        body: async (step) =>
          ask(step).then(
            () => "accepted",
            (error: { code?: unknown; path?: unknown }) => [error.code, error.path],
          ),
      });
      expect(await start()).toMatchObject({ status: "completed", result: ["invalid_request", path] });
    });
  }

  played("may be a delay that grows beyond what a Date can hold: it grows no more", async ({ actor }) => {
    const { start, runs } = actor({
      body: (step) =>
        step.do("x", { retries: { limit: 5, delay: "200000 years", backoff: "exponential" } }, async () =>
          Promise.reject(new Error("no")),
        ),
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "running" });
    const last = (await runs.events(runId)).items.findLast(({ eventType }) => eventType === "step.retry_scheduled");
    expect(Number.isFinite(Date.parse(String(last?.payload.retry_at)))).toBe(true);
  });

  played("may be a name that is cut inside a pair of surrogates, also of an action", async ({ actor }) => {
    const name = "charge 😀".slice(0, 8);
    const keys: string[] = [];
    const body = async (step: WorkflowStep) => {
      const charged = await step.do(name, { sideEffects: "external_action" }, async ({ idempotencyKey }) => {
        keys.push(idempotencyKey);
        return "charged";
      });
      await step.sleep(`${name} nap`, "1 hour");
      const { approver } = await step.waitForApproval(`${name} gate`);
      return [charged, approver];
    };
    const { start, die, runs } = actor({ body });
    const { runId } = await start();
    await die();
    expect(Object.keys((await headOf(runs, runId)).stepResults)).toContain(name);
    const next = actor({ body });
    expect(await next.later(3_600_000, runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: `${name} gate` },
    });
    await next.runs.approve(runId, { approver: "ada", stepId: `${name} gate` });
    expect(await next.settled(runId)).toMatchObject({ status: "completed", result: ["charged", "ada"] });
    expect(keys).toHaveLength(1);
  });
});

describe(`more than fits on ${medium}`, () => {
  for (const count of [80, 600]) {
    played(`${count} steps side by side that fail with long messages are called once each`, async ({ actor }) => {
      let calls = 0;
      const { start, later } = actor({
        capabilities: [
          defineCapability({ id: "fail", version: "1" }, async (_, { stepId }) => {
            calls++;
            await pause(1);
            throw new Error(`${stepId} ${"x".repeat(5_000)}`);
          }),
        ],
        skills: [
          defineGraphSkill({
            id: "graph",
            version: "1",
            steps: Array.from({ length: count }, (_, n): GraphStep => ({ id: `s${n}`, uses: "fail", dependsOn: [] })),
          }),
        ],
      });
      const { runId, ...run } = await start({}, "graph");
      expect(run).toMatchObject({
        status: "failed",
        error: { code: "step_failed", message: expect.stringMatching(/^s\d+ x{100}/) },
      });
      expect(calls).toBe(count);
      expect(await later(leaseMs, runId)).toMatchObject({ status: "failed" });
      expect(calls).toBe(count);
    });
  }

  played(
    "a run of small steps that comes to the largest state fails at the step, which is called once",
    async ({ actor }) => {
      const calls: number[] = [];
      const { start, later } = actor({
        maxStateBytes: 20_000,
        body: async (step) => {
          for (let n = 0; n < 200; n++) {
            await step.do(`step ${n}`, async () => {
              calls.push(n);
              return "x".repeat(300);
            });
          }
        },
      });
      const { runId, ...run } = await start();
      const last = calls.at(-1) ?? 0;
      expect(run).toMatchObject({ status: "failed", error: { code: "too_large" } });
      expect(run.error?.stepId).toBe(`step ${last}`);
      expect(last).toBeLessThan(199);
      await later(leaseMs, runId);
      expect(calls).toEqual([...calls.keys()]);
    },
  );
});

describe(`a sibling that fails on ${medium}`, () => {
  played("leaves a step that is to go on without its data to be tried again by a resume", async ({ actor }) => {
    let isDown = true;
    const attempts: number[] = [];
    const started = Promise.withResolvers<void>();
    const { start, runs, settled } = actor({
      capabilities: [
        defineCapability({ id: "fetch", version: "1", retries: { limit: 4, delay: 0 } }, async (_, context) => {
          attempts.push(context.attempt);
          started.resolve();
          if (!isDown) return "data";
          return new Promise<string>((_, reject) => {
            context.signal.addEventListener("abort", () => reject(context.signal.reason));
          });
        }),
        defineCapability({ id: "check", version: "1" }, async () => {
          await started.promise;
          if (isDown) throw new Error("down");
          return "fine";
        }),
      ],
      skills: [
        defineGraphSkill({
          id: "graph",
          version: "1",
          steps: [
            { id: "fetch", uses: "fetch", dependsOn: [], onFailure: "continue", output: "outputs.data" },
            { id: "check", uses: "check", dependsOn: [] },
          ],
        }),
      ],
    });
    const { runId, ...run } = await start({}, "graph");
    expect(run).toMatchObject({ status: "failed", error: { stepId: "check" } });
    expect(attempts).toEqual([1]);
    isDown = false;
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { data: "data" } });
    expect(attempts).toHaveLength(2);
  });

  played("leaves an action that it aborted as one that may have happened: a resume asks", async ({ actor }) => {
    let calls = 0;
    let isDown = true;
    const started = Promise.withResolvers<void>();
    const { start, runs, settled } = actor({
      capabilities: [
        defineCapability(
          { id: "pay", version: "1", sideEffects: "external_action", isIdempotent: false },
          async (_, { signal }) => {
            calls++;
            started.resolve();
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          },
        ),
        defineCapability({ id: "check", version: "1" }, async () => {
          await started.promise;
          if (isDown) throw new Error("down");
        }),
      ],
      skills: [
        defineGraphSkill({
          id: "graph",
          version: "1",
          steps: [
            { id: "pay", uses: "pay", dependsOn: [] },
            { id: "check", uses: "check", dependsOn: [] },
          ],
        }),
      ],
    });
    const { runId, ...run } = await start({}, "graph");
    expect(run).toMatchObject({ status: "failed", error: { stepId: "check" } });
    isDown = false;
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "pay", capabilityId: "pay" },
    });
    expect(calls).toBe(1);
  });

  played("so is one that returned what cannot be kept", async ({ actor }) => {
    let calls = 0;
    const { start, runs, settled } = actor({
      body: (step) =>
        step.do("pay", { ...once, sideEffects: "external_action", isIdempotent: false }, async () => {
          calls++;
          return new (class Receipt {
            id = 7;
          })();
        }),
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "failed", error: { code: "invalid_output", stepId: "pay" } });
    await runs.resume(runId);
    const waiting = await settled(runId);
    // A callback is no capability: a name in its place would be that of the step, or of what the step once was.
    const request = { stepId: "pay", status: "pending", requestedAt: expect.any(String) };
    expect(waiting).toMatchObject({ status: "waiting_for_human" });
    expect(waiting.approvalRequest).toEqual(request);
    const asked = (await runs.events(runId)).items.filter(({ payload }) => payload.reason === "attempted");
    expect(asked.length).toBeGreaterThan(0);
    for (const { payload } of asked) expect(payload).toMatchObject({ step_id: "pay", capability_id: null });
    expect(calls).toBe(1);
  });
});

describe(`the error that a body receives on ${medium}`, () => {
  type Fails = (step: WorkflowStep) => Promise<unknown>;
  const tooLong = "x".repeat(300_000);
  const unkept = new DurableError("upstream_failure", "no answer", { cause: () => "a response" });
  const failures: readonly [string, Fails, ErrorCode][] = [
    ["of an event that did not come", (step) => step.waitForEvent("a", { type: "x", timeout: 20 }), "step_timeout"],
    [
      "of an attempt that took too long",
      (step) => step.do("a", { ...once, timeout: 20 }, () => new Promise(() => {})),
      "step_timeout",
    ],
    [
      "of an effect that the ledger cannot keep",
      (step) => step.do("a", { ...once, sideEffects: "write" }, async () => tooLong),
      "invalid_output",
    ],
    ["of a result that cannot be kept", (step) => step.do("a", once, async () => () => 1), "invalid_output"],
    ["whose cause cannot be kept", (step) => step.do("a", once, () => Promise.reject(unkept)), "upstream_failure"],
  ];
  for (const [name, fails, code] of failures) {
    played(`${name} has its code, and so has the run that it ends`, async ({ actor }) => {
      const { start } = actor({
        ...inRealTime,
        body: async (step, { isCaught }) => {
          if (isCaught !== true) return fails(step);
          return fails(step).catch((error: unknown) => isDurableError(error) && error.code);
        },
      });
      expect(await start({ isCaught: true })).toMatchObject({ status: "completed", result: code });
      expect(await start({})).toMatchObject({ status: "failed", error: { code, stepId: "a" } });
    });
  }
});

describe(`a step inside a step on ${medium}`, () => {
  // Browsers have nothing that follows a promise beyond the first await.
  const { process } = globalThis as { process?: { getBuiltinModule?: unknown } };
  const follows = process?.getBuiltinModule !== undefined;
  for (const isLate of follows ? [false, true] : [false]) {
    played(`is refused by a code that names both${isLate ? ", also after an await" : ""}`, async ({ actor }) => {
      let inner = 0;
      const { start, runs } = actor({
        body: (step) =>
          step.do("outer", async () => {
            if (isLate) await pause(5);
            return step.do("inner", async () => ++inner);
          }),
      });
      const { runId, ...run } = await start();
      expect(run).toMatchObject({ status: "failed", error: { code: "nested_step", stepId: "outer" } });
      expect(run.error?.message).toContain('"outer"');
      expect(run.error?.message).toContain('"inner"');
      expect(inner).toBe(0);
      expect(await recordedSteps(runs, runId)).toEqual(["outer"]);
    });
  }

  played("leaves steps side by side alone: none is inside the other", async ({ actor }) => {
    const { start } = actor({
      body: async (step) => {
        const opened = Promise.withResolvers<void>();
        const a = step.do("a", async () => {
          await pause(20);
          opened.resolve();
          return "a";
        });
        const b = step.do("b", () => opened.promise.then(() => "b"));
        return [await a, await b, await step.do("c", async () => "c")];
      },
    });
    expect(await start()).toMatchObject({ status: "completed", result: ["a", "b", "c"] });
  });
});
