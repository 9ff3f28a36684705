import { describe, expect, test } from "vitest";
import { writeTombstone } from "../../../src/codec/bodies.ts";
import { initialState } from "../../../src/codec/index.ts";
import type { Runs } from "../../../src/index.ts";
import { saveCheckpoint } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import { completed, type OnStage, refusalOf, type Stage } from "../../support/stage.ts";
import { rowsOf } from "../../support/stored.ts";

type Operation = (runs: Runs, runId: string, checkpointId?: string) => Promise<unknown>;

const chosen = (checkpointId: string | undefined) => (checkpointId === undefined ? {} : { checkpointId });

/** Everything that can be done to a run, by the name it has in the tests. */
const operations: Readonly<Record<string, Operation>> = {
  get: (runs, runId) => runs.get(runId),
  save: (runs, runId) => saveCheckpoint(runs, runId, { kind: "k", state: initialState<unknown>("pair", {}) }),
  load: (runs, runId, checkpointId = "c") => runs.loadCheckpoint(runId, checkpointId),
  "list checkpoints": (runs, runId) => runs.listCheckpoints(runId),
  resume: (runs, runId, checkpointId) => runs.resume(runId, chosen(checkpointId)),
  replay: (runs, runId, checkpointId) => runs.replay(runId, { newRunId: "replayed", ...chosen(checkpointId) }),
  fork: (runs, runId, checkpointId) => runs.fork(runId, { newRunId: "forked", ...chosen(checkpointId) }),
  approve: (runs, runId) => runs.approve(runId),
  deny: (runs, runId) => runs.deny(runId),
  signal: (runs, runId) => runs.signal(runId, { name: "go" }),
  cancel: (runs, runId) => runs.cancel(runId),
  history: (runs, runId) => runs.history(runId),
};

const fromCheckpoint = ["load", "resume", "replay", "fork"] as const;

/** Does what must be refused as not found, and sees that nothing was written for it. */
async function missingOf({ store, tenant }: Stage, call: () => Promise<unknown>) {
  const ids = ["r", "other", "replayed", "forked"] as const;
  const before = await rowsOf(store, tenant, ...ids);
  const { code, missing, message } = await refusalOf(call());
  expect(await rowsOf(store, tenant, ...ids)).toEqual(before);
  return { code, missing, message };
}

/** A run whose head has lost its state, as after a partial restore of a database. */
async function stateless({ store, runtime, tenant }: Stage): Promise<void> {
  const lossy: Store = {
    ...store,
    commit: ({ entry, ...commit }) => {
      const { snapshot: _, ...rest } = entry ?? { body: "" };
      return store.commit(entry === undefined ? commit : { ...commit, entry: rest });
    },
  };
  await runtime({ store: lossy }).for(tenant).create({ skillId: "pair", runId: "r" });
}

/** Leaves of a run what deleting it leaves. */
async function erased({ store, tenant, clock }: Stage, runId: string): Promise<void> {
  const row = await store.getRun(tenant, runId);
  if (row === undefined) throw new Error(`there is no run "${runId}"`);
  const { revision, createdAt } = row;
  const run = { tenant, runId, revision: revision + 1, createdAt, body: writeTombstone("nonce") };
  expect(await store.commit({ run, now: clock.now(), erase: true })).toEqual({ kind: "committed" });
}

export function missingCases(on: OnStage): void {
  describe("not found", () => {
    describe("an unknown run", () => {
      test.each(Object.keys(operations))("on %s", (name) =>
        on(async (stage) => {
          await stage.runs.create({ skillId: "pair", runId: "other" });
          const found = await missingOf(stage, () => (operations[name] as Operation)(stage.runs, "r"));
          expect(found).toMatchObject({ code: "not_found", missing: "run", message: expect.stringContaining('"r"') });
        })(),
      );
    });

    describe("another tenant's run, which looks like an unknown one", () => {
      test.each(Object.keys(operations))("on %s", (name) =>
        on(async (stage) => {
          const operation = operations[name] as Operation;
          const unknown = await missingOf(stage, () => operation(stage.runs, "r"));
          const neighbors = stage.home.for("neighbor");
          await neighbors.start({ skillId: "gated", runId: "r" });
          await stage.home.idle();
          const before = await rowsOf(stage.store, "neighbor", "r");
          const head = (await neighbors.get("r")).checkpointHead;
          expect(await missingOf(stage, () => operation(stage.runs, "r", head))).toEqual(unknown);
          expect(await rowsOf(stage.store, "neighbor", "r")).toEqual(before);
        })(),
      );
    });

    describe("a deleted run, which looks like an unknown one", () => {
      test.each(Object.keys(operations))("on %s", (name) =>
        on(async (stage) => {
          const operation = operations[name] as Operation;
          const unknown = await missingOf(stage, () => operation(stage.runs, "r"));
          const { checkpointHead } = await completed(stage, "pair", "r");
          await erased(stage, "r");
          expect(await missingOf(stage, () => operation(stage.runs, "r", checkpointHead))).toEqual(unknown);
        })(),
      );

      test(
        "whose id stays taken, and which no list shows",
        on(async (stage) => {
          const { runs, home, tenant } = stage;
          await completed(stage, "pair", "r");
          await erased(stage, "r");
          for (const make of [runs.create.bind(runs), runs.start.bind(runs)]) {
            expect((await refusalOf(make({ skillId: "pair", runId: "r" }))).code).toBe("conflict");
          }
          expect(await runs.list()).toEqual({ items: [] });
          expect(await runs.count()).toBe(0);
          expect(await home.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        }),
      );

      test(
        "under whose idempotency key nothing is started again",
        on(async (stage) => {
          const request = { skillId: "pair", runId: "r", idempotencyKey: "key" };
          await stage.runs.start(request);
          await stage.home.idle();
          await erased(stage, "r");
          const found = await missingOf(stage, () => stage.runs.start(request));
          expect(found).toMatchObject({ code: "not_found", missing: "run" });
        }),
      );
    });

    describe("a checkpoint that is not in the run", () => {
      test.each(fromCheckpoint)("on %s", (name) =>
        on(async (stage) => {
          const operation = operations[name] as Operation;
          await completed(stage, "pair", "other");
          await stage.runs.create({ skillId: "pair", runId: "r" });
          const others = (await stage.runs.get("other")).checkpointHead;
          for (const checkpointId of ["nowhere", others ?? ""]) {
            expect(await missingOf(stage, () => operation(stage.runs, "r", checkpointId))).toMatchObject({
              code: "not_found",
              missing: "checkpoint",
              message: expect.stringContaining(`"${checkpointId}"`),
            });
          }
        })(),
      );
    });

    describe("a state that is gone", () => {
      test.each(fromCheckpoint)("on %s", (name) =>
        on(async (stage) => {
          await stateless(stage);
          const { items: checkpoints } = await stage.runs.listCheckpoints("r");
          const [checkpointId = ""] = checkpoints.map((record) => record.checkpointId);
          expect(checkpointId).toMatch(/^chk_/);
          const found = await missingOf(stage, () => (operations[name] as Operation)(stage.runs, "r", checkpointId));
          expect(found).toMatchObject({
            code: "not_found",
            missing: "state",
            message: expect.stringContaining(`"${checkpointId}"`),
          });
        })(),
      );
    });

    describe("a run without any checkpoint is an invalid request", () => {
      test.each(["resume", "replay", "fork"])("on %s", (name) =>
        on(async (stage) => {
          const { store, tenant, clock, runs } = stage;
          await runs.create({ skillId: "pair", runId: "r" });
          const row = await store.getRun(tenant, "r");
          const body = JSON.parse(row?.body ?? "") as { record: { run: Record<string, unknown> } };
          body.record.run.checkpoint_head = null;
          const run = { ...row, revision: 2, body: JSON.stringify(body) } as typeof row & object;
          await store.commit({ run, now: clock.now() });
          expect((await runs.get("r")).checkpointHead).toBeUndefined();
          const before = await rowsOf(store, tenant, "r", "replayed", "forked");
          const refused = await refusalOf((operations[name] as Operation)(runs, "r"));
          expect(refused).toMatchObject({ code: "invalid_request", path: "checkpoint_id" });
          expect(refused.message).toContain('"r"');
          expect(await rowsOf(store, tenant, "r", "replayed", "forked")).toEqual(before);
        })(),
      );
    });

    test(
      "is the same every time",
      on(async (stage) => {
        const first = await refusalOf(stage.runs.resume("r"));
        for (let n = 0; n < 3; n++) expect(await refusalOf(stage.runs.resume("r"))).toEqual(first);
      }),
    );
  });

  describe("a skill that is not registered here", () => {
    const strange = "stranger.skill";

    test.each([
      ["unknown", { skillId: strange }, `"${strange}"`],
      ["of another version", { skillId: "pair", skillVersion: "9.9.9" }, '"pair" version 9.9.9'],
    ] as const)(
      "and %s is a not_found that names it on start, resume and replay; nothing is written",
      (_name, of, named) =>
        on(async (stage) => {
          await stage.runs.create({ ...of, runId: "r" });
          for (const call of [
            () => stage.runs.start({ ...of, runId: "other" }),
            () => stage.runs.resume("r"),
            () => stage.runs.replay("r", { newRunId: "replayed" }),
          ]) {
            expect(await missingOf(stage, call)).toMatchObject({
              code: "not_found",
              missing: "skill",
              message: expect.stringContaining(named),
            });
          }
        })(),
    );

    test(
      "can still be created, saved, loaded, listed, forked, signaled and canceled",
      on(async ({ runs }) => {
        await runs.create({ skillId: strange, runId: "r", inputs: { a: 1 } });
        const state = initialState<unknown>(strange, { a: 2 });
        await saveCheckpoint(runs, "r", { checkpointId: "c", kind: "k", state });
        expect((await runs.loadCheckpoint("r", "c")).state.inputs).toEqual({ a: 2 });
        expect((await runs.listCheckpoints("r")).items).toHaveLength(2);
        const { run } = await runs.fork("r", { newRunId: "f" });
        expect(run).toMatchObject({ status: "pending", skillId: strange, checkpointHead: "c" });
        await runs.signal("r", { name: "go" });
        expect((await runs.cancel("r")).status).toBe("canceled");
      }),
    );

    test(
      "is not approved: the run keeps waiting",
      on(async (stage) => {
        const { runs, home, runtime, tenant } = stage;
        await runs.start({ skillId: "gated", runId: "r" });
        await home.idle();
        const bare = runtime({ skills: [] }).for(tenant);
        const found = await missingOf(stage, () => bare.approve("r"));
        expect(found).toMatchObject({ code: "not_found", missing: "skill" });
        expect((await bare.deny("r")).status).toBe("canceled");
      }),
    );
  });
}
