import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { encodeState, initialState, writeState } from "../../src/codec/index.ts";
import { countingStore } from "../../src/conformance/faults.ts";
import {
  defineCapability,
  defineGraphSkill,
  defineSkill,
  type ExecutionState,
  type Runtime,
  saveCheckpoint,
} from "../../src/index.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import { onStage, refusalOf, type Stage } from "../support/stage.ts";
import { rowsOf } from "../support/stored.ts";

const on = onStage(harness);

const maxStateBytes = 10_000;

function state(vars: Readonly<Record<string, unknown>>): ExecutionState {
  return { ...initialState("chain", {}), vars };
}

/** A runtime that keeps ten kilobytes and no more, and what its handlers did. */
function small(stage: Stage) {
  const calls: string[] = [];
  const large = (bytes: number) => "x".repeat(bytes);
  const options = { version: "1", retries: { limit: 2, delay: 1_000 } };
  const capabilities = [
    defineCapability({ id: "large", ...options }, (input, { stepId }) => {
      calls.push(stepId);
      return large(Number(input));
    }),
    defineCapability({ id: "send large", ...options, sideEffects: "external_action" }, (input, { stepId }) => {
      calls.push(stepId);
      return large(Number(input));
    }),
  ];
  const skills = [
    defineGraphSkill({ id: "chain", version: "1", steps: [{ id: "one", uses: "large", input: "inputs.bytes" }] }),
    defineGraphSkill({
      id: "two",
      version: "1",
      steps: [
        { id: "first", uses: "large", input: "inputs.first", output: "vars.first" },
        { id: "second", uses: "send large", input: "inputs.second", onFailure: "continue" },
        { id: "third", uses: "large", input: "inputs.third", output: "outputs.third" },
      ],
    }),
    defineSkill<{ bytes: number }>({
      id: "returning",
      version: "1",
      run: async (step, { bytes }) => {
        const kept = await step.do("caught", async () => large(20_000)).catch((error) => (error as Error).message);
        await step.do("short", async () => kept);
        return large(bytes);
      },
    }),
  ];
  const counting = countingStore(stage.store);
  const runtime = stage.runtime({ store: counting, capabilities, skills, maxStateBytes, executor: "small" });
  return { runtime, runs: runtime.for(stage.tenant), counts: counting.counts, calls };
}

// States at their limit, as tests over the stores of one medium.

describe("a state over the limit", () => {
  test(
    "is refused by create, start, save and an edited fork, before anything is written",
    on(async (stage) => {
      const { runs, counts } = small(stage);
      await runs.create({ skillId: "chain", runId: "r" });
      const before = await rowsOf(stage.store, stage.tenant, "r");
      counts.calls.commit = 0;
      const inputs = { text: "x".repeat(maxStateBytes) };
      for (const attempt of [
        runs.create({ skillId: "chain", runId: "created", inputs }),
        runs.start({ skillId: "chain", runId: "started", inputs }),
        saveCheckpoint(runs, "r", { kind: "k", state: state(inputs) }),
        saveCheckpoint(runs, "r", { kind: "run_failed", state: state(inputs) }),
      ]) {
        expect(await refusalOf(attempt)).toMatchObject({
          code: "too_large",
          message: expect.stringContaining(`${maxStateBytes} bytes`),
        });
      }
      expect(counts.calls.commit).toBe(0);
      expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(before);
      expect(await refusalOf(runs.fork("r", { newRunId: "fork", edit: { vars: inputs } }))).toMatchObject({
        code: "too_large",
      });
      expect((await runs.listCheckpoints("r")).items.length).toBe(1);
    }),
  );

  test(
    "counts in bytes of UTF-8, and to the byte",
    on(async (stage) => {
      const { runs } = small(stage);
      const room =
        maxStateBytes - new TextEncoder().encode(JSON.stringify(writeState(encodeState(state({ text: "" }))))).length;
      const fits = "é".repeat(Math.floor(room / 2)) + (room % 2 === 1 ? "x" : "");
      await runs.create({ skillId: "chain", runId: "s" });
      await saveCheckpoint(runs, "s", { checkpointId: "fits", kind: "k", state: state({ text: fits }) });
      const refused = saveCheckpoint(runs, "s", { kind: "k", state: state({ text: `${fits}x` }) });
      expect(await refusalOf(refused)).toMatchObject({ code: "too_large" });
      expect((await runs.loadCheckpoint("s", "fits")).state.vars.text).toBe(fits);
    }),
  );

  test(
    "counts its values, however short they are, and is rejected with the same code by every operation",
    on(async (stage) => {
      const maxStateValues = 2_000;
      const zeros = Array.from({ length: maxStateValues }, () => 0);
      const skills = [
        defineSkill<{ count: number }>({
          id: "zeros",
          version: "1",
          run: async (step, { count }) => {
            const made = await step.do("make", async () => zeros.slice(0, count)).catch((error) => error.code);
            return typeof made === "string" ? made : made.length;
          },
        }),
      ];
      const wide = stage.runtime({ skills, executor: "wide" }).for(stage.tenant);
      await wide.create({ skillId: "zeros", runId: "wide", inputs: { zeros } });
      const lines: string[] = [];
      for await (const line of exportRun(wide, "wide")) lines.push(line);

      const counting = countingStore(stage.store);
      const runtime = stage.runtime({ store: counting, skills, maxStateValues, executor: "narrow" });
      const runs = runtime.for(stage.tenant);
      await runs.create({ skillId: "zeros", runId: "r", inputs: { count: 1_500 } });
      const { calls } = counting.counts;
      calls.commit = 0;
      const full = { ...initialState("zeros", {}), vars: { zeros } };
      for (const attempt of [
        () => runs.create({ skillId: "zeros", runId: "created", inputs: { zeros } }),
        () => runs.start({ skillId: "zeros", runId: "started", inputs: { zeros } }),
        () => saveCheckpoint(runs, "r", { kind: "k", state: full }),
        () => importRun(runtime.for("another"), lines),
      ]) {
        expect(await refusalOf(attempt())).toMatchObject({
          code: "too_large",
          message: expect.stringContaining(`${maxStateValues}`),
        });
      }
      expect(calls.commit).toBe(0);
      expect(await refusalOf(runs.fork("r", { edit: { vars: { zeros } } }))).toMatchObject({ code: "too_large" });
      await runs.resume("r");
      await runs.start({ skillId: "zeros", runId: "more", inputs: { count: maxStateValues } });
      await runtime.idle();
      expect(await runs.get("r")).toMatchObject({ status: "completed", result: 1_500 });
      // The step is what does not fit, and its body goes on.
      expect(await runs.get("more")).toMatchObject({ status: "completed", result: "too_large" });
    }),
  );

  test(
    "counts what is in it, not what deltas replaced",
    on(async (stage) => {
      const { runs } = small(stage);
      await runs.create({ skillId: "chain", runId: "r" });
      for (let number = 0; number < 30; number++) {
        const vars = { still: "x".repeat(6_000), changing: `${number} `.repeat(300) };
        await saveCheckpoint(runs, "r", { checkpointId: `c${number}`, kind: "k", state: state(vars) });
      }
      expect((await runs.loadCheckpoint("r", "c29")).state.vars.changing).toBe("29 ".repeat(300));
    }),
  );
});

describe("a step whose result is too large", () => {
  test(
    "fails its run by that name, is called once, and can be resumed",
    on(async (stage) => {
      const { runs, runtime, calls } = small(stage);
      await runs.start({ skillId: "chain", runId: "r", inputs: { bytes: 20_000 } });
      await runtime.idle();
      expect(await runs.get("r")).toMatchObject({ status: "failed", error: { code: "too_large", stepId: "one" } });
      expect(calls).toEqual(["one"]);
      const { head = "" } = await runs.listCheckpoints("r");
      expect((await runs.loadCheckpoint("r", head)).state.stepResults.one?.status).toBe("failed");
      await runs.resume("r");
      await runtime.idle();
      expect((await runs.get("r")).status).toBe("failed");
      expect(calls).toEqual(["one", "one"]);
    }),
  );

  test(
    "is degraded where the run goes on without it, and what it did to the world stays known",
    on(async (stage) => {
      const { runs, runtime, calls } = small(stage);
      const inputs = { first: 2_000, second: 9_000, third: 100 };
      await runs.start({ skillId: "two", runId: "r", inputs });
      await runtime.idle();
      expect(await runs.get("r")).toMatchObject({ status: "completed", result: { third: "x".repeat(100) } });
      const { head = "" } = await runs.listCheckpoints("r");
      const { stepResults } = (await runs.loadCheckpoint("r", head)).state;
      expect(stepResults.second).toMatchObject({ status: "degraded", producedOutput: null });
      expect(calls).toEqual(["first", "second", "third"]);
      const [claim] = await stage.store.listClaims(stage.tenant, "r", { limit: 9 });
      expect(JSON.parse(claim?.body ?? "")).toMatchObject({ step_id: "second", status: "recorded" });
    }),
  );

  test(
    "rejects in a body, which may go on; a return value that is too large fails the run",
    on(async (stage) => {
      const { runs, runtime } = small(stage);
      await runs.start({ skillId: "returning", runId: "r", inputs: { bytes: 10 } });
      await runtime.idle();
      expect(await runs.get("r")).toMatchObject({ status: "completed", result: "x".repeat(10) });
      await runs.start({ skillId: "returning", runId: "s", inputs: { bytes: 20_000 } });
      await runtime.idle();
      expect(await runs.get("s")).toMatchObject({ status: "failed", error: { code: "too_large" } });
    }),
  );

  test(
    "and that fills the state to its edge can still fail",
    on(async (stage) => {
      const { runs, runtime } = small(stage);
      // Each leaves less room than an error takes.
      for (let bytes = 6_000; bytes < 9_000; bytes += 250) {
        await runs.start({
          skillId: "chain",
          runId: `r ${bytes}`,
          inputs: { bytes: 9_000, fill: "x".repeat(bytes) },
        });
        await runtime.idle();
        expect(await runs.get(`r ${bytes}`)).toMatchObject({ status: "failed", error: { code: "too_large" } });
      }
    }),
  );
});

test(
  "an error with a long message fails its run, and the row shows its beginning",
  on(async (stage) => {
    const runtime = complaining(stage);
    const runs = runtime.for(stage.tenant);
    await runs.start({ skillId: "complaining", runId: "r" });
    await runtime.idle();
    const { status, error } = await runs.get("r");
    expect(status).toBe("failed");
    expect(error?.message.length).toBeLessThan(5_000);
    const { head = "" } = await runs.listCheckpoints("r");
    const thrown = (await runs.loadCheckpoint("r", head)).state.stepResults.loud?.rawResult;
    expect((thrown as Error).message.length).toBe(400_000);
  }),
);

describe("a run that failed beyond the limit", () => {
  const capabilities = [
    defineCapability({ id: "made", version: "1", retries: { limit: 0, delay: 0 } }, () => "x".repeat(900)),
  ];
  const skills = [
    defineGraphSkill({
      id: "growing",
      version: "1",
      steps: Array.from({ length: 30 }, (_, index) => ({ id: `g${index}`, uses: "made", output: `vars.v${index}` })),
    }),
  ];
  const sizeOf = (kept: ExecutionState) =>
    new TextEncoder().encode(JSON.stringify(writeState(encodeState(kept)))).length;

  test(
    "is resumed, replayed and forked from its head, and goes on where the limit is larger",
    on(async (stage) => {
      const options = { capabilities, skills };
      const large = stage.runtime({ ...options, executor: "large" });
      let beyond = 0;
      for (let limit = 12_000; limit < 13_000; limit += 100) {
        const runtime = stage.runtime({ ...options, maxStateBytes: limit, executor: `small ${limit}`, onError() {} });
        const runs = runtime.for(stage.tenant);
        const runId = `grown to ${limit}`;
        await runs.start({ skillId: "growing", runId });
        await runtime.idle();
        const { checkpointHead = "", ...run } = await runs.get(runId);
        expect(run).toMatchObject({ status: "failed", error: { code: "too_large" } });
        const { state: kept } = await runs.loadCheckpoint(runId, checkpointHead);
        if (sizeOf(kept) > limit) beyond++;

        const replay = await runs.replay(runId);
        const fork = await runs.fork(runId);
        expect((await runs.loadCheckpoint(fork.run.runId, checkpointHead)).state).toEqual(kept);
        await runs.resume(fork.run.runId);
        await runs.resume(runId);
        await runtime.idle();
        for (const { runId: id } of [run, replay.run, fork.run]) {
          // The next step is one too many again.
          expect(await runs.get(id)).toMatchObject({ status: "failed", error: { code: "too_large" } });
        }
        expect(await refusalOf(runs.fork(runId, { edit: { vars: { more: "x".repeat(4_000) } } }))).toMatchObject({
          code: "too_large",
        });
        await large.for(stage.tenant).resume(fork.run.runId);
        await large.idle();
        expect(await runs.get(fork.run.runId)).toMatchObject({ status: "completed" });
      }
      expect(beyond).toBeGreaterThan(0);
    }),
  );
});

// Times that are no whole milliseconds.

test(
  "fractions of a millisecond, in a clock, a lease or a duration, are kept by every medium",
  on(async (stage) => {
    const { clock, tenant } = stage;
    const skill = defineSkill({
      id: "fractions",
      version: "1",
      run: async (step) => {
        await step.sleep("nap", 3_600_000.25);
        await step.waitForEvent("word", { type: "word", timeout: 3_600_000.75 }).catch(() => "no word");
        return "done";
      },
    });
    const fractional = { now: () => clock.now() + 0.3, sleep: clock.sleep };
    const options = { skills: [skill], clock: fractional, holdMs: 0, leaseMs: 1_000.125, executor: "fractions" };
    const runtime = stage.runtime(options);
    const runs = runtime.for(tenant);
    await runs.start({ skillId: "fractions", runId: "r", idempotencyKey: "key" });
    await runtime.idle();
    await clock.advance(1_000_000);
    expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
    for (let round = 0; round < 2; round++) {
      await clock.advance(3_600_002);
      expect(await runtime.drain()).toEqual({ taken: 1, passedOver: 0 });
    }
    expect(await runs.get("r")).toMatchObject({ status: "completed", result: "done" });
    expect((await runs.start({ skillId: "fractions", runId: "r", idempotencyKey: "key" })).isRepeat).toBe(true);
  }),
);

function complaining(stage: Stage): Runtime {
  const capabilities = [
    defineCapability({ id: "complain", version: "1" }, () => {
      throw new Error("x".repeat(400_000));
    }),
  ];
  const steps = [{ id: "loud", uses: "complain", retries: { limit: 1, delay: 0 } }];
  const skills = [defineGraphSkill({ id: "complaining", version: "1", steps })];
  return stage.runtime({ capabilities, skills, executor: "complaining" });
}
