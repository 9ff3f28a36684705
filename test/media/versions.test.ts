import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { crashingStore, intercepted } from "../../src/conformance/faults.ts";
import {
  DurableError,
  defineCapability,
  defineGraphSkill,
  defineMigration,
  defineSkill,
  type ExecutionState,
  type Runs,
  type RuntimeOptions,
  type Skill,
  saveCheckpoint,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import { expectRefusals, leaseMs, noSkill, onStage, refusalOf, type Stage } from "../support/stage.ts";
import { checkpointAfter, checkpointOfKind, rowsOf } from "../support/stored.ts";

const on = onStage(harness);

type Migration = Skill["migrations"][number];

const dayMs = 24 * 60 * 60 * 1000;

/** A shop in its first version: it charges, waits for a word, and ships. */
const shop = {
  graph: (charge: string, version: string, migrations: readonly Migration[] = []): Skill =>
    defineGraphSkill({
      id: "shop",
      version,
      migrations,
      steps: [
        { id: charge, uses: "charge", input: "inputs.amount", output: "vars.receipt" },
        { id: "word", waitFor: { signal: "word" } },
        { id: "ship", uses: "ship", input: "vars.receipt", output: "outputs.shipped" },
      ],
    }),
  code: (charge: string, version: string, migrations: readonly Migration[] = []): Skill =>
    defineSkill<{ amount: number }>({
      id: "shop",
      version,
      migrations,
      run: async (step, { amount }) => {
        const receipt = await step.use(charge, "charge", amount);
        await step.waitForEvent("word", { type: "word" });
        return { shipped: await step.use("ship", "ship", receipt) };
      },
    }),
};
const forms = Object.keys(shop) as (keyof typeof shop)[];
const renaming: readonly Migration[] = [defineMigration({ from: "1", renames: { charge: "pay" } })];

interface Call {
  readonly uses: string;
  readonly stepId: string;
  readonly attempt: number;
  readonly key: string;
}

/** A place with some versions of a skill, and what was called there. */
function home(stage: Stage, skills: readonly Skill[], store: Store = stage.store, more: Partial<RuntimeOptions> = {}) {
  const calls: Call[] = [];
  const fails = { charge: 0, ship: 0 };
  const capability = (uses: "charge" | "ship", more = {}) =>
    defineCapability({ id: uses, version: "1", ...more }, (_, { stepId, attempt, idempotencyKey: key }) => {
      calls.push({ uses, stepId, attempt, key });
      if (fails[uses]-- > 0) throw new Error("not now");
      return `${uses} ${calls.length}`;
    });
  const retries = { limit: 2, delay: dayMs };
  const capabilities = [
    capability("charge", { sideEffects: "external_action", retries }),
    capability("ship", { retries }),
  ];
  const errors: unknown[] = [];
  const onError = (error: unknown) => errors.push(error);
  const options = { store, skills, capabilities, onError, holdMs: 0, executor: undefined as never };
  const runtime = stage.runtime({ ...options, ...more });
  return { runtime, runs: runtime.for(stage.tenant), calls, fails, errors };
}

/** What was charged, by all the homes. */
function charged(...homes: readonly { readonly calls: readonly Call[] }[]): number {
  return homes.flatMap(({ calls }) => calls).filter(({ uses }) => uses === "charge").length;
}

/** A run that charged in version 1, came to version 2 while it waited, and has older checkpoints. */
async function migratedRun(stage: Stage, form: keyof typeof shop) {
  const old = home(stage, [shop[form]("charge", "1")]);
  await old.runs.start({ skillId: "shop", runId: "r", inputs: { amount: 10 } });
  await old.runtime.idle();
  const now = home(stage, [shop[form]("pay", "2", renaming)]);
  await now.runs.resume("r");
  await now.runtime.idle();
  expect(await now.runs.get("r")).toMatchObject({ status: "waiting_for_signal", skillVersion: "2" });
  return { old, now };
}

/** Cancels the run, and resumes it from one of its checkpoints. */
async function resumedFrom({ runs, runtime }: ReturnType<typeof home>, checkpointId: string) {
  await runs.cancel("r");
  await runs.resume("r", { checkpointId });
  await runtime.idle();
}

async function finished({ runs, runtime }: ReturnType<typeof home>, runId: string) {
  await runs.signal(runId, { name: "word" });
  await runtime.idle();
  await runtime.drain();
  return runs.get(runId);
}

async function stateAt(runs: Runs, runId: string, checkpointId?: string): Promise<ExecutionState> {
  const { head = "" } = await runs.listCheckpoints(runId);
  return (await runs.loadCheckpoint(runId, checkpointId ?? head)).state;
}

/** The settled steps, in the order of the trace, each under one name everywhere. */
function stepsOf({ stepResults, trace: { steps } }: ExecutionState): readonly string[] {
  const ids = steps.map(({ stepId }) => stepId);
  expect(new Set(Object.keys(stepResults))).toEqual(new Set(ids));
  for (const [id, { stepId }] of Object.entries(stepResults)) expect(stepId).toBe(id);
  return ids;
}

const completed = { status: "completed", skillVersion: "2", result: { shipped: "ship 1" } };

// The versions of a skill, as tests over the stores of one medium.

describe.each(forms)("a checkpoint that is older than a migration, in the form of a %s", (form) => {
  test(
    "is migrated by a resume: what it has done is not done again",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      await resumedFrom(now, await checkpointAfter(now.runs, "r", "charge"));
      expect(Object.keys((await stateAt(now.runs, "r")).stepResults)).toEqual(["pay"]);
      expect(await finished(now, "r")).toMatchObject(completed);
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "is migrated by a resume: what was done since it is in the ledger under the old name, and is found there",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      await resumedFrom(now, await checkpointOfKind(now.runs, "r", "run_started"));
      expect(await finished(now, "r")).toMatchObject(completed);
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "is migrated by replays and forks, which find the ledger's entries too",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      const after = await checkpointAfter(now.runs, "r", "charge");
      const start = await checkpointOfKind(now.runs, "r", "run_started");
      await now.runs.replay("r", { checkpointId: after, newRunId: "replay after" });
      await now.runs.replay("r", { checkpointId: start, newRunId: "replay start" });
      await now.runs.fork("r", { checkpointId: after, newRunId: "fork after" });
      await now.runs.resume("fork after");
      await now.runtime.idle();
      for (const runId of ["replay after", "replay start", "fork after"]) {
        expect(await finished(now, runId)).toMatchObject({ status: "completed", skillVersion: "2" });
      }
      expect(charged(old, now)).toBe(1);
      // A fork of a replay has the names from there.
      await now.runs.replay("replay start", {
        checkpointId: await checkpointOfKind(now.runs, "replay start", "run_started"),
        newRunId: "again",
      });
      await now.runtime.idle();
      expect(await finished(now, "again")).toMatchObject({ status: "completed" });
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "is migrated in a drain, where a fork was made due elsewhere",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      const { runs } = home(stage, [shop[form]("pay", "2", renaming)], stage.store, { executes: false });
      await runs.fork("r", { checkpointId: await checkpointAfter(runs, "r", "charge"), newRunId: "fork" });
      await runs.resume("fork");
      await now.runtime.drain();
      expect(await finished(now, "fork")).toMatchObject({ status: "completed", skillVersion: "2" });
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "is migrated after an export and an import",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      const other = stage.runtime({ skills: [] }).for(`${stage.tenant} elsewhere`);
      await importRun(other, exportRun(now.runs, "r"));
      const there = home(stage, [shop[form]("pay", "2", renaming)]);
      const runs = there.runtime.for(`${stage.tenant} elsewhere`);
      await runs.cancel("r");
      await runs.resume("r", { checkpointId: await checkpointOfKind(runs, "r", "run_started") });
      await there.runtime.idle();
      await runs.signal("r", { name: "word" });
      await there.runtime.idle();
      expect(await runs.get("r")).toMatchObject(completed);
      expect(charged(old, now, there)).toBe(1);
    }),
  );

  test(
    "saved from outside is migrated when the run goes on",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      const state = await stateAt(now.runs, "r", await checkpointAfter(now.runs, "r", "charge"));
      await saveCheckpoint(now.runs, "r", { kind: "saved", state });
      expect((await stateAt(now.runs, "r")).skillVersion).toBe("1");
      expect(await finished(now, "r")).toMatchObject(completed);
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "is migrated if its state names no version, by that of the run at the time",
    on(async (stage) => {
      const old = home(stage, [shop[form]("charge", "1")]);
      await old.runs.start({ skillId: "shop", runId: "r", inputs: { amount: 10 } });
      await old.runtime.idle();
      const { skillVersion: _, ...state } = await stateAt(old.runs, "r");
      const { checkpointId } = await saveCheckpoint(old.runs, "r", { kind: "saved", state });
      const now = home(stage, [shop[form]("pay", "2", renaming)]);
      await now.runs.resume("r");
      await now.runtime.idle();
      await now.runs.cancel("r");
      await now.runs.replay("r", { checkpointId, newRunId: "replay" });
      await now.runs.resume("r", { checkpointId });
      await now.runtime.idle();
      for (const runId of ["r", "replay"]) expect(await finished(now, runId)).toMatchObject({ status: "completed" });
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "does not take its run back to that version, even where that is registered too",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      const both = home(stage, [shop[form]("charge", "1"), shop[form]("pay", "2", renaming)]);
      await both.runs.cancel("r");
      const start = await checkpointOfKind(both.runs, "r", "run_started");
      await both.runs.replay("r", { checkpointId: start, newRunId: "replay" });
      await both.runs.resume("r", { checkpointId: start });
      await both.runtime.idle();
      for (const runId of ["r", "replay"]) {
        expect(await finished(both, runId)).toMatchObject({ status: "completed", skillVersion: "2" });
        expect(stepsOf(await stateAt(both.runs, runId))).toEqual(["pay", "word", "ship"]);
      }
      expect(charged(old, now, both)).toBe(1);
    }),
  );

  test(
    "saved from outside does not take its run back where only that version is registered: its waits have the later names",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      const start = await checkpointOfKind(now.runs, "r", "run_started");
      await saveCheckpoint(now.runs, "r", { kind: "saved", state: await stateAt(now.runs, "r", start) });
      const before = await rowsOf(stage.store, stage.tenant, "r");
      expect(await refusalOf(old.runs.resume("r"))).toMatchObject({
        code: "not_found",
        missing: "skill",
        message: 'skill "shop" version 2 with migrations from 1 is not registered here',
      });
      expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(before);
      await old.runs.signal("r", { name: "word" });
      await old.runtime.drain();
      await old.runtime.idle();
      expect(await old.runs.get("r")).toMatchObject({ status: "waiting_for_signal", skillVersion: "2" });
      await now.runtime.drain();
      expect(await now.runs.get("r")).toMatchObject(completed);
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "is continued where only its version is registered, by a resume and a replay from it, without the later waits",
    on(async (stage) => {
      const { old, now } = await migratedRun(stage, form);
      const checkpointId = await checkpointAfter(now.runs, "r", "charge");
      await old.runs.replay("r", { checkpointId, newRunId: "replay" });
      await old.runs.cancel("r");
      await old.runs.resume("r", { checkpointId });
      await old.runtime.idle();
      for (const runId of ["r", "replay"]) {
        expect(await finished(old, runId)).toMatchObject({ status: "completed", skillVersion: "1" });
        expect(stepsOf(await stateAt(old.runs, runId))).toEqual(["charge", "word", "ship"]);
      }
      expect(charged(old, now)).toBe(1);
    }),
  );

  test(
    "is refused if there is no way from its version",
    on(async (stage) => {
      const { now } = await migratedRun(stage, form);
      const last = await checkpointAfter(now.runs, "r", "charge");
      await now.runs.cancel("r");
      const other = home(stage, [shop[form]("pay", "2")]);
      await expectRefusals(stage, noSkill('"shop" version 1'), [
        () => other.runs.resume("r", { checkpointId: last }),
        () => other.runs.replay("r", { checkpointId: last }),
      ]);
    }),
  );

  test(
    "is of a later version than its run: the run goes on with that version, or is refused",
    on(async (stage) => {
      const old = home(stage, [shop[form]("charge", "1")]);
      await old.runs.start({ skillId: "shop", runId: "r", inputs: { amount: 10 } });
      await old.runtime.idle();
      const { stepResults, ...state } = await stateAt(old.runs, "r");
      const { charge } = stepResults;
      if (charge === undefined) throw new Error("it did not charge");
      const trace = { ...state.trace, steps: state.trace.steps.map((step) => ({ ...step, stepId: "pay" })) };
      const later = { ...state, skillVersion: "2", stepResults: { pay: { ...charge, stepId: "pay" } }, trace };
      await saveCheckpoint(old.runs, "r", { kind: "saved", state: later });
      expect(await refusalOf(old.runs.resume("r"))).toMatchObject({ code: "not_found", missing: "skill" });
      const now = home(stage, [shop[form]("pay", "2", renaming)]);
      await now.runs.resume("r");
      await now.runtime.idle();
      expect(await finished(now, "r")).toMatchObject(completed);
      expect(charged(old, now)).toBe(1);
    }),
  );
});

describe.each(forms)(
  "a state of another version, saved from outside where both versions are registered, for a %s",
  (form) => {
    const both = (stage: Stage, migrations: readonly Migration[]) =>
      home(stage, [shop[form]("charge", "1"), shop[form]("pay", "2", migrations)]);

    /** A run that waits under one version, with a state saved to it that a run of the other version had at its wait. */
    async function crossed(stage: Stage, own: "1" | "2", migrations: readonly Migration[]) {
      const versions = { "1": [shop[form]("charge", "1")], "2": [shop[form]("pay", "2")] };
      const other = own === "1" ? "2" : "1";
      const [ownHome, otherHome] = [home(stage, versions[own]), home(stage, versions[other])];
      await ownHome.runs.start({ skillId: "shop", runId: "r", inputs: { amount: 10 } });
      await otherHome.runs.start({ skillId: "shop", runId: "other", inputs: { amount: 10 } });
      for (const { runtime } of [ownHome, otherHome]) await runtime.idle();
      const there = both(stage, migrations);
      const state = await stateAt(there.runs, "other");
      expect(state.skillVersion).toBe(other);
      const ownState = await stateAt(there.runs, "r");
      await saveCheckpoint(there.runs, "r", { kind: "saved", state });
      return { ...there, ownState };
    }

    test(
      "that leads to the run's version by a migration: the run goes on with its own version",
      on(async (stage) => {
        const there = await crossed(stage, "2", renaming);
        expect(await finished(there, "r")).toMatchObject(completed);
        expect(stepsOf(await stateAt(there.runs, "r"))).toEqual(["pay", "word", "ship"]);
        expect(charged(there)).toBe(0);
      }),
    );

    test(
      "to which a migration leads: the run goes on with the later version, and its wait with it",
      on(async (stage) => {
        const there = await crossed(stage, "1", renaming);
        await there.runs.signal("r", { name: "word" });
        await there.runtime.idle();
        await there.runtime.drain();
        expect(await there.runs.get("r")).toMatchObject(completed);
        expect(stepsOf(await stateAt(there.runs, "r"))).toEqual(["pay", "word", "ship"]);
        expect(charged(there)).toBe(0);
      }),
    );

    test.each(["1", "2"] as const)(
      "without a way between them: a run of version %s stands still until a state of its own is saved",
      (own) =>
        on(async (stage) => {
          const { runs, runtime, ownState } = await crossed(stage, own, []);
          const state = own === "1" ? "2" : "1";
          await expectRefusals(stage, noSkill(`"shop" version ${own} with migrations from ${state}`), [
            () => runs.resume("r"),
          ]);
          await runs.signal("r", { name: "word" });
          await runtime.drain();
          await runtime.idle();
          expect(await runs.get("r")).toMatchObject({ status: "waiting_for_signal", skillVersion: own });
          await saveCheckpoint(runs, "r", { kind: "saved", state: ownState });
          await runs.resume("r");
          await runtime.idle();
          expect(await runs.get("r")).toMatchObject({ ...completed, skillVersion: own });
        })(),
    );

    test(
      "without a way between them: a replay begins there, since it takes no waits along",
      on(async (stage) => {
        const { runs, runtime } = await crossed(stage, "2", []);
        const checkpointId = (await runs.get("r")).checkpointHead ?? "";
        await runs.cancel("r");
        await expectRefusals(stage, noSkill(`"shop" version 2 with migrations from 1`), [
          () => runs.resume("r", { checkpointId }),
        ]);
        await runs.replay("r", { checkpointId, newRunId: "replay" });
        await runtime.idle();
        expect(await finished({ ...both(stage, []), runs, runtime }, "replay")).toMatchObject({
          ...completed,
          skillVersion: "1",
        });
      }),
    );
  },
);

describe("a migration that renames steps", () => {
  const waits = (
    version: string,
    names: readonly [string, string, string, string],
    migrations: readonly Migration[] = [],
  ) =>
    [
      defineGraphSkill({
        id: "graph",
        version,
        migrations,
        steps: [
          { id: names[0], sleep: 30 * dayMs, dependsOn: [] },
          { id: names[1], waitFor: { signal: "word", timeout: 40 * dayMs }, dependsOn: [], onFailure: "continue" },
          { id: names[2], uses: "ship", dependsOn: [] },
        ],
      }),
      defineSkill({
        id: "code",
        version,
        migrations,
        run: async (step) => {
          const word = step.waitForEvent(names[1], { type: "word", timeout: 40 * dayMs }).catch(() => "late");
          await Promise.all([step.sleep(names[0], 30 * dayMs), step.use(names[2], "ship"), word]);
        },
      }),
    ] as const;
  const old = ["nap", "word", "send", "gate"] as const;
  const renamed = ["rest", "answer", "deliver", "gate"] as const;
  const migrations = [defineMigration({ from: "1", renames: { nap: "rest", word: "answer", send: "deliver" } })];

  test.each(["graph", "code"])("takes their sleeps, timeouts and backoffs along, in the form of a %s", (skillId) =>
    on(async (stage) => {
      const before = home(stage, waits("1", old));
      before.fails.ship = 1;
      const start = stage.clock.now();
      await before.runs.start({ skillId, runId: "r" });
      await before.runtime.idle();
      expect(await before.runs.get("r")).toMatchObject({ status: "waiting_for_signal" });
      await stage.clock.advance(2 * dayMs);
      const after = home(stage, waits("2", renamed, migrations));
      await after.runtime.drain();
      expect(after.calls).toMatchObject([{ stepId: "deliver", attempt: 2, key: before.calls[0]?.key }]);
      await stage.clock.advance(start + 30 * dayMs - 1_000 - stage.clock.now());
      await after.runtime.drain();
      expect((await stateAt(after.runs, "r")).stepResults.rest).toBeUndefined();
      await stage.clock.advance(2_000);
      await after.runtime.drain();
      expect((await stateAt(after.runs, "r")).stepResults.rest).toMatchObject({ status: "completed" });
      await stage.clock.advance(start + 40 * dayMs - 1_000 - stage.clock.now());
      await after.runtime.drain();
      expect((await stateAt(after.runs, "r")).stepResults.answer).toBeUndefined();
      await stage.clock.advance(2_000);
      await after.runtime.drain();
      expect(await after.runs.get("r")).toMatchObject({ status: "completed", skillVersion: "2" });
      expect(after.calls.length).toBe(1);
    })(),
  );

  test(
    "leaves no gate under a name of the later version to a server that has only the earlier one",
    on(async (stage) => {
      const ask = (name: string, version: string, migrations: readonly Migration[] = []) =>
        defineSkill({
          id: "asks",
          version,
          migrations,
          run: async (step) => (await step.waitForApproval(name)).approver,
        });
      const earlier = home(stage, [ask("may I", "1")]);
      await earlier.runs.start({ skillId: "asks", runId: "r" });
      await earlier.runtime.idle();
      const state = await stateAt(earlier.runs, "r", await checkpointOfKind(earlier.runs, "r", "run_started"));
      const renames = { "may I": "may we" };
      const later = home(stage, [ask("may we", "2", [defineMigration({ from: "1", renames })])]);
      await later.runs.resume("r");
      await later.runtime.idle();
      await saveCheckpoint(later.runs, "r", { kind: "saved", state });
      const attempt = earlier.runs.approve("r", { approver: "ann", stepId: "may we" });
      expect(await refusalOf(attempt)).toMatchObject({ code: "not_found", missing: "skill" });
      await later.runs.approve("r", { approver: "ann", stepId: "may we" });
      await later.runtime.idle();
      expect(await later.runs.get("r")).toMatchObject({ status: "completed", skillVersion: "2", result: "ann" });
    }),
  );

  test.each(["approves", "approved before it died"])("takes a gate along that a person %s", (when) =>
    on(async (stage) => {
      const ask = (name: string, version: string, migrations: readonly Migration[] = []) =>
        defineSkill({
          id: "asks",
          version,
          migrations,
          run: async (step) => (await step.waitForApproval(name)).approver,
        });
      let commitsLeft = Number.POSITIVE_INFINITY;
      const store = intercepted(stage.store, async ({ method }, proceed) => {
        if (method === "commit" && commitsLeft-- <= 0) throw new DurableError("store_failed", "It died.");
        return proceed();
      });
      const before = home(stage, [ask("may I", "1")], store);
      await before.runs.start({ skillId: "asks", runId: "r" });
      await before.runtime.idle();
      expect((await stage.runs.get("r")).approvalRequest).toMatchObject({ stepId: "may I", status: "pending" });
      if (when !== "approves") {
        commitsLeft = 1;
        await before.runs.approve("r", { approver: "ann" });
        await before.runtime.idle();
        expect(await stage.runs.get("r")).toMatchObject({ status: "running" });
        await stage.clock.advance(leaseMs);
      }
      const after = home(stage, [ask("may we", "2", [defineMigration({ from: "1", renames: { "may I": "may we" } })])]);
      if (when === "approves") await after.runs.approve("r", { approver: "ann", stepId: "may I" });
      await after.runtime.drain();
      await after.runtime.idle();
      expect(await after.runs.get("r")).toMatchObject({
        status: "completed",
        result: "ann",
        approvalRequest: { stepId: "may we", status: "approved", approver: "ann" },
      });
    })(),
  );

  test.each(forms)("keeps the idempotency key of an action that was begun, in the form of a %s", (form) =>
    on(async (stage) => {
      const before = home(stage, [shop[form]("charge", "1")]);
      before.fails.charge = 1;
      await before.runs.start({ skillId: "shop", runId: "r", inputs: { amount: 10 } });
      await before.runtime.idle();
      const second = home(stage, [shop[form]("pay", "2", renaming)]);
      second.fails.charge = 1;
      await stage.clock.advance(dayMs);
      await second.runtime.drain();
      // Over another version, which no longer knows the way from the first.
      const third = home(stage, [
        shop[form]("settle", "3", [defineMigration({ from: "2", renames: { pay: "settle" } })]),
      ]);
      await stage.clock.advance(2 * dayMs);
      await third.runtime.drain();
      const calls = [before, second, third].flatMap(({ calls }) => calls);
      expect(calls.map(({ stepId, attempt }) => [stepId, attempt])).toEqual([
        ["charge", 1],
        ["pay", 2],
        ["settle", 3],
      ]);
      expect(new Set(calls.map(({ key }) => key)).size).toBe(1);
      await third.runs.cancel("r");
      await third.runs.replay("r", { newRunId: "replay" });
      await third.runtime.idle();
      expect(charged(before, second, third)).toBe(3);
    })(),
  );

  test.each(forms)("keeps the ledger's entries of a step whose new name objects inherit, in %s form", (form) =>
    on(async (stage) => {
      const old = home(stage, [shop[form]("charge", "1")]);
      await old.runs.start({ skillId: "shop", runId: "r", inputs: { amount: 10 } });
      await old.runtime.idle();
      const migrations = [defineMigration({ from: "1", renames: { charge: "__proto__" } })];
      const now = home(stage, [shop[form]("__proto__", "2", migrations)]);
      const [first] = (await now.runs.listCheckpoints("r")).items;
      await now.runs.resume("r", { checkpointId: first?.checkpointId ?? "" });
      await now.runtime.idle();
      expect(stepsOf(await stateAt(now.runs, "r"))).toEqual(["__proto__"]);
      expect(charged(old, now)).toBe(1);
    })(),
  );

  test(
    "does not take a new step of the old name for the one that it renamed",
    on(async (stage) => {
      const { old } = await migratedRun(stage, "code");
      const both = defineSkill<{ amount: number }>({
        id: "shop",
        version: "3",
        migrations: [
          defineMigration({ from: "2", renames: { pay: "charge" } }),
          defineMigration({ from: "1", to: "2", renames: { charge: "pay" } }),
        ],
        run: async (step, { amount }) => {
          const first = await step.use("charge", "charge", amount);
          await step.waitForEvent("word", { type: "word" });
          return [first, await step.use("pay", "charge", amount)];
        },
      });
      const now = home(stage, [both]);
      expect(await finished(now, "r")).toMatchObject({ status: "completed", result: ["charge 1", "charge 1"] });
      expect(charged(old, now)).toBe(2);
      expect(now.calls[0]?.key).not.toBe(old.calls[0]?.key);
    }),
  );

  test(
    "renames each step of a name in a loop, and a graph's steps one by one",
    on(async (stage) => {
      const loop = (name: string, version: string, migrations: readonly Migration[] = []) =>
        defineSkill({
          id: "loop",
          version,
          migrations,
          run: async (step) => {
            for (let count = 0; count < 3; count++) await step.use(name, "charge", count);
            await step.waitForEvent("word", { type: "word" });
          },
        });
      const row = (names: readonly string[], version: string, migrations: readonly Migration[] = []) =>
        defineGraphSkill({
          id: "row",
          version,
          migrations,
          steps: [...names.map((id) => ({ id, uses: "charge" })), { id: "word", waitFor: { signal: "word" } }],
        });
      const before = home(stage, [loop("charge", "1"), row(["a", "a#2"], "1")]);
      for (const skillId of ["loop", "row"]) await before.runs.start({ skillId, runId: skillId });
      await before.runtime.idle();
      const after = home(stage, [
        loop("pay #7", "2", [defineMigration({ from: "1", renames: { charge: "pay #7" } })]),
        row(["b", "a#2"], "2", [defineMigration({ from: "1", renames: { a: "b" } })]),
      ]);
      const ids = { loop: ["pay #7#1", "pay #7#2", "pay #7#3"], row: ["b", "a#2"] };
      for (const runId of ["loop", "row"] as const) {
        await after.runs.resume(runId);
        await after.runtime.idle();
        expect(stepsOf(await stateAt(after.runs, runId))).toEqual(ids[runId]);
        await after.runs.cancel(runId);
        await after.runs.resume(runId, { checkpointId: await checkpointOfKind(after.runs, runId, "run_started") });
        await after.runtime.idle();
        expect(await finished(after, runId)).toMatchObject({ status: "completed", skillVersion: "2" });
        expect(stepsOf(await stateAt(after.runs, runId))).toEqual([...ids[runId], "word"]);
      }
      expect(charged(after)).toBe(0);
    }),
  );

  test(
    "asks a person about an action that may have happened under its old name",
    on(async (stage) => {
      const mail = defineCapability(
        { id: "mail", version: "1", sideEffects: "external_action", isIdempotent: false },
        () => "sent",
      );
      const skill = (name: string, version: string, migrations: readonly Migration[] = []) =>
        defineSkill({ id: "mails", version, migrations, run: (step) => step.use(name, "mail") });
      const dying = crashingStore(stage.store, { atCommit: 3, moment: "before", calls: "reject" });
      const before = stage.runtime({
        store: dying,
        skills: [skill("mail", "1")],
        capabilities: [mail],
        onError: () => undefined,
        executor: "before",
      });
      await before.for(stage.tenant).start({ skillId: "mails", runId: "r" });
      await before.idle();
      await stage.clock.advance(leaseMs);
      const skills = [
        skill("send the mail", "2", [defineMigration({ from: "1", renames: { mail: "send the mail" } })]),
      ];
      const after = stage.runtime({ skills, capabilities: [mail], executor: "after" });
      const runs = after.for(stage.tenant);
      await after.drain();
      expect(await runs.get("r")).toMatchObject({
        status: "waiting_for_human",
        approvalRequest: { stepId: "send the mail", status: "pending" },
      });
      await runs.approve("r");
      await after.idle();
      expect(await runs.get("r")).toMatchObject({ status: "completed", result: "sent" });
      expect((await stage.store.listClaims(stage.tenant, "r", { limit: 10 })).length).toBe(1);
    }),
  );

  test(
    "to the name of a step that is there already is refused, and nothing is written",
    on(async (stage) => {
      const row = (names: readonly string[], version: string, migrations: readonly Migration[] = []) =>
        defineGraphSkill({ id: "row", version, migrations, steps: names.map((id) => ({ id, uses: "ship" })) });
      const old = home(stage, [row(["a", "b"], "1")]);
      await old.runs.start({ skillId: "row", runId: "r" });
      await old.runtime.idle();
      const before = await rowsOf(stage.store, stage.tenant, "r");
      const now = home(stage, [row(["b"], "2", [defineMigration({ from: "1", renames: { a: "b" } })])]);
      expect(await refusalOf(now.runs.replay("r"))).toMatchObject({ code: "internal_error" });
      expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(before);
      // Two may change their names with each other.
      const swapped = home(stage, [
        row(["b", "a"], "2", [defineMigration({ from: "1", renames: { a: "b", b: "a" } })]),
      ]);
      await swapped.runs.replay("r", { newRunId: "swapped" });
      await swapped.runtime.idle();
      expect(await swapped.runs.get("swapped")).toMatchObject({ status: "completed" });
      expect(stepsOf(await stateAt(swapped.runs, "swapped"))).toEqual(["b", "a"]);
      expect(swapped.calls).toEqual([]);
    }),
  );
});

describe("a migration that fails", () => {
  const broken: readonly [string, (state: ExecutionState) => unknown][] = [
    [
      "throws",
      () => {
        throw new Error("as it should");
      },
    ],
    ["returns a state of a version that cannot be read", (state) => ({ ...state, stateVersion: "2.0.0" })],
    ["returns a Map for variables", (state) => ({ ...state, vars: new Map([["a", 1]]) })],
    ["returns a text for a number", (state) => ({ ...state, iteration: "3" })],
    ["returns a number for a text", (state) => ({ ...state, status: 3 })],
    ["returns a list of results", (state) => ({ ...state, stepResults: [] })],
    ["returns a state without its parts", ({ skillId, inputs }) => ({ skillId, inputs })],
    ["returns a wrong time", (state) => ({ ...state, updatedAt: new Date(0) })],
    ["returns a trace of texts", (state) => ({ ...state, trace: { ...state.trace, steps: ["charge"] } })],
  ];

  test.each(broken)("since it %s refuses what needs it, and nothing else", (_, migrate) =>
    on(async (stage) => {
      const migrations = [
        defineMigration({ from: "1", migrate: migrate as (state: ExecutionState) => ExecutionState }),
      ];
      const asks = (version: string, migrations: readonly Migration[] = []) =>
        defineGraphSkill({
          id: "shop",
          version,
          migrations,
          steps: [
            { id: "word", waitFor: { signal: "word" } },
            { id: "ship", uses: "ship" },
          ],
        });
      const old = home(stage, [asks("1")]);
      for (const runId of ["r", "s"]) await old.runs.start({ skillId: "shop", runId });
      await old.runtime.idle();
      const now = home(stage, [asks("2", migrations)]);
      await expectRefusals(stage, { code: "internal_error" }, [() => now.runs.resume("r"), () => now.runs.replay("r")]);
      // Signals are kept, those that the run waits for too.
      await now.runs.signal("r", { name: "other" });
      await now.runs.signal("r", { name: "word", payload: 7 });
      await now.runtime.drain();
      expect((await now.runs.list()).items.map(({ runId }) => runId).sort()).toEqual(["r", "s"]);
      expect((await now.runs.listCheckpoints("r")).total).toBe(2);
      expect((await now.runs.history("r")).items.length).toBeGreaterThan(2);
      expect(await now.runs.fork("r", { newRunId: "fork" })).toMatchObject({ run: { status: "pending" } });
      expect(await now.runs.cancel("s")).toMatchObject({ status: "canceled" });
      await now.runs.delete("s");
      const repaired = home(stage, [asks("2", [defineMigration({ from: "1" })])]);
      await repaired.runs.resume("r");
      await repaired.runtime.idle();
      expect(await repaired.runs.get("r")).toMatchObject({ status: "completed", skillVersion: "2" });
      expect((await stateAt(repaired.runs, "r")).stepResults.word).toMatchObject({ producedOutput: 7 });
    })(),
  );
});
