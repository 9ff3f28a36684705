import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { type JsonObject, parseJson } from "../../src/codec/index.ts";
import {
  createRuntime,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  isDurableError,
  isTerminal,
} from "../../src/index.ts";
import { createApp } from "../../worker/http/index.ts";

// What was committed is read back by everything that shows it, over HTTP too, and by the parser that takes requests in.

function nested(levels: number): unknown {
  let value: unknown = "core";
  for (let level = 0; level < levels; level++) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** A Map takes several levels of JSON. */
function mapped(levels: number): unknown {
  let value: unknown = "core";
  for (let level = 0; level < levels; level++) value = new Map([["k", value]]);
  return value;
}

const ways = {
  plain: nested,
  maps: mapped,
  thrown(levels: number): never {
    throw Object.assign(new Error("deep"), { value: nested(levels) });
  },
};

interface Order {
  readonly way: keyof typeof ways;
  readonly levels: number;
}

const make = defineCapability({ id: "make", version: "1" }, (input) => {
  const { way, levels } = input as Order;
  return { value: ways[way](levels) };
});
const take = defineCapability({ id: "take", version: "1" }, () => "taken");
const order = { way: "inputs.way", levels: "inputs.levels" };

const skills = [
  defineGraphSkill({
    id: "into outputs",
    version: "1",
    steps: [{ id: "make", uses: "make", input: order, output: { value: "outputs.v" } }],
  }),
  defineGraphSkill({
    id: "into an input",
    version: "1",
    steps: [
      { id: "make", uses: "make", input: order, output: { value: "vars.v" } },
      { id: "take", uses: "take", input: { first: "vars.v" }, output: "vars.w" },
    ],
  }),
  defineGraphSkill({
    id: "into an input and on",
    version: "1",
    steps: [
      { id: "make", uses: "make", input: order, output: { value: "vars.v" }, onFailure: "continue" },
      { id: "take", uses: "take", input: { first: "vars.v" }, output: "vars.w", onFailure: "continue" },
    ],
  }),
  defineSkill<Order>({
    id: "by code",
    version: "1",
    run: async (step, { way, levels }) => [
      await step.do("make", { retries: { limit: 0, delay: 0 } }, async () => ways[way](levels)),
    ],
  }),
  defineSkill<Order>({
    id: "at the end",
    version: "1",
    run: async (_step, { way, levels }) => ways[way](levels),
  }),
];

function home() {
  const store = memoryStore();
  const runtime = createRuntime({ serves: false, store, skills, capabilities: [make, take], onError: () => {} });
  const app = createApp({
    authenticate: () => ({ tenant: "alpha", role: "admin" }),
    runs: (tenant) => runtime.for(tenant),
  });
  return { runtime, runs: runtime.for("alpha"), read };

  /** What a route answers, read as a request would be. */
  async function read(path: string): Promise<JsonObject> {
    const response = await app.fetch(new Request(`http://home${path}`));
    const text = await response.text();
    expect([path, response.status, response.status === 200 ? "" : text]).toEqual([path, 200, ""]);
    return parseJson(text) as JsonObject;
  }
}

/** Around every limit there may be: those of 500 levels, of as many less those around, and of a quarter of that in Maps. */
const depths = [90, 110, 115, 118, 120, 122, 125, 160, 240, 380, 400, 480, 483, 484, 485, 486, 487, 488, 489, 490, 494];

describe("a run can be read after a handler has returned or thrown any value", () => {
  for (const skill of skills) {
    test.each(Object.keys(ways))(`${skill.id}: %s`, async (way) => {
      const { runtime, runs, read } = home();
      const statuses = new Set<string>();
      for (const levels of [...depths, 496, 497, 498, 499, 500, 501, 600]) {
        const runId = `r${levels}`;
        await runs.start({ skillId: skill.id, runId, inputs: { way, levels } });
        await runtime.idle();
        const run = await read(`/v1/runs/${runId}`);
        const { status, error } = await runs.get(runId);
        expect([levels, isTerminal(status)]).toEqual([levels, true]);
        if (status === "failed" && way !== "thrown") {
          expect([levels, error?.code]).toEqual([
            levels,
            expect.stringMatching(/^(too_large|invalid_output|step_failed)$/),
          ]);
        }
        statuses.add(status);
        await read(`/v1/runs/${runId}/checkpoints/${String(run.checkpoint_head)}`);
        await read(`/v1/runs/${runId}/history`);
        await read(`/v1/runs/${runId}/trace`);
        await read("/v1/runs?limit=500");
      }
      // Neither refuses everything nor takes everything.
      if (way !== "thrown" && skill.id !== "into an input and on") {
        expect([...statuses].sort()).toEqual(["completed", "failed"]);
      }
    });
  }

  test("a value that cannot be the result of a run fails the step that returned it", async () => {
    const { runtime, runs } = home();
    for (const levels of [485, 490, 495, 500]) {
      await runs.start({ skillId: "into outputs", runId: `r${levels}`, inputs: { way: "plain", levels } });
    }
    await runtime.idle();
    for (const { error } of (await runs.list({ status: "failed" })).items) expect(error?.stepId).toBe("make");
    expect((await runs.list()).items.map(({ status }) => status)).toContain("failed");
  });
});

describe("values from a start or a signal", () => {
  test.each(["inputs", "metadata"])("%s: rejected, or readable", async (name) => {
    const { runs, read } = home();
    let refused = 0;
    for (const levels of depths) {
      for (const value of [nested(levels), mapped(levels)]) {
        const before = (await runs.list({ limit: 500 })).items.length;
        const error: unknown = await runs
          .create({ skillId: "by code", [name]: { value } })
          .then(({ run }) => read(`/v1/runs/${run.runId}/checkpoints/${run.checkpointHead}`))
          .then(() => undefined)
          .catch((error: unknown) => error);
        if (error === undefined) continue;
        refused++;
        expect([levels, isDurableError(error) && error.code]).toEqual([
          levels,
          expect.stringMatching(/^(too_large|invalid_request)$/),
        ]);
        expect((await runs.list({ limit: 500 })).items.length).toBe(before);
      }
    }
    await read("/v1/runs?limit=500");
    expect(refused).toBeGreaterThan(3);
  });

  test("a payload: rejected, or readable", async () => {
    const { runs, read } = home();
    await runs.create({ skillId: "by code", runId: "r" });
    for (const levels of depths) {
      const error: unknown = await runs.signal("r", { name: "n", payload: mapped(levels) }).catch((error) => error);
      if (isDurableError(error)) expect(["too_large", "inbox_full"]).toContain(error.code);
      await read("/v1/runs/r");
    }
    expect((await runs.cancel("r")).status).toBe("canceled");
  });
});
