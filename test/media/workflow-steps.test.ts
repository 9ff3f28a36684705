import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { defineCapability, type WorkflowStep } from "../../src/index.ts";
import { until } from "../support/scene.ts";
import { once, playedOn, playedTwice, recordedSteps } from "../support/standing.ts";

// What the steps of a code-first skill promise, on one medium.
const played = playedOn(harness);

describe(`steps on ${medium}`, () => {
  played("a step is executed once, and gives its result in every pass", async (scene) => {
    const calls: string[] = [];
    const seen: unknown[] = [];
    await playedTwice(scene, async (step) => {
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
    await playedTwice(scene, async (step) => {
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
    await playedTwice(scene, async (step) => {
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
    await playedTwice(scene, async (step) => {
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
    await playedTwice(scene, async (step) => {
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
    expect(await recordedSteps(runs, run.runId)).toEqual([]);
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
    await until(async () => (await recordedSteps(runs, runId)).length === 2);
    expect(await runs.get(runId)).toMatchObject({ status: "running" });
    resolve();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: "done" });
    expect(new Set(await recordedSteps(runs, runId))).toEqual(new Set(["slow", "failing", "quick"]));
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
    await until(async () => (await recordedSteps(runs, runId)).length === 1);
    resolve();
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "body_failed" } });
    expect(await recordedSteps(runs, runId)).toEqual(["quick", "slow"]);
  });
});

/** Everything about a thrown value, without its stack. */
function described(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, cause } = error;
  const errors = error instanceof AggregateError ? error.errors.map(described) : undefined;
  const fields = Object.fromEntries(Object.entries(error).filter(([key]) => key !== "name"));
  return { class: error.constructor.name, name, message, cause: described(cause), errors, fields };
}
