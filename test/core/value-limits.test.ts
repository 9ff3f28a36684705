import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { encodeState, encodeValue, initialState } from "../../src/codec/index.ts";
import { createRuntime, type DurableError, defineSkill, saveCheckpoint } from "../../src/index.ts";
import { jsonText } from "../../src/json.ts";

// A small value can stand for a huge one. What it stands for is counted while it is encoded.

/** An object with that many levels, each of which holds the next one twice. */
function doubled(levels: number): unknown {
  let value: unknown = { a: 1 };
  for (let level = 0; level < levels; level++) value = { l: value, r: value };
  return value;
}

const repeated = () => new Array<unknown>(600).fill("x".repeat(1_000_000));
const bytes = () => new Array<unknown>(400).fill(new Uint8Array(1_000_000));
const huge = { doubled: () => doubled(40), repeated, bytes, "a map": () => new Map([["a", doubled(40)]]) };

const limits = { maxStateBytes: 8_000_000, maxStateValues: 100_000 };

/** The error that the call ends with, and that it ended long before what it stands for was made. */
async function refusal(call: () => unknown): Promise<Pick<DurableError, "code" | "path" | "message">> {
  const began = process.cpuUsage();
  const error = await Promise.resolve()
    .then(call)
    .then(
      () => new Error("it was accepted"),
      (error: DurableError) => error,
    );
  const { user, system } = process.cpuUsage(began);
  // Microseconds of CPU. Making it all would take many times as long, if it did not end the process.
  expect(user + system).toBeLessThan(3_000_000);
  const { code, path = "", message } = error as DurableError;
  return { code, path, message };
}

test.each(Object.entries(huge))("%s: is refused by the codec, by path", async (_, make) => {
  const value = { deep: make() };
  const state = { ...initialState("s", {}), vars: value };
  expect(await refusal(() => encodeValue(value, "v", limits))).toMatchObject({
    code: "too_large",
    path: expect.stringMatching(/^v\.deep/),
  });
  expect(await refusal(() => encodeState(state, "state", limits))).toMatchObject({
    code: "too_large",
    path: expect.stringMatching(/^state\.vars\.deep/),
  });
});

test("the parts of a state share its limits", () => {
  const state = { ...initialState("s", { a: "x".repeat(600) }), vars: { b: "x".repeat(600) } };
  expect(() => encodeState(state, "state", { maxStateBytes: 1_000, maxStateValues: 1_000 })).toThrow(
    "state.vars.b: the limit of 1000 bytes is exceeded here",
  );
});

test("without limits of a runtime a value has those of the codec", async () => {
  expect(await refusal(() => encodeValue(doubled(40)))).toMatchObject({ code: "too_large" });
});

test("what is counted is never more than the JSON takes", () => {
  const values = [
    ["", "a", 0, -1.5, true, null],
    { "": "", a: 0, bc: [[], {}], d: { e: { f: "g" } } },
    [[], [], [[]], {}],
    {
      map: new Map([["k", 1]]),
      set: new Set([1, "2"]),
      bytes: new Uint8Array(100),
      error: new Error("m"),
      big: 10n ** 50n,
    },
  ];
  for (const value of values) {
    const json = JSON.stringify(encodeValue(value));
    expect(encodeValue(value, "v", { maxStateBytes: json.length, maxStateValues: json.length })).toEqual(
      encodeValue(value),
    );
  }
});

test("a huge bigint is refused before its digits are made; the largest one that fits is kept", async () => {
  const message = "v: a bigint of more than 100000 digits cannot be stored";
  expect(await refusal(() => encodeValue(1n << 16_000_000n, "v"))).toMatchObject({ code: "invalid_request", message });
  for (const sign of [1n, -1n]) {
    const beyond = sign * 10n ** 100_000n;
    expect(() => encodeValue(beyond, "v")).toThrow(message);
    expect(encodeValue(beyond - sign)).toEqual({
      $durable: ["bigint", `${sign < 0n ? "-" : ""}${"9".repeat(100_000)}`],
    });
  }
});

test.each(Object.entries(huge))("%s: ends every public call that takes a value with too_large", async (_, make) => {
  const big = make();
  const skill = defineSkill<{ at?: string }>({
    id: "s",
    version: "1",
    run: async (step, { at }) => (at === "result" ? big : step.do("big", async () => (at === "step" ? big : null))),
  });
  let calls = 0;
  const use = defineSkill({
    id: "use",
    version: "1",
    run: (step) => step.do("once", { retries: { limit: 3, delay: 1 } }, async () => ({ calls: ++calls, big })),
  });
  const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [skill, use], ...limits, onError() {} });
  const runs = runtime.for("t");
  const { run } = await runs.create({ skillId: "s" });
  const attempts: [string, () => Promise<unknown>][] = [
    ["inputs.big", () => runs.create({ skillId: "s", inputs: { big } })],
    ["inputs.big", () => runs.create({ skillId: "s", inputs: { big }, idempotencyKey: "a" })],
    ["metadata.big", () => runs.create({ skillId: "s", metadata: { big } })],
    ["payload", () => runs.signal(run.runId, { name: "x", payload: big })],
    ["edit.vars.big", () => runs.fork(run.runId, { edit: { vars: { big } } })],
    [
      "state.vars.big",
      () => saveCheckpoint(runs, run.runId, { kind: "k", state: { ...initialState("s", {}), vars: { big } } }),
    ],
  ];
  for (const [path, attempt] of attempts) {
    const { code, path: found } = await refusal(attempt);
    expect([path, code, found?.startsWith(path)]).toEqual([path, "too_large", true]);
  }
  for (const at of ["step", "result"]) {
    const { run } = await runs.start({ skillId: "s", inputs: { at } });
    await runtime.idle();
    expect((await runs.get(run.runId)).error).toMatchObject({ code: "too_large" });
  }
  const once = await runs.start({ skillId: "use" });
  await runtime.idle();
  expect((await runs.get(once.run.runId)).error).toMatchObject({ code: "too_large", stepId: "once" });
  // Another attempt would return the same.
  expect(calls).toBe(1);
});

test("a text that no string can hold is too_large", () => {
  expect(() => jsonText(null, () => "x".repeat(2 ** 30))).toThrow(expect.objectContaining({ code: "too_large" }));
});
