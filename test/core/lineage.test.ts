import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import {
  compareCheckpoints,
  createRuntime,
  DurableError,
  defineGraphSkill,
  readLineage,
  saveCheckpoint,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { exportRun, importRun } from "../../src/transfer.ts";

const skills = [defineGraphSkill({ id: "rests", version: "1", steps: [{ id: "sleep", sleep: 3_600_000 }] })];

/** A store that fails at one commit, as one whose disk is full. */
function failingOnce(store: Store) {
  const failing = { at: 0, commits: 0 };
  const proxied: Store = Object.assign(Object.create(store) as Store, {
    commit: (commit: Parameters<Store["commit"]>[0]) => {
      if (++failing.commits === failing.at) throw new DurableError("quota_exceeded", "the disk is full");
      return store.commit(commit);
    },
  });
  return { failing, store: proxied };
}

describe("lineage", () => {
  test("is bounded: of a large family there are 500, and the word that there are more", async () => {
    const runs = createRuntime({ serves: false, store: memoryStore(), skills }).for("t");
    const { run } = await runs.create({ skillId: "rests" });
    const metadata = { source_run_id: run.runId };
    for (let index = 0; index < 500; index++) await runs.create({ skillId: "rests", metadata });
    const whole = await readLineage(runs, run.runId);
    expect([whole.descendants.length, new Set(whole.descendants.map(({ runId }) => runId)).size]).toEqual([500, 500]);
    await runs.create({ skillId: "rests", metadata });
    const cut = await readLineage(runs, run.runId);
    expect([cut.descendants.length, cut.isMore]).toEqual([500, true]);
  });

  test("of a long chain has 500 ancestors, the nearest first", async () => {
    const runs = createRuntime({ serves: false, store: memoryStore(), skills }).for("t");
    for (let index = 0; index <= 501; index++) {
      const metadata = { source_run_id: `run ${index - 1}` };
      await runs.create({ skillId: "rests", runId: `run ${index}`, metadata });
    }
    const { ancestors, descendants, isMore } = await readLineage(runs, "run 501");
    expect(ancestors.map(({ runId }) => runId)).toEqual(
      Array.from({ length: 500 }, (_, index) => `run ${500 - index}`),
    );
    expect([descendants.length, isMore]).toEqual([0, true]);
  });

  test("ends where the platform soon allows no more queries, and says that there may be more", async () => {
    const store = memoryStore();
    const runs = createRuntime({ serves: false, store, skills }).for("t");
    const { run } = await runs.create({ skillId: "rests" });
    await runs.fork(run.runId);
    const spent = createRuntime({ serves: false, store, skills, isSpent: () => true }).for("t");
    expect(await readLineage(spent, run.runId)).toMatchObject({ ancestors: [], descendants: [], isMore: true });
  });
});

describe("the comparison of checkpoints", () => {
  test("finds the one before, however much happened in between", async () => {
    const runs = createRuntime({ serves: false, store: memoryStore(), skills }).for("t");
    const { run } = await runs.create({ skillId: "rests" });
    for (let index = 0; index < 450; index++) await runs.signal(run.runId, { name: "n" });
    const state = { ...(await runs.loadCheckpoint(run.runId, run.checkpointHead as string)).state, vars: { a: 1 } };
    const saved = await saveCheckpoint(runs, run.runId, { kind: "k", state });
    expect(await compareCheckpoints(runs, run.runId, saved.checkpointId)).toEqual({
      from: run.checkpointHead,
      to: saved.checkpointId,
      changes: [{ op: "add", path: "/vars/a", after: 1 }],
    });
  });
});

describe("an edited fork under a key", () => {
  test("whose edit was not saved gets it by the same call again", async () => {
    const { failing, store } = failingOnce(memoryStore());
    const runs = createRuntime({ serves: false, store, skills }).for("t");
    const { run } = await runs.create({ skillId: "rests", inputs: { a: 1 } });
    const call = () => runs.fork(run.runId, { idempotencyKey: "k", newRunId: "fork", edit: { inputs: { a: 2 } } });
    failing.at = failing.commits + 2;
    await expect(call()).rejects.toMatchObject({ code: "quota_exceeded" });
    await expect(runs.resume("fork")).rejects.toMatchObject({ code: "conflict" });
    expect(await call()).toMatchObject({ run: { runId: "fork" }, isRepeat: true, sourceRunId: run.runId });
    expect(await call()).toMatchObject({ run: { runId: "fork" }, isRepeat: true, checkpointId: run.checkpointHead });
    const { items: checkpoints, head } = await runs.listCheckpoints("fork");
    expect(checkpoints.map(({ kind }) => kind)).toEqual(["run_created", "state_edited"]);
    expect((await runs.loadCheckpoint("fork", head as string)).state.inputs).toEqual({ a: 2 });
  });
});

test("a source in metadata that is no id is kept there, is in no row, and travels", async () => {
  const store = memoryStore();
  const runtime = createRuntime({ serves: false, store });
  const [runs, others] = [runtime.for("alpha"), runtime.for("beta")];
  for (const [index, source_run_id] of ["", "Müller", "line\nbreak", "x".repeat(201)].entries()) {
    const runId = `r${index}`;
    await runs.create({ skillId: "quick", runId, metadata: { source_run_id } });
    const lines: string[] = [];
    for await (const line of exportRun(runs, runId)) lines.push(line);
    await importRun(others, lines);
    for (const [tenant, one] of [
      ["alpha", runs],
      ["beta", others],
    ] as const) {
      expect((await store.getRun(tenant, runId))?.sourceRunId).toBeUndefined();
      expect((await one.get(runId)).metadata).toEqual({ source_run_id });
    }
  }
  await runs.create({ skillId: "quick", runId: "child", metadata: { source_run_id: "r0" } });
  expect((await runs.list({ sourceRunId: "r0" })).items.map(({ runId }) => runId)).toEqual(["child"]);
});
