import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { intercepted } from "../../src/conformance/faults.ts";
import { defineCapability, type WorkflowBody, type WorkflowStep } from "../../src/index.ts";
import { type Actor, leaseMs, type Scene, scene, until } from "../support/scene.ts";

const minute = 60_000;
const hour = 60 * minute;
const once = { retries: { limit: 0, delay: 1 } };

// What code-first skills promise, on one medium.

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

/** Plays the body to its first long sleep, and once more in another executor, which knows it from the store alone. */
const twice = async ({ actor }: Scene, body: WorkflowBody): Promise<void> => {
  const first = actor({ body });
  const run = await first.start();
  expect(run).toMatchObject({ status: "running" });
  await first.die();
  expect(await actor({ body }).later(hour, run.runId)).toMatchObject({ status: "completed" });
};

describe(`steps on ${medium}`, () => {
  played("a step is executed once, and gives its result in every pass", async (scene) => {
    const calls: string[] = [];
    const seen: unknown[] = [];
    await twice(scene, async (step) => {
      const one = await step.do("one", async () => calls.push("one"));
      const two = await step.do("two", async () => calls.push("two"));
      seen.push([one, two]);
      await step.sleep("nap", "1 hour");
    });
    expect(calls).toEqual(["one", "two"]);
    expect(seen).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  played("what a body returns is the run's result, and an object's fields its outputs", async ({ actor }) => {
    const { start, runs } = actor({
      body: async (step, { a }: { a: number }) => ({ sum: a + (await step.do("b", async () => 2)), none: undefined }),
    });
    const { checkpointHead = "", ...run } = await start({ a: 1 });
    expect(run).toMatchObject({ status: "completed", result: { sum: 3, none: undefined } });
    const { state } = await runs.loadCheckpoint(run.runId, checkpointHead);
    expect(state.outputs).toEqual({ sum: 3, none: undefined });
    expect(state.output.result).toEqual({ sum: 3, none: undefined });
  });

  played("a result that is no object is the output `result`", async ({ actor }) => {
    for (const result of ["text", [1], new Date(0), new Map([["a", 1]]), null]) {
      const { start, runs } = actor({ body: async () => result });
      const { runId, checkpointHead = "", ...run } = await start();
      expect(run.result).toEqual(result);
      expect((await runs.loadCheckpoint(runId, checkpointHead)).state.outputs).toEqual({ result });
    }
  });

  played("values come out of a step as they went in, in the pass that made them and in the next", async (scene) => {
    const value = {
      date: new Date(1e12),
      map: new Map<unknown, unknown>([[{ key: 1 }, new Set([1n])]]),
      nothing: undefined,
      numbers: [Number.NaN, -0, Number.NEGATIVE_INFINITY],
      bytes: new Uint8Array([1, 2, 255]),
      tagLike: { $durable: ["date", 0] },
      text: "\u{1f40b}\u0000",
    };
    const seen: unknown[] = [];
    await twice(scene, async (step) => {
      const out = await step.do("value", async () => value);
      const none = await step.do("none", async () => undefined);
      seen.push(structuredClone([out, none]));
      // What a body does to it stays in its pass.
      out.map.clear();
      await step.sleep("nap", "1 hour");
    });
    expect(seen).toEqual([
      [value, undefined],
      [value, undefined],
    ]);
  });

  played("what cannot be kept fails its step with a typed error that the body can catch", async ({ actor }) => {
    const { start } = actor({
      body: async (step) =>
        step
          .do("bad", async () => ({ list: [() => {}] }))
          .catch(({ name, code, message }) => ({ name, code, message })),
    });
    expect((await start()).result).toEqual({
      name: "DurableError",
      code: "invalid_output",
      message: expect.stringContaining("output.list[0]"),
    });
  });

  played("an error that a body catches is the same in every pass", async (scene) => {
    const thrown: readonly unknown[] = [
      new RangeError("too far", { cause: new Error("the map ends", { cause: { at: [1, 2] } }) }),
      Object.assign(new Error("no"), { name: "HttpError", status: 502, response: { retry: true } }),
      new AggregateError([new TypeError("a"), "b"], "several"),
      "a string",
      { code: 7 },
      undefined,
    ];
    const seen: unknown[] = [];
    await twice(scene, async (step) => {
      const caught: unknown[] = [];
      for (const [index, error] of thrown.entries()) {
        await step
          .do(`fail ${index}`, once, async () => Promise.reject(error))
          .then(
            () => caught.push("nothing was thrown"),
            (error: unknown) => caught.push(described(error)),
          );
      }
      seen.push(caught);
      await step.sleep("nap", "1 hour");
    });
    expect(seen).toEqual([thrown.map(described), thrown.map(described)]);
  });

  played("of an error that carries what cannot be kept, name and message stay", async (scene) => {
    const seen: unknown[] = [];
    const error = Object.assign(new TypeError("fetch failed"), { response: () => {} });
    await twice(scene, async (step) => {
      await step.do("fail", once, async () => Promise.reject(error)).catch((error) => seen.push(described(error)));
      await step.sleep("nap", "1 hour");
    });
    const kept = { class: "TypeError", name: "TypeError", message: "fetch failed", cause: undefined, fields: {} };
    expect(seen).toMatchObject([
      { name: kept.name, message: kept.message },
      { name: kept.name, message: kept.message },
    ]);
    expect(seen[0]).toEqual(seen[1]);
  });

  played("steps of one name are distinguished by their count, also if a name looks like a count", async (scene) => {
    const names = [
      "x",
      "x",
      "x#2",
      "x#2",
      "x",
      "x#3",
      "x#2#1",
      "__proto__",
      "__proto__",
      "constructor",
      "7",
      "ü \u{1f40b}",
    ];
    const counts: unknown[] = [];
    const seen: unknown[] = [];
    await twice(scene, async (step) => {
      const results: unknown[] = [];
      for (const [index, name] of names.entries()) {
        results.push(
          await step.do(name, async ({ step }) => {
            counts.push([step.name, step.count]);
            return index;
          }),
        );
      }
      seen.push(results);
      await step.sleep("nap", "1 hour");
    });
    expect(seen).toEqual([[...names.keys()], [...names.keys()]]);
    expect(counts).toEqual([
      ["x", 1],
      ["x", 2],
      ["x#2", 1],
      ["x#2", 2],
      ["x", 3],
      ["x#3", 1],
      ["x#2#1", 1],
      ["__proto__", 1],
      ["__proto__", 2],
      ["constructor", 1],
      ["7", 1],
      ["ü \u{1f40b}", 1],
    ]);
  });

  played("a name that is none, and what else a step cannot be, is refused where it is asked for", async ({ actor }) => {
    const bad = (ask: (step: WorkflowStep) => Promise<unknown>) => async (step: WorkflowStep) =>
      ask(step).then(
        () => "accepted",
        ({ code, message }) => `${code}: ${message}`,
      );
    const refusals: readonly [(step: WorkflowStep) => Promise<unknown>, string][] = [
      [(step) => step.do("", async () => 1), "invalid_request: name"],
      [(step) => step.do("n".repeat(257), async () => 1), "invalid_request: name"],
      [(step) => step.do("x", {}, undefined as never), 'invalid_request: x: step "x": expected a callback'],
      [(step) => step.do("x", { timeout: "soon" as never }, async () => 1), "invalid_request: x.timeout"],
      [(step) => step.do("x", { timeout: 0 }, async () => 1), "invalid_request: x.timeout"],
      [(step) => step.do("x", { retries: { limit: -1, delay: 1 } }, async () => 1), "invalid_request: x.retries.limit"],
      [(step) => step.do("x", { retries: { limit: 1, delay: -1 } }, async () => 1), "invalid_request: x.retries.delay"],
      [(step) => step.sleep("x", "a while" as never), "invalid_request: x: expected a duration of"],
      [(step) => step.sleepUntil("x", new Date("never")), "invalid_request: x"],
      [(step) => step.use("x", "not.registered"), 'not_found: capability "not.registered" is not registered here'],
    ];
    for (const [ask, refusal] of refusals) {
      const { start } = actor({ body: bad(ask) });
      expect((await start()).result).toContain(refusal);
    }
  });

  played("rollback options end the run with a typed error, whatever the body does with it", async ({ actor }) => {
    const { start, runs } = actor({
      body: async (step) => {
        const rollback = { rollback: async () => {} } as never;
        await step.do("charge", async () => 1, rollback).catch(() => {});
        await step.do("charge", once, async () => 1, rollback).catch(() => {});
      },
    });
    const run = await start();
    expect(run).toMatchObject({ status: "failed", error: { code: "unsupported", stepId: "charge" } });
    expect(await steps(runs, run.runId)).toEqual([]);
  });

  played("`use` calls a registered capability under its own policies", async ({ actor }) => {
    const inputs: unknown[] = [];
    const add = defineCapability<{ a: number }>(
      { id: "add", version: "1", retries: { limit: 1, delay: 0 }, requiresConfirmation: true },
      (input, { attempt, stepId }) => {
        inputs.push([input, attempt, stepId]);
        if (attempt === 1) throw new Error("again");
        return input.a + 1;
      },
    );
    const { start, runs, settled } = actor({
      capabilities: [add],
      body: async (step) => step.use<number>("plus one", "add", { a: 41 }),
    });
    const run = await start();
    expect(run).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "plus one", capabilityId: "add", status: "pending" },
    });
    expect(inputs).toEqual([]);
    await runs.approve(run.runId, { approver: "ada" });
    expect(await settled(run.runId)).toMatchObject({ status: "completed", result: 42 });
    expect(inputs).toEqual([
      [{ a: 41 }, 1, "plus one"],
      [{ a: 41 }, 2, "plus one"],
    ]);
  });
});

describe(`waiting on ${medium}`, () => {
  played("a signal is given as an event, with its payload, its time and its type", async ({ actor, clock }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        const event = await step.waitForEvent<{ paid: Date }>("payment", { type: "paid" });
        return { ...event, isDate: event.timestamp instanceof Date };
      },
    });
    const { runId, status } = await start();
    expect(status).toBe("waiting_for_signal");
    clock.advance(5_000);
    const payload = { paid: new Date(7) };
    await runs.signal(runId, { name: "refunded" });
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_signal" });
    await runs.signal(runId, { name: "paid", payload });
    expect(await settled(runId)).toMatchObject({
      status: "completed",
      result: { payload, type: "paid", timestamp: new Date(clock.now()), isDate: true },
    });
  });

  played("a signal that comes early is kept, and each is given once", async ({ actor }) => {
    const body: WorkflowBody = async (step) => {
      await step.sleep("nap", "1 hour");
      const first = await step.waitForEvent("first", { type: "go" });
      const second = await step.waitForEvent("second", { type: "go" });
      return [first.payload, second.payload];
    };
    const { start, runs, later, settled } = actor({ body });
    const { runId } = await start();
    await runs.signal(runId, { name: "go", payload: 1 });
    expect(await later(hour, runId)).toMatchObject({ status: "waiting_for_signal" });
    await runs.signal(runId, { name: "go", payload: 2 });
    expect(await settled(runId)).toMatchObject({ result: [1, 2] });
  });

  played("a signal that does not come in time is an error that the body can catch", async ({ actor }) => {
    const { start, later, settled } = actor({
      body: async (step) =>
        step.waitForEvent("payment", { type: "paid", timeout: "90 minutes" }).catch((error: Error) => error.message),
    });
    const { runId } = await start();
    expect(await later(90 * minute - 1, runId)).toMatchObject({ status: "waiting_for_signal" });
    await later(1, runId);
    expect(await settled(runId)).toMatchObject({ status: "completed", result: 'signal "paid" did not arrive in time' });
  });

  played("without a timeout an event is waited for during 24 hours", async ({ actor }) => {
    const { start, later } = actor({ body: async (step) => step.waitForEvent("payment", { type: "paid" }) });
    const { runId } = await start();
    expect(await later(24 * hour - 1, runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await later(1, runId)).toMatchObject({ status: "failed", error: { stepId: "payment" } });
  });

  played("a sleep of days costs nothing while it lasts, and ends on time", async ({ actor, clock, store }) => {
    const woke: number[] = [];
    const began = clock.now();
    const { start, later, runtime } = actor({
      body: async (step) => {
        await step.sleep("nap", "3 days");
        await step.do("woken", async () => woke.push(clock.now() - began));
        await step.sleepUntil("until", new Date(began + 5 * 24 * hour));
        await step.sleepUntil("past", began);
        await step.do("woken", async () => woke.push(clock.now() - began));
      },
    });
    const { runId } = await start();
    const [row] = await store.listRuns("troupe", { limit: 1, order: "ascending" });
    expect(row?.dueAt).toBe(began + 3 * 24 * hour);
    expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
    expect(await later(3 * 24 * hour - 1, runId)).toMatchObject({ status: "running" });
    expect(woke).toEqual([]);
    expect(await later(1, runId)).toMatchObject({ status: "running" });
    expect(await later(2 * 24 * hour - 1, runId)).toMatchObject({ status: "running" });
    expect(await later(1, runId)).toMatchObject({ status: "completed" });
    expect(woke).toEqual([3 * 24 * hour, 5 * 24 * hour]);
  });

  played("a sleep is not begun again when another executor takes the run over", async ({ actor }) => {
    const started = Promise.withResolvers<void>();
    const body =
      (isFirst: boolean): WorkflowBody =>
      async (step) => {
        const nap = step.sleep("nap", "1 hour");
        await step.do("work", async () => {
          started.resolve();
          if (isFirst) await new Promise(() => {});
        });
        await nap;
      };
    const first = actor({ body: body(true) });
    const runId = await first.begin();
    await started.promise;
    await first.die();
    const second = actor({ body: body(false) });
    expect(await second.later(30 * minute, runId)).toMatchObject({ status: "running" });
    expect(await second.later(30 * minute - 1, runId)).toMatchObject({ status: "running" });
    expect(await second.later(1, runId)).toMatchObject({ status: "completed" });
  });

  played("a person's approval is the answer of its gate, and a denial cancels the run", async ({ actor, clock }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        const first = await step.waitForApproval("legal");
        const second = await step.waitForApproval("finance");
        return [first, second];
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "legal", status: "pending" },
    });
    clock.advance(minute);
    await runs.approve(runId, { approver: "ada", notes: "fine" });
    const decidedAt = new Date(clock.now());
    expect(await settled(runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "finance" },
    });
    await runs.approve(runId);
    expect((await settled(runId)).result).toEqual([{ approver: "ada", notes: "fine", decidedAt }, { decidedAt }]);

    const { runId: other } = await start();
    await runs.approve(other);
    await settled(other);
    expect(await runs.deny(other, { approver: "bob" })).toMatchObject({
      status: "canceled",
      approvalRequest: { stepId: "finance", status: "denied", approver: "bob" },
    });
  });

  played("gates side by side queue, and may be opened by name", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        const all = await Promise.all(["a", "b", "c"].map((name) => step.waitForApproval(name)));
        return all.map(({ approver }) => approver);
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ approvalRequest: { stepId: "a" } });
    await runs.approve(runId, { approver: "second", stepId: "b" });
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human", approvalRequest: { stepId: "a" } });
    await runs.approve(runId, { approver: "first" });
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human", approvalRequest: { stepId: "c" } });
    await runs.approve(runId, { approver: "third" });
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["first", "second", "third"] });
  });

  played("parking is no exception: no catch sees it, and no `finally` runs in a parked pass", async ({ actor }) => {
    const seen: string[] = [];
    const { start, later } = actor({
      body: async (step) => {
        try {
          await step.sleep("nap", "1 hour");
          seen.push("woke");
        } catch {
          seen.push("caught");
        } finally {
          seen.push("finally");
        }
      },
    });
    const { runId } = await start();
    expect(seen).toEqual([]);
    await later(hour - 1, runId);
    expect(seen).toEqual([]);
    expect(await later(1, runId)).toMatchObject({ status: "completed" });
    expect(seen).toEqual(["woke", "finally"]);
  });

  played("a run waits only once what is in flight beside the wait has been recorded", async ({ actor }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { begin, runs, settled, later } = actor({
      body: async (step) => Promise.all([step.sleep("nap", "1 hour"), step.do("slow", () => promise)]),
    });
    const runId = await begin();
    await until(async () => (await runs.events(runId)).items.some(({ eventType }) => eventType === "step.sleeping"));
    expect(await runs.get(runId)).toMatchObject({ status: "running" });
    resolve();
    await settled(runId);
    expect(await steps(runs, runId)).toEqual(["slow"]);
    expect(await later(hour, runId)).toMatchObject({ status: "completed" });
  });
});

describe(`bodies and crashes on ${medium}`, () => {
  played(
    "steps that were recorded before a crash are not executed again, and those under way are",
    async ({ actor }) => {
      const calls: string[] = [];
      const reached = Promise.withResolvers<void>();
      const body =
        (isFirst: boolean): WorkflowBody =>
        async (step) => {
          const call = (name: string, stops: boolean) =>
            step.do(name, async () => {
              calls.push(name);
              if (!stops) return name;
              reached.resolve();
              return new Promise<string>(() => {});
            });
          const one = await call("one", false);
          const both = await Promise.all([call("two", false), call("three", isFirst)]);
          return [one, ...both, await call("four", false)];
        };
      const first = actor({ body: body(true) });
      const runId = await first.begin();
      await reached.promise;
      await until(async () => (await steps(first.runs, runId)).includes("two"));
      await first.die();
      const second = actor({ body: body(false) });
      expect(await second.later(leaseMs - 1, runId)).toMatchObject({ status: "running" });
      expect(calls).toEqual(["one", "two", "three"]);
      expect(await second.later(1, runId)).toMatchObject({
        status: "completed",
        result: ["one", "two", "three", "four"],
      });
      expect(calls).toEqual(["one", "two", "three", "three", "four"]);
      const events = (await second.runs.events(runId)).items.map(({ eventType }) => eventType);
      expect(events.filter((type) => type === "run.recovered")).toHaveLength(1);
    },
  );

  played("a race that was decided once stays decided, whatever is faster afterwards", async (scene) => {
    const order: string[] = [];
    await twice(scene, async (step) => {
      const slow = step.do("slow", async () => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        return "slow";
      });
      const fast = step.do("fast", async () => "fast");
      const winner = await Promise.race([slow, fast]);
      await Promise.allSettled([slow, fast]);
      const any = await Promise.any([step.do("no", once, async () => Promise.reject(new Error("no"))), fast]);
      const settled = await Promise.allSettled([
        slow,
        step.do("no", once, async () => Promise.reject(new Error("no"))),
      ]);
      order.push(winner, any, ...settled.map(({ status }) => status));
      await step.sleep(`after ${winner}`, "1 hour");
    });
    const way = ["fast", "fast", "fulfilled", "rejected"];
    expect(order).toEqual([...way, ...way]);
  });
});

describe(`steps that a body does not await on ${medium}`, () => {
  played("are recorded before the run ends, in flight as they are", async ({ actor }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { begin, runs, settled } = actor({
      body: async (step) => {
        void step.do("slow", () => promise);
        void step.do("failing", once, async () => Promise.reject(new Error("no matter"))).catch(() => {});
        return step.do("quick", async () => "done");
      },
    });
    const runId = await begin();
    await until(async () => (await steps(runs, runId)).length === 2);
    expect(await runs.get(runId)).toMatchObject({ status: "running" });
    resolve();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: "done" });
    expect(new Set(await steps(runs, runId))).toEqual(new Set(["slow", "failing", "quick"]));
  });

  played("hold nothing up by waiting", async ({ actor }) => {
    const { start } = actor({
      body: async (step) => {
        void step.sleep("nap", "1 hour");
        void step.waitForApproval("gate");
        return step.do("quick", async () => "done");
      },
    });
    expect(await start()).toMatchObject({ status: "completed", result: "done" });
  });

  played("of a body that throws are recorded before the run fails", async ({ actor }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { begin, runs, settled } = actor({
      body: async (step) => {
        void step.do("slow", () => promise);
        await step.do("quick", async () => "done");
        throw new Error("mine");
      },
    });
    const runId = await begin();
    await until(async () => (await steps(runs, runId)).length === 1);
    resolve();
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "body_failed" } });
    expect(await steps(runs, runId)).toEqual(["quick", "slow"]);
  });
});

describe(`bodies that change their mind on ${medium}`, () => {
  /** A run of the first body, parked; and the run as it is after the other body was tried. */
  const changed = async ({ actor }: Scene, first: WorkflowBody, second: WorkflowBody) => {
    const before = actor({ body: first });
    const { runId } = await before.start();
    await before.die();
    const { checkpointHead = "" } = await before.runs.get(runId);
    const { state } = await before.runs.loadCheckpoint(runId, checkpointHead);
    const after = actor({ body: second });
    return { recorded: state.stepResults, runId, run: await after.later(hour, runId), ...after };
  };
  const original: WorkflowBody = async (step) => {
    await step.do("draft", async () => "text");
    await step.do("check", async () => "fine");
    await step.sleep("nap", "1 hour");
    return "original";
  };

  const recordedOf = async ({ runs, runId }: Pick<Actor, "runs"> & { runId: string }) => {
    const { checkpointHead = "" } = await runs.get(runId);
    return (await runs.loadCheckpoint(runId, checkpointHead)).state.stepResults;
  };

  const bodies: readonly { readonly name: string; readonly body: WorkflowBody; readonly stepId: string }[] = [
    {
      name: "ends without asking for a recorded step",
      body: async (step) => step.do("draft", async () => "text"),
      stepId: "check",
    },
    { name: "ends without asking for anything", body: async () => "done", stepId: "draft" },
    {
      name: "throws before it asked for a recorded step",
      body: async () => Promise.reject(new Error("mine")),
      stepId: "draft",
    },
    {
      name: "asks for a recorded step as another kind",
      body: async (step) => {
        await step.do("draft", async () => "text");
        await step.sleep("check", 1).catch(() => {});
        return "caught";
      },
      stepId: "check",
    },
    {
      name: "asks in another order",
      body: async (step) => {
        await step.do("check", async () => "fine");
        await step.do("draft", async () => "text");
      },
      stepId: "draft",
    },
  ];
  for (const { name, body, stepId } of bodies) {
    played(`a body that ${name} fails the run, and the right one resumes it`, async (scene) => {
      const outcome = await changed(scene, original, body);
      const { run, runId, recorded } = outcome;
      expect(run).toMatchObject({ status: "failed", error: { code: "nondeterminism", stepId } });
      expect(run.error?.message).toContain(`"${stepId}"`);
      expect(await recordedOf(outcome)).toEqual(recorded);
      await outcome.die();
      const right = scene.actor({ body: original });
      await right.runs.resume(runId);
      expect(await right.settled(runId)).toMatchObject({ status: "completed", result: "original" });
      expect(await recordedOf({ ...right, runId })).toMatchObject(recorded);
    });
  }

  played("a recorded name asked for as another capability is nondeterminism", async (scene) => {
    const capabilities = ["a", "b"].map((id) => defineCapability({ id, version: "1" }, () => id));
    const body =
      (id: string): WorkflowBody =>
      async (step) => {
        await step.use("call", id);
        await step.sleep("nap", "1 hour");
      };
    const first = scene.actor({ capabilities, body: body("a") });
    const { runId } = await first.start();
    const second = scene.actor({ capabilities, body: body("b") });
    await first.die();
    expect(await second.later(hour, runId)).toMatchObject({
      status: "failed",
      error: {
        code: "nondeterminism",
        stepId: "call",
        message: 'step "call" was recorded as a, but is now called as b',
      },
    });
  });

  played("new steps are welcome before, between and after recorded ones", async (scene) => {
    const { run } = await changed(scene, original, async (step) => {
      const zero = await step.do("zero", async () => "new");
      const draft = await step.do("draft", async () => "not again");
      const between = step.do("between", async () => "new");
      const check = await step.do("check", async () => "not again");
      await step.sleep("nap", "1 hour");
      return [zero, draft, await between, check, await step.do("last", async () => "new")];
    });
    expect(run).toMatchObject({ status: "completed", result: ["new", "text", "new", "fine", "new"] });
  });

  played("an await of something else than a step ends the run with the last step's name", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        await step.do("before", async () => 1);
        await new Promise(() => {});
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({
      status: "failed",
      error: {
        code: "await_outside_step",
        stepId: "before",
        message: 'the body awaits something that is not a step, after step "before"',
      },
    });
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "await_outside_step" } });

    const { start: startOther } = actor({ body: async () => new Promise(() => {}) });
    const { error } = await startOther();
    expect(error).toEqual({
      code: "await_outside_step",
      message: "the body awaits something that is not a step, before its first step",
    });
  });

  played("a later pass that hangs before a recorded step says where it hangs", async (scene) => {
    const { run } = await changed(scene, original, async (step) => {
      await step.do("draft", async () => "text");
      await new Promise(() => {});
    });
    expect(run).toMatchObject({ status: "failed", error: { code: "await_outside_step", stepId: "draft" } });
  });
});

describe(`failures on ${medium}`, () => {
  played(
    "a step whose error ends the body is named by the run, and is tried afresh when resumed",
    async ({ actor }) => {
      const attempts: number[] = [];
      let isDown = true;
      const { start, runs, settled, later } = actor({
        body: async (step) => {
          const before = await step.do("before", async () => "kept");
          const call = step.do("call", { retries: { limit: 1, delay: "1 minute" } }, async ({ attempt }) => {
            attempts.push(attempt);
            if (isDown) throw new Error("down");
            return "up";
          });
          return [before, await call.catch((cause) => Promise.reject(new Error("no call", { cause })))];
        },
      });
      const { runId } = await start();
      expect(await later(minute, runId)).toMatchObject({
        status: "failed",
        error: { code: "step_failed", stepId: "call", message: "no call" },
      });
      expect(attempts).toEqual([1, 2]);
      await runs.resume(runId);
      await settled(runId);
      expect(await later(minute, runId)).toMatchObject({ status: "failed" });
      isDown = false;
      await runs.resume(runId);
      expect(await settled(runId)).toMatchObject({ status: "completed", result: ["kept", "up"] });
      expect(attempts).toEqual([1, 2, 1, 2, 1]);
      expect((await steps(runs, runId)).filter((id) => id === "before")).toHaveLength(1);
    },
  );

  played("what a failed run left recorded answers in a replay as it did in the resumed run", async ({ actor }) => {
    let isDown = true;
    let isSlow = false;
    const { start, runs, settled } = actor({
      body: async (step) => {
        const race = racing(step, isSlow);
        const risky = step.do("risky", once, async () => {
          if (isDown) throw new Error("down");
        });
        return (await Promise.all([race, risky]))[0];
      },
    });
    const { runId } = await start();
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "risky" } });
    expect((await steps(runs, runId)).slice(-2)).toEqual(["worked", "other"]);

    [isDown, isSlow] = [false, true];
    await runs.resume(runId);
    const { result } = await settled(runId);
    for (isSlow of [false, true]) {
      const { run: replay } = await runs.replay(runId);
      expect(await settled(replay.runId)).toMatchObject({ status: "completed", result });
    }
  });

  played(
    "what failed beside a failure, and fails the resumed run, has a new place in the next one",
    async ({ actor }) => {
      const down = new Set(["a", "b"]);
      const { start, runs, settled } = actor({
        body: async (step) => {
          const seen: string[] = [];
          const call = async (name: string, ms: number) => {
            await step.do(name, once, async () => {
              await pause(ms);
              if (down.has(name)) throw new Error(name);
            });
            seen.push(name);
          };
          await Promise.all([call("b", 60), call("a", 0)]);
          return seen;
        },
      });
      const { runId } = await start();
      for (const stepId of ["a", "b"]) {
        expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId } });
        down.delete(stepId);
        await runs.resume(runId);
      }
      expect(await settled(runId)).toMatchObject({ status: "completed", result: ["a", "b"] });
      const { run: replay } = await runs.replay(runId);
      expect(await settled(replay.runId)).toMatchObject({ status: "completed", result: ["a", "b"] });
    },
  );

  played("what a failed run left recorded answers in the same order after a hand-over", async ({ actor }) => {
    let isSpent = false;
    const passes: string[][] = [];
    const { start, runs, settled, later } = actor({
      isSpent: () => isSpent,
      body: async (step) => {
        const seen: string[] = [];
        passes.push(seen);
        const call = async (name: string, ms: number) => {
          await step
            .do(name, once, async () => {
              await pause(ms);
              throw new Error(name);
            })
            .finally(() => seen.push(name));
        };
        await Promise.all([call("second", 60), call("first", 0)]);
      },
    });
    const { runId } = await start();
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "first" } });
    isSpent = true;
    await runs.resume(runId);
    await settled(runId);
    expect((await runs.listCheckpoints(runId)).items.at(-1)).toMatchObject({ kind: "step_started" });
    isSpent = false;
    expect(await later(0, runId)).toMatchObject({ status: "failed" });
    expect(passes.slice(1)).toEqual([["second"], ["second", "first"]]);
  });

  played(
    "what a failed run left recorded keeps its place beside a step that is being recorded",
    async ({ actor, store }) => {
      let isDown = true;
      let isSlow = false;
      const slow = intercepted(store, async ({ method }, proceed) => {
        // The body gets many turns while the commit is under way.
        if (isSlow && method === "commit") await pause(100);
        return proceed();
      });
      const passes: string[][] = [];
      const { start, runs, settled, later } = actor({
        store: slow,
        body: async (step) => {
          const seen: string[] = [];
          passes.push(seen);
          const see = async (name: string, answer: Promise<unknown>) => {
            await answer;
            seen.push(name);
          };
          await Promise.all([
            see(
              "steady",
              step.do("steady", () => pause(60)),
            ),
            see(
              "risky",
              step.do("risky", once, async () => {
                if (isDown) throw new Error("down");
              }),
            ),
            see("nap", step.sleep("nap", "1 hour")),
          ]);
        },
      });
      const { runId } = await start();
      expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "risky" } });

      [isDown, isSlow] = [false, true];
      await runs.resume(runId);
      await settled(runId);
      expect(await later(hour, runId)).toMatchObject({ status: "completed" });
      expect(passes.at(-2)).toHaveLength(2);
      expect(passes.at(-1)).toEqual([...(passes.at(-2) ?? []), "nap"]);
    },
  );

  played(
    "what a failed run left recorded answers as before, if the pass after it dies while it acts on it",
    async (scene) => {
      let isDown = true;
      let isSlow = false;
      let isHanging = true;
      const acted: string[] = [];
      const hang = () => (isHanging ? new Promise<void>(() => {}) : Promise.resolve());
      const body: WorkflowBody = async (step) => {
        const race = racing(step, isSlow);
        const risky = step.do("risky", once, async () => {
          if (isDown) throw new Error("down");
          await hang();
        });
        const acts = race.then((winner) =>
          step.do(`act on ${winner}`, async () => {
            acted.push(winner);
            await hang();
          }),
        );
        await Promise.all([risky, acts]);
      };
      const first = scene.actor({ body });
      const { runId } = await first.start();
      expect(await first.settled(runId)).toMatchObject({ status: "failed", error: { stepId: "risky" } });
      expect(acted).toEqual([]);

      [isDown, isSlow] = [false, true];
      await first.runs.resume(runId);
      await until(() => acted.length === 1);
      await first.die();

      [isSlow, isHanging] = [false, false];
      expect(await scene.actor({ body }).later(leaseMs, runId)).toMatchObject({ status: "completed" });
      expect(acted).toEqual(["other", "other"]);
    },
  );

  for (const isBegun of [true, false]) {
    const when = isBegun ? "while a step of it is in flight" : "before it has begun a step";
    played(`what a failed run left recorded keeps its place, if the resumed run dies ${when}`, async (scene) => {
      const passes: string[][] = [];
      // The pass that fails, the one that dies, and the one after it.
      const body: WorkflowBody = async (step) => {
        const seen: string[] = [];
        const pass = passes.push(seen);
        const hang = () => (pass === 2 ? new Promise<void>(() => {}) : Promise.resolve());
        const see = async (name: string, does: () => Promise<void>) => {
          await step.do(name, once, does);
          seen.push(name);
        };
        const fail = async () => {
          if (pass > 1) return hang();
          await pause(60);
          throw new Error("down");
        };
        const left = async () => {
          await pause(pass === 1 ? 0 : 20);
          await see("left", () => pause(100));
        };
        const other = async () => {
          if (isBegun) return see("other", fail);
          await hang();
          await see("other", () => pause(100));
        };
        await Promise.all([left(), other(), ...(pass === 1 && !isBegun ? [see("risky", fail)] : [])]);
      };
      const first = scene.actor({ body });
      const { runId } = await first.start();
      expect(await first.settled(runId)).toMatchObject({ status: "failed", error: { message: "down" } });
      await first.runs.resume(runId);
      await until(() => passes[1]?.length === 1);
      await first.die();
      expect(await scene.actor({ body }).later(leaseMs, runId)).toMatchObject({ status: "completed" });
      expect(passes.slice(1)).toEqual([["left"], ["left", "other"]]);
    });
  }

  played("what a body did about a failure does not bind it once the failure is tried afresh", async ({ actor }) => {
    let failures = 2;
    const calls: string[] = [];
    const body: WorkflowBody = async (step) => {
      try {
        const charged = await step.do("charge", once, async () => {
          if (failures-- > 0) throw new Error("declined");
          return "charged";
        });
        await step.sleep("nap", "1 hour");
        return charged;
      } catch (error) {
        await step.do("notify", async () => calls.push("notify"));
        throw error;
      }
    };
    const { start, runs, settled, later } = actor({ body });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "failed", error: { stepId: "charge", message: "declined" } });
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "charge" } });
    expect(calls).toEqual(["notify"]);
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "running" });
    expect(await later(hour, runId)).toMatchObject({ status: "completed", result: "charged" });
  });

  played("an error of the body itself is no step's failure", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        await step.do("fine", async () => 1);
        const loop = new Error("mine");
        loop.cause = loop;
        throw loop;
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "failed", error: { code: "body_failed", message: "mine" } });
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "body_failed" } });
  });

  played("a result that cannot be kept fails the run, with the place of the fault", async ({ actor }) => {
    const { start } = actor({ body: async () => ({ list: [Symbol("no")] }) });
    expect(await start()).toMatchObject({
      status: "failed",
      error: { code: "invalid_output", message: expect.stringContaining("result.list[0]") },
    });
  });
});

/** Two steps with pure work between them, which takes a different time in each pass. */
function racing(step: WorkflowStep, isSlow: boolean): Promise<string> {
  return Promise.race([
    step.do("other", async () => {
      await pause(60);
      return "other";
    }),
    (async () => {
      if (isSlow) await pause(60);
      return step.do("worked", async () => {
        await pause(20);
        return "worked";
      });
    })(),
  ]);
}

/** Passes in real time. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The ids of the steps that were recorded, in the order of their record. */
async function steps(runs: Actor["runs"], runId: string): Promise<unknown[]> {
  const events = (await runs.events(runId)).items;
  return events.filter(({ eventType }) => eventType === "step.completed").map(({ payload }) => payload.step_id);
}

/** Everything about a thrown value, without its stack. */
function described(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, cause } = error;
  const errors = error instanceof AggregateError ? error.errors.map(described) : undefined;
  const fields = Object.fromEntries(Object.entries(error).filter(([key]) => key !== "name"));
  return { class: error.constructor.name, name, message, cause: described(cause), errors, fields };
}
