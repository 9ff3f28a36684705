import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { readEntry } from "../../src/codec/bodies.ts";
import type { RunId } from "../../src/ids.ts";
import {
  createRuntime,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  isDurableError,
  type Runs,
  type Skill,
} from "../../src/index.ts";
import { fitEntry } from "../../src/journal/commit.ts";
import { utf8Length } from "../../src/json.ts";
import { event } from "../../src/record/run.ts";
import type { WorkflowStep } from "../../src/skills/code/workflow.ts";
import { maxRowBytes } from "../../src/store.ts";
import type { Run } from "../../src/types.ts";

// Rows keep a reserve: whatever was accepted can be leased, take signals, wait, fail, be canceled, copied and deleted.

interface Inputs {
  readonly result?: string;
  readonly message?: string;
}

const ends = defineSkill<Inputs>({
  id: "ends",
  version: "1",
  run: async (step, { result, message }) => {
    await step.waitForApproval("ask");
    if (message !== undefined) throw new Error(message);
    return { result };
  },
});

function home() {
  const store = memoryStore();
  const runtime = createRuntime({ serves: false, store, skills: [ends], onError: () => {} });
  return { store, runtime, runs: runtime.for("alpha") };
}

/** The largest metadata that a birth takes, to the byte. */
async function fullest(): Promise<{ text: string }> {
  const { runs } = home();
  let [fits, isTooMuch] = [0, maxRowBytes];
  for (let number = 0; isTooMuch - fits > 1; number++) {
    const length = Math.floor((fits + isTooMuch) / 2);
    const metadata = { text: "x".repeat(length) };
    const error: unknown = await runs
      .start({ skillId: "ends", runId: `r${number}`.padEnd(200, "-"), metadata })
      .then(() => undefined)
      .catch((error: unknown) => error);
    if (error === undefined) fits = length;
    else {
      expect(error).toMatchObject({ code: "too_large" });
      isTooMuch = length;
    }
  }
  return { text: "x".repeat(fits) };
}

/** A run whose row is as full as it gets from outside: it has the fullest metadata and the fullest inbox. */
async function full(runs: Runs, runId: string, metadata: Run["metadata"], inputs: Inputs): Promise<void> {
  await runs.start({ skillId: "ends", runId, metadata, inputs: { ...inputs } });
  for (let bytes = 60_000; bytes > 10; ) {
    try {
      await runs.signal(runId, { name: "n".repeat(200), payload: "x".repeat(bytes) });
    } catch (error) {
      expect(isDurableError(error) && error.code).toMatch(/inbox_full|too_large/);
      bytes = Math.floor(bytes / 2);
    }
  }
}

/** Half of all characters of a text that JSON escapes: it takes six bytes each. */
const escaped = "\u0001".repeat(4_000);
const notes = "n".repeat(2_000);

describe("a run with the largest metadata that is accepted, and a full inbox,", () => {
  test.each<[string, Inputs, Run["status"]]>([
    ["completes", { result: "r".repeat(100) }, "completed"],
    ["completes with a result that is just small enough for the row", { result: "r".repeat(65_000) }, "completed"],
    ["completes with a large result", { result: "r".repeat(300_000) }, "completed"],
    ["completes with a result of many bytes and few characters", { result: "漢".repeat(60_000) }, "completed"],
    ["fails with a long message, each of whose characters is escaped", { message: escaped }, "failed"],
    ["fails with a message of megabytes", { message: "漢".repeat(2_000_000) }, "failed"],
  ])("%s", async (_what, inputs, status) => {
    const { runs, runtime } = home();
    const metadata = await fullest();
    await full(runs, "r", metadata, inputs);
    await runtime.idle();
    await runs.approve("r", { approver: "ann", notes });
    await runtime.idle();
    const run = await runs.get("r");
    expect([run.status, run.error?.code]).toEqual([status, status === "failed" ? run.error?.code : undefined]);
    if (status === "failed") expect(run.error?.message.slice(0, 100)).toBe(inputs.message?.slice(0, 100));
    else expect(run.result).toEqual({ result: inputs.result });
    expect(run.metadata).toEqual(metadata);
    await runs.delete("r");
  });

  test("is canceled, resumed and deleted", async () => {
    const { runs, runtime } = home();
    await full(runs, "r", await fullest(), {});
    await runtime.idle();
    expect((await runs.cancel("r")).status).toBe("canceled");
    expect((await runs.resume("r")).run.status).toBe("running");
    await runtime.idle();
    expect((await runs.deny("r", { approver: "ann", notes: "n".repeat(20_000) })).status).toBe("canceled");
    await runs.delete("r");
    expect((await runs.list()).items).toEqual([]);
  });

  test("is replayed and forked, and its forks are, again and again", async () => {
    const { runs, runtime } = home();
    await full(runs, "r", await fullest(), {});
    await runtime.idle();
    let source = "r";
    for (let generation = 0; generation < 5; generation++) {
      await runs.replay(source, { newRunId: `replay ${generation}`.padEnd(200, "-") });
      source = (await runs.fork(source, { newRunId: `fork ${generation}`.padEnd(200, "-") })).run.runId;
      await runtime.idle();
    }
  });

  test("is set aside where its skill is missing, and taken over where its executor died", async () => {
    const { store, runs, runtime } = home();
    await full(runs, "r", await fullest(), {});
    await runtime.stop();
    const errors: unknown[] = [];
    const later = { now: () => Date.now() + 3_600_000, sleep: async () => {} };
    const without = createRuntime({
      serves: false,
      store,
      skills: [],
      clock: later,
      onError: (error) => errors.push(error),
    });
    await without.drain();
    // It says once that nothing here serves the run.
    expect(errors).toEqual([expect.objectContaining({ code: "not_found", missing: "skill" })]);
    expect((await store.dueRuns({ now: later.now(), limit: 10 })).length).toBe(0);
    const muchLater = { now: () => Date.now() + 36_000_000, sleep: async () => {} };
    const other = createRuntime({
      serves: false,
      store,
      skills: [ends],
      clock: muchLater,
      onError: (error) => errors.push(error),
    });
    await other.drain();
    expect(errors).toHaveLength(1);
    expect((await runs.get("r")).status).toBe("waiting_for_human");
  });
});

test("metadata is refused before anything is written where it would leave too little room", async () => {
  const { runs } = home();
  for (const runId of ["a", "b"]) {
    const metadata = { text: "x".repeat(235_000) };
    await expect(runs.start({ skillId: "ends", runId, metadata })).rejects.toMatchObject({ code: "too_large" });
    await expect(runs.create({ skillId: "ends", runId, metadata })).rejects.toMatchObject({ code: "too_large" });
  }
  expect(await runs.count()).toBe(0);
});

test("the messages of many failures are cut until all of them fit one entry", () => {
  const failures = Array.from({ length: 80 }, (_, index) =>
    event("step.failed", 0, { step_id: `step ${index}`, uses: "u", error: `${index} ${"e".repeat(5_000)}` }),
  );
  const body = fitEntry("r" as RunId, { nonce: "n", events: [...failures, event("run.failed", 0, { message: "m" })] });
  expect(utf8Length(body)).toBeLessThanOrEqual(maxRowBytes);
  const { events } = readEntry({ tenant: "t", runId: "r", revision: 1, body });
  expect(events.length).toBe(81);
  expect(events[7]?.payload).toMatchObject({ step_id: "step 7", error: expect.stringMatching(/^7 e{90,}.*…$/) });
  const short = [event("step.failed", 0, { step_id: "s", error: "e".repeat(4_000) })];
  const kept = readEntry({
    tenant: "t",
    runId: "r",
    revision: 1,
    body: fitEntry("r" as RunId, { nonce: "n", events: short }),
  });
  expect(kept.events).toEqual(short);
  const names = Array.from({ length: 3_000 }, () => event("step.failed", 0, { step_id: "n".repeat(200) }));
  expect(() => fitEntry("r" as RunId, { nonce: "n", events: names })).toThrow(
    expect.objectContaining({ code: "too_large" }),
  );
});

describe("more waits at once than the row has room for", () => {
  const names = Array.from({ length: 800 }, (_, index) => `${index} `.padEnd(256, "x"));
  const parallel = (wait: (step: WorkflowStep, name: string) => Promise<unknown>) =>
    defineSkill({
      id: "waits",
      version: "1",
      run: async (step) => {
        await Promise.all(names.map((name) => wait(step, name)));
      },
    });
  test.each<[string, Skill]>([
    ["sleeps of a body", parallel((step, name) => step.sleep(name, "1 hour"))],
    ["sleeps of a body until a time", parallel((step, name) => step.sleepUntil(name, Date.now() + 3_600_000))],
    ["events of a body", parallel((step, name) => step.waitForEvent(name, { type: "go" }))],
    ["gates of a body", parallel((step, name) => step.waitForApproval(name))],
    [
      "sleeps of a graph",
      defineGraphSkill({
        id: "waits",
        version: "1",
        steps: names.map((id) => ({ id, dependsOn: [], sleep: "1 hour" })),
      }),
    ],
    [
      "signals of a graph",
      defineGraphSkill({
        id: "waits",
        version: "1",
        steps: names.map((id) => ({ id, dependsOn: [], waitFor: { signal: "go" }, onFailure: "continue" })),
      }),
    ],
  ])("fail the run, which names the first that has none: %s", async (_name, skill) => {
    const store = memoryStore();
    let commits = 0;
    const counted = {
      ...store,
      commit(...args: Parameters<typeof store.commit>) {
        commits++;
        return store.commit(...args);
      },
    };
    const runtime = createRuntime({ serves: false, store: counted, skills: [skill], onError: () => {} });
    const runs = runtime.for("alpha");
    const { run } = await runs.start({ skillId: "waits" });
    await runtime.idle();
    const { status, error } = await runs.get(run.runId);
    expect({ status, code: error?.code }).toEqual({ status: "failed", code: "too_large" });
    expect(error?.message).toContain("cannot wait beside the others");
    const first = names.indexOf(error?.stepId ?? "");
    expect(first).toBeGreaterThan(600);
    // One for each wait that has room, and nothing for those that have none.
    expect(commits).toBeLessThanOrEqual(first + 3);
  });
});

describe("more steps to be tried again than the row has room for", () => {
  const names = Array.from({ length: 220 }, (_, index) => `${index} `.padEnd(256, "x"));
  const metadata = { text: "x".repeat(120_000) };
  const busy = (name: string) => `${name.slice(0, 5)} is busy: ${"b".repeat(300)}`;
  const retries = { limit: 3, delay: "1 hour" } as const;
  const full = /^step ".+" cannot wait beside the others: the row of run .+ would take .+; it failed with: .+ is busy/;

  async function headOf(skill: Skill, attempt: (name: string) => void) {
    const capability = defineCapability({ id: "tried", version: "1", retries }, (_, { stepId }) => {
      attempt(stepId);
      throw new TypeError(busy(stepId));
    });
    const capabilities = [capability];
    const runtime = createRuntime({
      serves: false,
      store: memoryStore(),
      skills: [skill],
      capabilities,
      onError: () => {},
    });
    const runs = runtime.for("alpha");
    await runs.start({ skillId: "tries", runId: "r", metadata });
    await runtime.idle();
    const run = await runs.get("r");
    return { run, state: (await runs.loadCheckpoint("r", run.checkpointHead ?? "")).state };
  }

  test("fail a graph with the error of the first that has none", async () => {
    const attempts: string[] = [];
    const steps = names.map((id) => ({ id, dependsOn: [], uses: "tried" }));
    const { run, state } = await headOf(defineGraphSkill({ id: "tries", version: "1", steps }), (name) =>
      attempts.push(name),
    );
    const { stepId = "", message } = run.error ?? {};
    expect(run).toMatchObject({ status: "failed", error: { code: "step_failed" } });
    expect(names.indexOf(stepId)).toBeGreaterThan(50);
    expect(message).toMatch(full);
    expect(message).toContain(busy(stepId));
    expect(state.stepResults[stepId]).toMatchObject({ status: "failed", attemptsCount: 1, errorMessage: message });
    expect(new Set(attempts).size).toBe(attempts.length);
  });

  test.each(["tries a function", "tries a capability"])("leave each its own error, in a body that %s", async (way) => {
    const caught = new Map<string, Error>();
    const skill = defineSkill({
      id: "tries",
      version: "1",
      run: async (step) => {
        const attempt = (name: string) =>
          way === "tries a capability"
            ? step.use(name, "tried")
            : step.do(name, { retries }, () => Promise.reject(new TypeError(busy(name))));
        await Promise.all(names.map((name) => attempt(name).catch((error: Error) => caught.set(name, error))));
      },
    });
    const { run, state } = await headOf(skill, () => {});
    expect(run).toMatchObject({ status: "running" });
    expect(caught.size).toBeGreaterThan(10);
    expect(caught.size).toBeLessThan(200);
    for (const [name, error] of caught) {
      expect({ name: error.name, message: error.message }).toEqual({ name: "TypeError", message: busy(name) });
      expect(state.stepResults[name]?.errorMessage).toMatch(full);
    }
  });
});
