import { describe, expect, test } from "vitest";
import {
  type CapabilityDefinition,
  defineCapability,
  defineGraphSkill,
  type GraphStep,
  literal,
  type Runs,
} from "../../src/index.ts";
import type { Handler, Run, Scope } from "../../src/types.ts";
import { memoryHarness } from "../support/memory-harness.ts";
import { type ActorOptions, type Scene, scene, until } from "../support/scene.ts";

const played = (play: (scene: Scene) => Promise<void>) => () => scene(memoryHarness, play);

const minute = 60_000;
const hour = 60 * minute;

/** A skill of these steps over a capability `do` that does this; by default, what its input says. */
function graph(
  steps: readonly GraphStep[],
  handler: Handler<unknown, unknown> = (input) => input,
  definition: Partial<Omit<CapabilityDefinition, "input" | "output">> = {},
): ActorOptions {
  return {
    capabilities: [defineCapability({ id: "do", version: "1", ...definition }, handler)],
    skills: [defineGraphSkill({ id: "graph", version: "1", steps })],
  };
}

async function stateOf(runs: Runs, { runId, checkpointHead }: Run) {
  return (await runs.loadCheckpoint(runId, checkpointHead ?? "")).state;
}

describe("a handler", () => {
  test.each<[string, unknown]>([
    ["nothing", undefined],
    ["a symbol", Symbol("odd")],
    ["an object without a prototype", Object.create(null)],
    ["an error whose message is an object", Object.assign(new Error("odd"), { message: Object.create(null) })],
  ])("may throw %s: its step has failed, and so has the run", async (_, thrown) => {
    await scene(memoryHarness, async ({ actor }) => {
      const steps = [{ id: "a", uses: "do" }];
      const { start, runs, runtime } = actor(
        graph(steps, () => {
          throw thrown;
        }),
      );
      const { runId } = await start({}, "graph");
      await runtime.idle();
      expect(await runs.get(runId)).toMatchObject({ status: "failed", error: { code: "step_failed", stepId: "a" } });
    });
  });
});

describe("`when`", () => {
  test.each<[string, unknown, boolean]>([
    ["true", true, true],
    ["a number", 1, true],
    ["text", "no", true],
    ["an empty list", [], true],
    ["a date", new Date(0), true],
    ["an empty map", new Map(), true],
    ["false", false, false],
    ["zero", 0, false],
    ["minus zero", -0, false],
    ["NaN", Number.NaN, false],
    ["a bigint of zero", 0n, false],
    ["empty text", "", false],
    ["null", null, false],
    ["undefined", undefined, false],
  ])("takes the step where its reference is truthy: %s", async (_, flag, isTaken) => {
    await scene(memoryHarness, async ({ actor }) => {
      const { start, runs } = actor(
        graph([
          { id: "a", uses: "do", input: "inputs.flag", output: "vars.flag" },
          { id: "b", uses: "do", when: "vars.flag" },
          { id: "c", uses: "do", when: "inputs.nested.flag", dependsOn: [] },
          { id: "d", uses: "do", when: "inputs.nowhere.at.all", dependsOn: [] },
        ]),
      );
      const run = await start({ flag, nested: { flag } }, "graph");
      const { stepResults } = await stateOf(runs, run);
      const status = isTaken ? "completed" : "skipped";
      expect(Object.entries(stepResults).map(([id, { status }]) => [id, status])).toEqual(
        expect.arrayContaining([
          ["a", "completed"],
          ["b", status],
          ["c", status],
          ["d", "skipped"],
        ]),
      );
    });
  });

  test(
    "as a function sees the values as they are, and changes nothing by changing them",
    played(async ({ actor }) => {
      const seen: unknown[] = [];
      const look = ({ inputs, vars, outputs }: Scope) => {
        seen.push(structuredClone({ inputs, vars, outputs }));
        (inputs as { since?: unknown }).since = "changed";
        return seen.length % 2 === 1;
      };
      const { start, runs } = actor(
        graph([
          { id: "a", uses: "do", input: "inputs.since", output: "vars.since" },
          { id: "b", uses: "do", when: look, output: "outputs.b" },
          { id: "c", uses: "do", when: look },
        ]),
      );
      const since = new Date(7);
      const run = await start({ since }, "graph");
      expect(seen).toEqual([
        { inputs: { since }, vars: { since }, outputs: {} },
        { inputs: { since }, vars: { since }, outputs: { b: {} } },
      ]);
      expect(await stateOf(runs, run)).toMatchObject({
        inputs: { since },
        stepResults: { b: { status: "completed" }, c: { status: "skipped" } },
      });
    }),
  );

  test(
    "as a function does not see what a step beside it may write, whichever comes first",
    played(async ({ actor }) => {
      for (const isFirst of [true, false]) {
        const seen: unknown[] = [];
        const look = (scope: Scope) => seen.push(structuredClone(scope)) > 0;
        const { start } = actor(
          graph([
            { id: "a", uses: "do", input: literal("before"), output: "vars.before", dependsOn: [] },
            { id: "beside", uses: "do", input: literal(1), output: "vars.beside", dependsOn: [] },
            { id: "then", uses: "do", dependsOn: ["a"] },
            { id: "slow", uses: "do" },
            {
              id: "late",
              uses: "do",
              input: literal(1),
              output: "outputs.late",
              dependsOn: [isFirst ? "a" : "slow"],
            },
            { id: "looks", uses: "do", when: look, dependsOn: [isFirst ? "slow" : "a"] },
          ]),
        );
        await start({ here: true }, "graph");
        expect(seen).toEqual([{ inputs: { here: true }, vars: { before: "before" }, outputs: {} }]);
      }
    }),
  );

  test(
    "that throws fails its step, or degrades it",
    played(async ({ actor }) => {
      const bad = () => {
        throw new TypeError("no such field");
      };
      const failing = actor(graph([{ id: "a", uses: "do", when: bad }]));
      expect(await failing.start({}, "graph")).toMatchObject({
        status: "failed",
        error: { stepId: "a", message: "no such field" },
      });
      const degraded = actor(
        graph([
          { id: "a", uses: "do", when: bad, onFailure: "continue" },
          { id: "b", uses: "do" },
        ]),
      );
      const run = await degraded.start({}, "graph");
      expect(run).toMatchObject({ status: "completed" });
      expect((await stateOf(degraded.runs, run)).stepResults).toMatchObject({
        a: { status: "degraded", errorMessage: "no such field" },
        b: { status: "completed" },
      });
    }),
  );

  test(
    "is asked once: a skipped step stays skipped, and who depends on it goes on without its output",
    played(async ({ actor }) => {
      const inputs: unknown[] = [];
      let asked = 0;
      const options = graph(
        [
          { id: "a", uses: "do", when: () => asked++ > 0, output: "vars.a" },
          { id: "nap", sleep: hour },
          { id: "b", uses: "do", input: { a: "vars.a", text: "inputs.text" } },
        ],
        (input) => inputs.push(input),
      );
      const { start } = actor(options);
      const { runId } = await start({ text: "t" }, "graph");
      expect(await actor(options).later(hour, runId)).toMatchObject({ status: "completed" });
      expect(asked).toBe(1);
      expect(inputs).toEqual([{ text: "t" }]);
    }),
  );
});

describe("a step that may fail", () => {
  test(
    "is recorded as degraded with its error, writes nothing, and the run goes on to its end",
    played(async ({ actor }) => {
      const { start, runs } = actor(
        graph(
          [
            { id: "a", uses: "do", onFailure: "continue", output: "outputs.a", retries: { limit: 1, delay: 0 } },
            { id: "b", uses: "do", output: "outputs.b" },
          ],
          (_, { stepId }) => {
            if (stepId === "a") throw new RangeError("too far");
            return stepId;
          },
        ),
      );
      const run = await start({}, "graph");
      expect(run).toMatchObject({ status: "completed", result: { b: "b" } });
      const state = await stateOf(runs, run);
      expect(state.outputs).toEqual({ b: "b" });
      expect(state.stepResults.a).toMatchObject({
        status: "degraded",
        attemptsCount: 2,
        producedOutput: null,
        errorMessage: "too far",
        writes: [],
      });
      expect(state.stepResults.a?.rawResult).toEqual(new RangeError("too far"));
      const events = (await runs.events(run.runId)).items.filter(({ payload }) => payload.step_id === "a");
      expect(events.map(({ eventType }) => eventType)).toEqual([
        "step.started",
        "step.retry_scheduled",
        "step.started",
        "step.failed",
        "step.completed",
      ]);
    }),
  );

  test(
    "does not abort its siblings; one that may not, does, and what they return is recorded first",
    played(async ({ actor }) => {
      const signals = new Map<string, AbortSignal>();
      const go = Promise.withResolvers<void>();
      const { begin, runs, settled } = actor(
        graph(
          [
            { id: "may", uses: "do", dependsOn: [], onFailure: "continue" },
            { id: "must", uses: "do", dependsOn: [] },
            { id: "slow", uses: "do", dependsOn: [], output: "vars.slow" },
            { id: "never", uses: "do", dependsOn: ["may", "slow"] },
          ],
          async (_, { stepId, signal }) => {
            signals.set(stepId, signal);
            if (stepId === "may") throw new Error("may");
            if (stepId === "must") {
              await go.promise;
              throw new Error("must");
            }
            await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
            return "tidied up";
          },
        ),
      );
      const runId = await begin({}, "graph");
      await until(async () => (await runs.events(runId)).items.some(({ eventType }) => eventType === "step.failed"));
      expect(signals.get("slow")?.aborted).toBe(false);
      go.resolve();
      const run = await settled(runId);
      expect(run).toMatchObject({ status: "failed", error: { stepId: "must", message: "must" } });
      const { stepResults, vars } = await stateOf(runs, run);
      expect(vars).toEqual({ slow: "tidied up" });
      expect(stepResults).toMatchObject({
        may: { status: "degraded" },
        must: { status: "failed" },
        slow: { status: "completed" },
      });
      expect(signals.has("never")).toBe(false);
    }),
  );
});

describe("retries", () => {
  /** The times of all attempts of a step that always fails, and how the run ended. */
  const attempts = async ({ actor, clock }: Scene, options: ActorOptions, random: number) => {
    const began = clock.now();
    const bytes = [24, 16, 8, 0].map((shift) => Math.floor(random * 2 ** 32 * 2 ** -shift) & 255).reverse();
    const { start, later, runs } = actor({
      ...options,
      // Four bytes make a fraction, the first being its lowest; everything else is ids.
      random: (length) => (length === 4 ? Uint8Array.from(bytes) : crypto.getRandomValues(new Uint8Array(length))),
    });
    let run = await start({}, "graph");
    const times = [0];
    while (run.status === "running") {
      const last = (await runs.events(run.runId)).items.at(-1);
      const at = Date.parse(String(last?.payload.retry_at));
      run = await later(at - clock.now(), run.runId);
      times.push(at - began);
    }
    return { times, run };
  };
  const failing = () => {
    throw new Error("no");
  };

  test.each<[string, number, readonly number[]]>([
    ["the middle", 0.5, [0, 60, 180, 420, 720]],
    ["the least", 0, [0, 30, 90, 210, 360]],
    ["almost the most", 1 - 2 ** -32, [0, 90, 270, 630, 1080]],
  ])("wait longer each time, up to the longest delay, give or take the jitter: %s", async (_, random, seconds) => {
    await scene(memoryHarness, async (scene) => {
      const retries = { limit: 4, delay: minute, maxDelay: 5 * minute, jitter: 0.5 };
      const { times, run } = await attempts(scene, graph([{ id: "a", uses: "do", retries }], failing), random);
      expect(times.map((time) => Math.round(time / 1_000))).toEqual(seconds);
      expect(run).toMatchObject({ status: "failed", error: { stepId: "a", message: "no" } });
    });
  });

  test(
    "are the capability's, but for what the step says",
    played(async (scene) => {
      const steps: GraphStep[] = [{ id: "a", uses: "do", retries: { backoff: "constant" } }];
      const definition = { retries: { limit: 2, delay: minute } };
      const { times } = await attempts(scene, graph(steps, failing, definition), 0.5);
      expect(times).toEqual([0, minute, 2 * minute]);
    }),
  );

  test(
    "each have a timeout and a signal of their own",
    played(async ({ actor, clock }) => {
      const signals: AbortSignal[] = [];
      const { begin, settled, runs } = actor(
        graph(
          [{ id: "a", uses: "do", timeout: minute, retries: { limit: 2, delay: 0 }, output: "outputs.a" }],
          (_, context) => {
            signals.push(context.signal);
            return context.attempt < 3 ? new Promise(() => {}) : "third";
          },
        ),
      );
      const runId = await begin({}, "graph");
      for (const attempt of [1, 2]) {
        await until(() => signals.length === attempt);
        await until(async () => {
          clock.advance(1_000);
          return signals[attempt - 1]?.aborted === true;
        });
        expect(signals[attempt - 1]?.reason).toMatchObject({ code: "step_timeout" });
      }
      expect(await settled(runId)).toMatchObject({ status: "completed", result: { a: "third" } });
      expect(signals.map(({ aborted }) => aborted)).toEqual([true, true, false]);
      expect(
        (await runs.events(runId)).items.filter(({ eventType }) => eventType === "step.retry_scheduled"),
      ).toHaveLength(2);
    }),
  );
});

test(
  "all attempts at a step have one input and one idempotency key, whatever is written beside it meanwhile",
  played(async ({ actor }) => {
    const tried: unknown[] = [];
    const steps: GraphStep[] = [
      { id: "price", uses: "do", input: literal(10), output: "vars.price" },
      { id: "charge", uses: "do", input: { charged: "vars.price" }, retries: { limit: 2, delay: minute } },
      { id: "rebate", uses: "do", input: literal(9), output: "vars.rebate", dependsOn: ["price"] },
      { id: "nap", sleep: minute, dependsOn: ["rebate"] },
      { id: "again", uses: "do", input: literal(8), output: "vars.again", dependsOn: ["nap"] },
    ];
    const options = graph(
      steps,
      (input, { stepId, attempt, idempotencyKey }) => {
        if (stepId !== "charge") return input;
        tried.push([input, idempotencyKey]);
        if (attempt < 3) throw new Error("not yet");
        return "charged";
      },
      { sideEffects: "external_action" },
    );
    const { begin, settled, later } = actor(options);
    const runId = await begin({}, "graph");
    await settled(runId);
    for (let n = 0; n < 3; n++) await later(5 * minute, runId);
    expect(await settled(runId)).toMatchObject({ status: "completed" });
    expect(tried).toHaveLength(3);
    expect(new Set(tried.map((one) => JSON.stringify(one))).size).toBe(1);
  }),
);

describe("waiting beside work", () => {
  test(
    "what does not depend on a sleep goes on while it lasts",
    played(async ({ actor, clock }) => {
      const calls: string[] = [];
      const options = graph(
        [
          { id: "nap", sleep: 2 * hour, dependsOn: [] },
          { id: "a", uses: "do", dependsOn: [] },
          { id: "b", uses: "do", dependsOn: ["a"] },
          { id: "short", sleep: hour, dependsOn: ["b"] },
          { id: "c", uses: "do", dependsOn: ["short"] },
          { id: "d", uses: "do", dependsOn: ["nap", "c"] },
        ],
        (_, { stepId }) => calls.push(stepId),
      );
      const { start, later, runtime } = actor(options);
      const { runId } = await start({}, "graph");
      expect(calls).toEqual(["a", "b"]);
      await later(hour - 1, runId);
      expect(calls).toEqual(["a", "b"]);
      await later(1, runId);
      expect(calls).toEqual(["a", "b", "c"]);
      clock.advance(hour - 1);
      expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
      expect(await later(1, runId)).toMatchObject({ status: "completed" });
      expect(calls).toEqual(["a", "b", "c", "d"]);
    }),
  );

  test(
    "a run that waits for a person wakes for a timer beside it, and waits on",
    played(async ({ actor }) => {
      const calls: string[] = [];
      const { start, later, runs, settled } = actor(
        graph(
          [
            { id: "gated", uses: "do", dependsOn: [] },
            { id: "nap", sleep: hour, dependsOn: [] },
            { id: "listen", waitFor: { signal: "go", timeout: 3 * hour }, dependsOn: ["nap"] },
          ],
          (_, { stepId }) => calls.push(stepId),
          { requiresConfirmation: true },
        ),
      );
      const { runId, status } = await start({}, "graph");
      expect(status).toBe("waiting_for_human");
      expect(await later(hour, runId)).toMatchObject({ status: "waiting_for_human" });
      await runs.signal(runId, { name: "go" });
      expect(await settled(runId)).toMatchObject({ status: "waiting_for_human", approvalRequest: { stepId: "gated" } });
      await runs.approve(runId);
      expect(await settled(runId)).toMatchObject({ status: "completed" });
      expect(calls).toEqual(["gated"]);
    }),
  );

  test(
    "a wide graph takes each of its steps once, and its last one after all of them",
    played(async ({ actor }) => {
      const calls: string[] = [];
      const wide = Array.from({ length: 200 }, (_, n) => `wide ${n}`);
      const { start, runs } = actor(
        graph(
          [...wide.map((id) => ({ id, uses: "do", dependsOn: [] })), { id: "last", uses: "do", dependsOn: wide }],
          (_, { stepId }) => calls.push(stepId),
        ),
      );
      const run = await start({}, "graph");
      expect(run).toMatchObject({ status: "completed" });
      expect(calls).toHaveLength(201);
      expect(new Set(calls).size).toBe(201);
      expect(calls.at(-1)).toBe("last");
      expect(Object.keys((await stateOf(runs, run)).stepResults)).toHaveLength(201);
    }),
  );
});

test(
  "outputs and inputs are mapped property by property; what leads nowhere is left out",
  played(async ({ actor }) => {
    const inputs: unknown[] = [];
    const { start } = actor(
      graph(
        [
          { id: "a", uses: "do", output: { title: "vars.title", body: "outputs.body", gone: "vars.gone" } },
          { id: "b", uses: "do", input: { title: "vars.title", first: "outputs.body.lines.0", gone: "vars.gone" } },
        ],
        (input, { stepId }) => {
          inputs.push(input);
          return stepId === "a" ? { title: "T", body: { lines: ["one", "two"] } } : null;
        },
      ),
    );
    expect(await start({}, "graph")).toMatchObject({
      status: "completed",
      result: { body: { lines: ["one", "two"] } },
    });
    expect(inputs).toEqual([{}, { title: "T", first: "one" }]);
  }),
);
