import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { countingStore, crashingStore } from "../../src/conformance/faults.ts";
import {
  defineCapability,
  defineGraphSkill,
  defineMigration,
  defineSkill,
  type ExecutionState,
  isDurableError,
  type Skill,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { expectRefusals, leaseMs, noSkill, onStage, refusalOf, type Stage } from "../support/stage.ts";
import { checkpointAfter, checkpointOfKind, kindsOf, rowsOf } from "../support/stored.ts";

const on = onStage(harness);

const hourMs = 60 * 60 * 1000;

/** The state with a step under another name, and with a variable under another name and in another form. */
function renamed(state: ExecutionState): ExecutionState {
  const { draft, ...others } = state.stepResults;
  const { text, ...vars } = state.vars;
  return {
    ...state,
    vars: { ...vars, ...(text === undefined ? {} : { words: String(text).split(" ") }) },
    stepResults: { ...others, ...(draft === undefined ? {} : { write: { ...draft, stepId: "write" } }) },
  };
}

function counted(state: ExecutionState): ExecutionState {
  const { words } = state.vars;
  return { ...state, vars: { ...state.vars, ...(words === undefined ? {} : { count: (words as unknown[]).length }) } };
}

const wait = { id: "wait", waitFor: { signal: "go" } };
const nap = { id: "nap", sleep: hourMs };
const gate = { id: "gate", uses: "gate" };

/** The letter in its first version: it writes a text, waits in one way or another, and sends. */
function first(middle: typeof wait | typeof nap | typeof gate): Skill {
  return defineGraphSkill({
    id: "letter",
    version: "1",
    steps: [
      { id: "draft", uses: "write", output: "vars.text" },
      middle,
      { id: "send", uses: "send", input: "vars.text", output: "outputs.sent" },
    ],
  });
}

function second(middle: typeof wait | typeof nap | typeof gate, version = "2"): Skill {
  return defineGraphSkill({
    id: "letter",
    version,
    migrations: [
      defineMigration({ from: "1", to: "2", migrate: renamed }),
      defineMigration({ from: "2", migrate: counted }),
    ],
    steps: [
      { id: "write", uses: "write", output: "vars.words" },
      middle,
      { id: "send", uses: "send", input: "vars.words", output: "outputs.sent" },
    ],
  });
}

/** A place with some versions of the letter, and what was called there. */
function home(stage: Stage, skills: readonly Skill[], store: Store = stage.store) {
  const calls: string[] = [];
  const errors: unknown[] = [];
  const capabilities = ["write", "send", "gate"].map((id) =>
    defineCapability({ id, version: "1", requiresConfirmation: id === "gate" }, (input, { stepId }) => {
      calls.push(stepId);
      return stepId === "draft" ? "dear ann" : stepId === "write" ? ["dear", "bob"] : input;
    }),
  );
  const onError = (error: unknown) => errors.push(error);
  const runtime = stage.runtime({ store, skills, capabilities, onError, holdMs: 0, executor: undefined as never });
  return { runtime, runs: runtime.for(stage.tenant), calls, errors };
}

/** A run of the first version, at rest before the step `send`. */
async function waiting(
  stage: Stage,
  middle: typeof wait | typeof nap | typeof gate = wait,
  runId = "r",
): Promise<string> {
  const { runs, runtime } = home(stage, [first(middle)]);
  await runs.start({ skillId: "letter", runId, inputs: { bulk: "x".repeat(3_000) } });
  await runtime.idle();
  expect(Object.keys((await headState(stage, runId)).stepResults)).toEqual(["draft"]);
  return runId;
}

async function headState({ runs }: Stage, runId: string): Promise<ExecutionState> {
  const { head = "" } = await runs.listCheckpoints(runId);
  return (await runs.loadCheckpoint(runId, head)).state;
}

// The migrations of a skill, as tests over the stores of one medium.

describe("a run of an earlier version", () => {
  test(
    "is migrated by a resume, in a checkpoint of its own, and goes on without repeating a step",
    on(async (stage) => {
      await waiting(stage);
      const before = await stage.runs.listCheckpoints("r");
      const old = await stage.runs.loadCheckpoint("r", before.head ?? "");
      const { runs, runtime, calls } = home(stage, [second(wait)]);
      const { run, checkpointId } = await runs.resume("r");
      expect(run).toMatchObject({ skillVersion: "2", status: "running", resumeFromCheckpointId: before.head });
      expect(checkpointId).toBe(before.head);
      await runtime.idle();
      await runs.signal("r", { name: "go" });
      await runtime.idle();
      expect(await runs.get("r")).toMatchObject({
        status: "completed",
        skillVersion: "2",
        result: { sent: ["dear", "ann"] },
      });
      expect(calls).toEqual(["send"]);
      const { items: checkpoints } = await runs.listCheckpoints("r");
      expect(checkpoints.slice(0, before.items.length)).toEqual(before.items);
      const resumed = await runs.loadCheckpoint("r", checkpoints[before.items.length]?.checkpointId ?? "");
      expect(resumed).toMatchObject({ record: { kind: "run_resumed" }, state: { skillVersion: "2" } });
      expect(resumed.state.vars).toEqual({ words: ["dear", "ann"] });
      expect(Object.keys(resumed.state.stepResults)).toEqual(["write"]);
      // History stays as it was written.
      expect(await runs.loadCheckpoint("r", before.head ?? "")).toEqual(old);
    }),
  );

  test(
    "is migrated over several versions in order, each once",
    on(async (stage) => {
      await waiting(stage);
      const { runs, runtime } = home(stage, [second(wait, "3")]);
      await runs.resume("r");
      await runtime.idle();
      const state = await headState(stage, "r");
      expect(state).toMatchObject({ skillVersion: "3", vars: { words: ["dear", "ann"], count: 2 } });
      expect((await runs.get("r")).skillVersion).toBe("3");
    }),
  );

  test(
    "is not migrated where its own version is registered as well",
    on(async (stage) => {
      await waiting(stage);
      const { runs, runtime, calls } = home(stage, [second(wait), first(wait), second(wait, "3")]);
      await runs.resume("r");
      await runs.signal("r", { name: "go" });
      await runtime.idle();
      expect(await runs.get("r")).toMatchObject({
        status: "completed",
        skillVersion: "1",
        result: { sent: "dear ann" },
      });
      expect(calls).toEqual(["send"]);
    }),
  );

  test(
    "is migrated from an older checkpoint too",
    on(async (stage) => {
      await waiting(stage);
      const { runs, runtime, calls } = home(stage, [second(wait)]);
      const start = await checkpointOfKind(runs, "r", "run_started");
      await runs.resume("r", { checkpointId: start });
      await runs.signal("r", { name: "go" });
      await runtime.idle();
      expect(calls).toEqual(["write", "send"]);
      expect(await runs.get("r")).toMatchObject({ status: "completed", result: { sent: ["dear", "bob"] } });
    }),
  );

  test(
    "is migrated by an approval",
    on(async (stage) => {
      await waiting(stage, gate);
      const { runs, runtime, calls } = home(stage, [second(gate)]);
      await runs.approve("r", { approver: "ann" });
      await runtime.idle();
      expect(calls).toEqual(["gate", "send"]);
      expect(await runs.get("r")).toMatchObject({ status: "completed", skillVersion: "2" });
    }),
  );

  test.each(["go", "start"])(
    "is woken by the signal of a later version, and the earlier one had waited for %s",
    async (name) => {
      await on(async (stage) => {
        await waiting(stage, wait, "r");
        const later = home(stage, [second({ id: "wait", waitFor: { signal: name } })]);
        await later.runs.signal("r", { name });
        await later.runtime.idle();
        await later.runtime.drain();
        expect(await later.runs.get("r")).toMatchObject({ status: "completed", skillVersion: "2" });
      })();
    },
  );

  test(
    "that waits under a later version is woken by a signal through a server of the earlier one",
    on(async (stage) => {
      await waiting(stage, wait, "r");
      const later = home(stage, [second({ id: "wait", waitFor: { signal: "start" } })]);
      await later.runs.resume("r");
      await later.runtime.idle();
      const earlier = home(stage, [first(wait)]);
      await earlier.runs.signal("r", { name: "start" });
      await earlier.runtime.drain();
      expect(await later.runs.get("r")).toMatchObject({ status: "waiting_for_signal", skillVersion: "2" });
      await later.runtime.drain();
      expect(await later.runs.get("r")).toMatchObject({ status: "completed", skillVersion: "2" });
    }),
  );

  test(
    "is migrated by a drain: after a crash, after a sleep, and after a signal",
    on(async (stage) => {
      await waiting(stage, nap, "slept");
      await waiting(stage, wait, "signaled");
      const dying = home(
        stage,
        [first(gate)],
        crashingStore(stage.store, { atCommit: 3, moment: "before", calls: "reject" }),
      );
      await dying.runs.start({ skillId: "letter", runId: "crashed" });
      await dying.runtime.idle();
      await checkpointAfter(stage.runs, "crashed", "draft");

      const naps = home(stage, [second(nap)]);
      await stage.clock.advance(hourMs);
      expect(await naps.runtime.drain()).toMatchObject({ taken: 2 });
      expect(naps.calls).toEqual(["send"]);
      expect(await naps.runs.get("slept")).toMatchObject({ status: "completed", result: { sent: ["dear", "ann"] } });
      expect(await kindsOf(stage.runs, "slept")).toContain("run_resumed");
      const crashed = await headState(stage, "crashed");
      expect(crashed).toMatchObject({ skillVersion: "2", vars: { words: ["dear", "ann"] } });

      const waits = home(stage, [second(wait)]);
      await waits.runs.signal("signaled", { name: "go" });
      await waits.runtime.idle();
      await waits.runtime.drain();
      expect(waits.calls).toEqual(["send"]);
      expect(await waits.runs.get("signaled")).toMatchObject({ status: "completed", skillVersion: "2" });
    }),
  );

  test(
    "stays as it is at the beginning of a replay, which is migrated when it begins",
    on(async (stage) => {
      await waiting(stage);
      const { runs, runtime, calls } = home(stage, [second(wait)]);
      const before = await rowsOf(stage.store, stage.tenant, "r");
      const checkpointId = await checkpointAfter(runs, "r", "draft");
      await runs.replay("r", { checkpointId, newRunId: "replay" });
      await runs.signal("replay", { name: "go" });
      await runtime.idle();
      expect(await runs.get("replay")).toMatchObject({ status: "completed", skillVersion: "2" });
      expect((await runs.loadCheckpoint("replay", checkpointId)).state).toEqual(
        (await runs.loadCheckpoint("r", checkpointId)).state,
      );
      const started = await runs.loadCheckpoint("replay", await checkpointOfKind(runs, "replay", "run_started"));
      expect(started.state).toMatchObject({ skillVersion: "2", vars: { words: ["dear", "ann"] } });
      expect(calls).toEqual(["send"]);
      expect((await rowsOf(stage.store, stage.tenant, "r")).rows).toEqual(before.rows);
    }),
  );

  test(
    "stays as it is in a fork until that is resumed",
    on(async (stage) => {
      await waiting(stage);
      const { runs, runtime } = home(stage, [second(wait)]);
      await runs.fork("r", { newRunId: "fork" });
      expect(await runs.get("fork")).toMatchObject({ status: "pending", skillVersion: "1" });
      await runs.delete("r");
      await runs.resume("fork");
      await runs.signal("fork", { name: "go" });
      await runtime.idle();
      expect(await runs.get("fork")).toMatchObject({ status: "completed", skillVersion: "2" });
    }),
  );
});

describe("a migration", () => {
  const code = (version: string, migrations: Parameters<typeof defineSkill>[0]["migrations"] = []) =>
    defineSkill({
      id: "code",
      version,
      migrations,
      run: async (step) => {
        const word = await step.do(version === "1" ? "word" : "the word", async () => `word of ${version}`);
        await step.waitForEvent("wait", { type: "go" });
        return `${word}, said by ${version}`;
      },
    });

  test(
    "carries the steps of a body over to their new names",
    on(async (stage) => {
      const before = home(stage, [code("1")]);
      await before.runs.start({ skillId: "code", runId: "r" });
      await before.runtime.idle();
      const migrate = (state: ExecutionState): ExecutionState => {
        const rename = (id: string) => (id === "word" ? "the word" : id);
        const results = Object.entries(state.stepResults).map(([id, result]) => [
          rename(id),
          { ...result, stepId: rename(id) },
        ]);
        const steps = state.trace.steps.map((step) => ({ ...step, stepId: rename(step.stepId) }));
        return { ...state, stepResults: Object.fromEntries(results), trace: { ...state.trace, steps } };
      };
      const { runs, runtime } = home(stage, [code("2", [defineMigration({ from: "1", migrate })])]);
      await runs.resume("r");
      await runs.signal("r", { name: "go" });
      await runtime.idle();
      expect(await runs.get("r")).toMatchObject({ status: "completed", result: "word of 1, said by 2" });
    }),
  );

  test(
    "gets live values of its own, and cannot make the state another skill's",
    on(async (stage) => {
      await waiting(stage);
      const given: ExecutionState[] = [];
      const migrate = (state: ExecutionState) => {
        given.push(state);
        (state.vars as Record<string, unknown>).text = new Map([[1, new Date(0)]]);
        return { ...renamed(state), skillId: "another", skillVersion: "another", vars: state.vars };
      };
      const { runs, runtime } = home(stage, [
        defineGraphSkill({
          id: "letter",
          version: "2",
          migrations: [defineMigration({ from: "1", migrate })],
          steps: [wait],
        }),
      ]);
      const before = await stage.runs.loadCheckpoint("r", (await stage.runs.listCheckpoints("r")).head ?? "");
      await runs.resume("r");
      await runtime.idle();
      const state = await headState(stage, "r");
      expect(state).toMatchObject({
        skillId: "letter",
        skillVersion: "2",
        vars: { text: new Map([[1, new Date(0)]]) },
      });
      expect(await stage.runs.loadCheckpoint("r", before.record.checkpointId)).toEqual(before);
      expect(given.length).toBe(1);
    }),
  );

  test(
    "may be run again where a resume was interrupted before or after its commit",
    on(async (stage) => {
      for (const moment of ["before", "after"] as const) {
        const runId = await waiting(stage, wait, `interrupted ${moment}`);
        const dying = home(stage, [second(wait)], crashingStore(stage.store, { atCommit: 1, moment, calls: "reject" }));
        expect(await refusalOf(dying.runs.resume(runId))).toMatchObject({ code: "store_failed" });
        await dying.runtime.stop();
        await stage.clock.advance(leaseMs);
        const { runs, runtime, calls } = home(stage, [second(wait)]);
        await runs.resume(runId);
        await runs.signal(runId, { name: "go" });
        await runtime.idle();
        expect(await runs.get(runId)).toMatchObject({
          status: "completed",
          skillVersion: "2",
          result: { sent: ["dear", "ann"] },
        });
        expect(calls).toEqual(["send"]);
      }
    }),
  );

  const broken: readonly [string, (state: ExecutionState) => unknown][] = [
    [
      "throws",
      () => {
        throw new Error("as it should");
      },
    ],
    ["gives nothing", () => undefined],
    ["gives a promise", async (state) => state],
    ["gives a value that cannot be kept", (state) => ({ ...state, vars: { live: () => 1 } })],
  ];

  test.each(broken)("that %s refuses a resume and a replay by name, and writes nothing", (_what, migrate) =>
    on(async (stage) => {
      await waiting(stage);
      const migrations = [
        defineMigration({ from: "1", migrate: migrate as (state: ExecutionState) => ExecutionState }),
      ];
      const { runs } = home(stage, [defineGraphSkill({ id: "letter", version: "2", migrations, steps: [wait] })]);
      const before = await rowsOf(stage.store, stage.tenant, "r");
      for (const attempt of [runs.resume("r"), runs.replay("r")]) {
        const error = await attempt.then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(isDurableError(error, "internal_error") && error.message).toBe(
          'the migration of run "r" from version 1 of skill "letter" to version 2 failed',
        );
        expect((error as Error).cause).toBeInstanceOf(Error);
      }
      expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(before);
    })(),
  );

  test(
    "that fails in a drain is reported, sets its run aside for longer and longer, and keeps no other from it",
    on(async (stage) => {
      await waiting(stage, nap, "r");
      await waiting(stage, nap, "s");
      await stage.clock.advance(hourMs);
      const migrate = (state: ExecutionState): ExecutionState => {
        if (state.inputs.fails !== false) throw new Error("as it should");
        return renamed(state);
      };
      const failing = home(stage, [
        defineGraphSkill({
          id: "letter",
          version: "2",
          migrations: [defineMigration({ from: "1", migrate })],
          steps: [nap],
        }),
      ]);
      expect(await failing.runtime.drain()).toEqual({ taken: 0, passedOver: 2 });
      expect(failing.errors.length).toBe(2);
      expect(await failing.runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
      const dues: number[] = [];
      for (let round = 0; round < 4; round++) {
        const row = await stage.store.getRun(stage.tenant, "r");
        dues.push((row?.dueAt ?? 0) - stage.clock.now());
        await stage.clock.advance(dues.at(-1) ?? 0);
        await failing.runtime.drain();
      }
      expect(dues).toEqual([30_000, 60_000, 120_000, 240_000]);
      const { runs, runtime, calls } = home(stage, [second(nap)]);
      await runs.resume("r");
      await runtime.idle();
      expect((await runs.get("r")).status).toBe("completed");
      await stage.clock.advance(hourMs);
      await runtime.drain();
      expect((await runs.get("s")).status).toBe("completed");
      expect(calls).toEqual(["send", "send"]);
    }),
  );
});

describe("without a way from its version", () => {
  const circle: Skill = defineGraphSkill({
    id: "letter",
    version: "9",
    migrations: [
      defineMigration({ from: "1", to: "2", migrate: (state) => state }),
      defineMigration({ from: "2", to: "1", migrate: (state) => state }),
      defineMigration({ from: "8", migrate: (state) => state }),
    ],
    steps: [wait],
  });
  const others = defineGraphSkill({ id: "letter", version: "7", steps: [wait] });

  test.each<[string, readonly Skill[]]>([
    ["no runtime has the skill", []],
    ["there is only another version", [others]],
    ["the migrations lead elsewhere", [circle, others]],
  ])("a run is refused by the name of its skill, since %s", (_why, skills) =>
    on(async (stage) => {
      await waiting(stage);
      const { runs } = home(stage, skills);
      const calls = [() => runs.resume("r"), () => runs.replay("r")];
      await expectRefusals(stage, noSkill('"letter" version 1'), calls);
    })(),
  );

  test(
    "a due run is left to others without its state being read, and goes on at once where there is one",
    on(async (stage) => {
      await waiting(stage, nap);
      await stage.clock.advance(hourMs);
      const counting = countingStore(stage.store);
      const without = home(stage, [others], counting);
      expect(await without.runtime.drain()).toEqual({ taken: 0, passedOver: 1 });
      expect(counting.counts.calls.getSnapshots).toBe(0);
      expect(counting.counts.calls.commit).toBe(0);
      const { runs, runtime } = home(stage, [others, second(nap)]);
      expect(await runtime.drain()).toEqual({ taken: 1, passedOver: 0 });
      expect(await runs.get("r")).toMatchObject({ status: "completed", skillVersion: "2" });
    }),
  );
});
