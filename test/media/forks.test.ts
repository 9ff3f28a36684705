import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { failingStore } from "../../src/conformance/faults.ts";
import { type Capability, defineCapability, defineGraphSkill, saveCheckpoint } from "../../src/index.ts";
import type { StateEdit } from "../../src/types.ts";
import { type ActorOptions, type Scene, scene, tenant } from "../support/scene.ts";

/** A skill that writes a letter, asks a person, and sends it. */
function letters(): { readonly options: ActorOptions; readonly sent: unknown[] } {
  const sent: unknown[] = [];
  const write: Capability = defineCapability({ id: "write", version: "1" }, (input) => input);
  const send: Capability = defineCapability({ id: "send", version: "1", requiresConfirmation: true }, (input) => {
    sent.push(input);
    return "sent";
  });
  const skill = defineGraphSkill({
    id: "letter",
    version: "1",
    steps: [
      { id: "write", uses: "write", input: "inputs.text", output: "vars.letter" },
      { id: "send", uses: "send", input: { to: "inputs.to", letter: "vars.letter" }, output: "outputs.receipt" },
      { id: "file", uses: "write", input: "vars.letter", output: "outputs.filed" },
    ],
  });
  return { options: { capabilities: [write, send], skills: [skill] }, sent };
}

const inputs = { to: "ada", text: "Dear Ada", since: new Date(0) };

// What edited forks promise, on one medium.

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

/** A letter that was approved and sent, and the checkpoint at which it was written. */
const mailed = async ({ actor }: Scene) => {
  const { options, sent } = letters();
  const home = actor(options);
  const { runId } = await home.start(inputs, "letter");
  await home.runs.approve(runId, { approver: "eve" });
  expect(await home.settled(runId)).toMatchObject({ status: "completed" });
  const { items: checkpoints } = await home.runs.listCheckpoints(runId);
  const written = checkpoints.find(({ stepId }) => stepId === "write");
  if (written === undefined) throw new Error("the letter was never written");
  return { ...home, options, sent, runId: runId as string, written, checkpointId: written.checkpointId };
};

describe(`an edited fork on ${medium}`, () => {
  played("has the checkpoint as it is, and the edit as a second one, its head", async (scene) => {
    const { runs, runId, written, checkpointId } = await mailed(scene);
    scene.clock.advance(60_000);
    const before = await runs.loadCheckpoint(runId, checkpointId);
    const edit: StateEdit = { inputs: { to: "bob" }, vars: { letter: "Dear Bob", copies: new Set([1n]) } };
    const { run, ...fork } = await runs.fork(runId, { checkpointId, edit });
    expect(fork).toEqual({ checkpointId, sourceRunId: runId, isRepeat: false });
    expect(run).toMatchObject({
      status: "pending",
      metadata: { source_run_id: runId, source_checkpoint_id: checkpointId, fork_mode: "checkpoint_fork" },
    });
    const { items: checkpoints, head } = await runs.listCheckpoints(run.runId);
    expect(checkpoints).toHaveLength(2);
    const [copy, edited] = checkpoints;
    expect(copy).toEqual({ ...written, runId: run.runId });
    expect(edited).toMatchObject({ kind: "state_edited", createdAt: new Date(scene.clock.now()).toISOString() });
    expect([head, run.checkpointHead]).toEqual([edited?.checkpointId, edited?.checkpointId]);
    expect((await runs.loadCheckpoint(run.runId, checkpointId)).state).toEqual(before.state);
    expect((await runs.loadCheckpoint(run.runId, head as string)).state).toEqual({
      ...before.state,
      inputs: { ...inputs, to: "bob" },
      vars: { letter: "Dear Bob", copies: new Set([1n]) },
    });
  });

  played("goes on from the edit when it is resumed, or from the copy when that is asked for", async (scene) => {
    const { runs, runId, checkpointId, settled, sent } = await mailed(scene);
    const edit = { inputs: { to: "bob" }, vars: { letter: "Dear Bob" } };
    for (const [from, filed] of [
      [undefined, "Dear Bob"],
      [checkpointId, "Dear Ada"],
    ] as const) {
      const { run } = await runs.fork(runId, { checkpointId, edit });
      await runs.resume(run.runId, from === undefined ? {} : { checkpointId: from });
      expect(await settled(run.runId)).toMatchObject({ status: "waiting_for_human" });
      await runs.approve(run.runId);
      expect(await settled(run.runId)).toMatchObject({ status: "completed", result: { filed } });
    }
    expect(sent).toEqual([
      { to: "ada", letter: "Dear Ada" },
      { to: "bob", letter: "Dear Bob" },
      { to: "ada", letter: "Dear Ada" },
    ]);
  });

  played("asks for every approval anew, where one that is not edited has its source's", async (scene) => {
    const { runs, runId, checkpointId, settled, sent } = await mailed(scene);
    const { run: plain } = await runs.fork(runId, { checkpointId });
    await runs.resume(plain.runId);
    expect(await settled(plain.runId)).toMatchObject({ status: "completed" });
    for (const edit of [{ vars: { letter: "Pay Eve 1,000" } }, { inputs: {} }, {}]) {
      const { run } = await runs.fork(runId, { checkpointId, edit });
      await runs.resume(run.runId);
      expect(await settled(run.runId)).toMatchObject({ status: "waiting_for_human" });
      expect(await runs.deny(run.runId)).toMatchObject({ status: "canceled" });
    }
    expect(sent).toHaveLength(2);
  });

  played("of an edited fork asks anew as well, and so does a replay of one", async (scene) => {
    const { runs, runId, checkpointId, settled, sent } = await mailed(scene);
    const { run: fork } = await runs.fork(runId, { checkpointId, edit: { vars: { letter: "Dear Bob" } } });
    const { run: again } = await runs.fork(fork.runId);
    await runs.resume(again.runId);
    const { run: replay } = await runs.replay(fork.runId);
    for (const { runId } of [again, replay]) {
      expect(await settled(runId)).toMatchObject({ status: "waiting_for_human" });
    }
    expect(sent).toHaveLength(1);
  });

  played("leaves its source byte for byte as it was", async (scene) => {
    const { runs, runId, checkpointId } = await mailed(scene);
    const before = await rows(scene, runId);
    await runs.fork(runId, { checkpointId, edit: { inputs: { to: "bob" } } });
    expect(await rows(scene, runId)).toEqual(before);
  });

  played("changes what it names, and nothing else", async (scene) => {
    const { runs, runId, checkpointId } = await mailed(scene);
    const odd = JSON.parse('{"__proto__": {"polluted": 1}, "": 2, "a.b": 3}') as Record<string, unknown>;
    const edits: readonly StateEdit[] = [
      { inputs: { to: undefined } },
      { vars: odd },
      { inputs: { text: null }, vars: {} },
      { inputs: { deep: { since: new Date(1), bytes: new Uint8Array([1]) } } },
    ];
    const { state } = await runs.loadCheckpoint(runId, checkpointId);
    for (const { inputs = {}, vars = {} } of edits) {
      const { run } = await runs.fork(runId, { checkpointId, edit: { inputs, vars } });
      const edited = await runs.loadCheckpoint(run.runId, run.checkpointHead as string);
      expect(edited.state).toEqual({
        ...state,
        inputs: Object.fromEntries([...Object.entries(state.inputs), ...Object.entries(inputs)]),
        vars: Object.fromEntries([...Object.entries(state.vars), ...Object.entries(vars)]),
      });
    }
  });

  played("with values that cannot be kept is refused with their place, and nothing is born", async (scene) => {
    const { runs, runId, checkpointId } = await mailed(scene);
    const count = await runs.count();
    const refused: readonly [StateEdit, string][] = [
      [{ inputs: { f: () => {} } }, "edit.inputs.f"],
      [{ vars: { deep: [{ s: Symbol("no") }] } }, "edit.vars.deep[0].s"],
      [{ vars: [] as never }, "edit.vars"],
    ];
    for (const [edit, path] of refused) {
      await expect(runs.fork(runId, { checkpointId, edit })).rejects.toMatchObject({ code: "invalid_request", path });
    }
    expect(await runs.count()).toBe(count);
  });

  played("that makes the state too large is refused, and nothing is born", async (scene) => {
    const { runs, runId, checkpointId, options } = await mailed(scene);
    const count = await runs.count();
    const narrow = scene.actor({ ...options, maxStateBytes: 10_000 }).runs;
    const text = "x".repeat(6_000);
    const deep = Array.from({ length: 495 }).reduce<unknown>((inner) => [inner], 1);
    for (const edit of [{ inputs: { a: text }, vars: { b: text } }, { vars: { deep } }]) {
      const request = { checkpointId, edit, newRunId: "late", idempotencyKey: JSON.stringify(edit).slice(0, 20) };
      await expect(narrow.fork(runId, request)).rejects.toMatchObject({ code: "too_large" });
    }
    await expect(runs.get("late")).rejects.toMatchObject({ code: "not_found" });
    expect(await runs.count()).toBe(count);
  });

  played("of a code-first run gives the body its new inputs, and its steps their old results", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: async (step, { to }: { to: string }) => {
        const letter = await step.do("write", async () => `Dear ${to}`);
        await step.waitForApproval("gate");
        return step.do("send", async () => `${letter}, to ${to}`);
      },
    });
    const { runId } = await start({ to: "ada" });
    const { run } = await runs.fork(runId, { edit: { inputs: { to: "bob" } } });
    await runs.resume(run.runId);
    await settled(run.runId);
    await runs.approve(run.runId);
    expect(await settled(run.runId)).toMatchObject({ status: "completed", result: "Dear ada, to bob" });
    expect(await runs.get(runId)).toMatchObject({ status: "waiting_for_human" });
  });
});

describe(`a fork whose edit never came, on ${medium}`, () => {
  const orphaned = async (scene: Scene) => {
    const { runs, runId, checkpointId, options, sent } = await mailed(scene);
    // The fork is born, and then the medium fails for good.
    let births = 0;
    const failing = failingStore(scene.store, ({ method, commit }) => {
      if (method === "commit" && commit?.run.revision === 1) births++;
      return births > 0 && commit?.run.revision !== 1;
    });
    const doomed = scene.actor({ ...options, store: failing });
    const edit = { vars: { letter: "Dear Bob" } };
    const newRunId = "half-a-fork";
    await expect(doomed.runs.fork(runId, { checkpointId, newRunId, edit })).rejects.toMatchObject({
      code: "store_failed",
    });
    const fork = await runs.get(newRunId);
    expect(fork).toMatchObject({ status: "pending", checkpointHead: checkpointId });
    return { runs, sourceId: runId, checkpointId, edit, newRunId, options, sent };
  };

  played("is not resumed, replayed, forked or saved to: it would do what was to be changed", async (scene) => {
    const { runs, newRunId, checkpointId, sent } = await orphaned(scene);
    const before = await rows(scene, newRunId);
    const count = await runs.count();
    const { state } = await runs.loadCheckpoint(newRunId, checkpointId);
    const attempts = [
      () => runs.resume(newRunId),
      () => runs.resume(newRunId, { checkpointId }),
      () => runs.replay(newRunId),
      () => runs.fork(newRunId),
      () => runs.fork(newRunId, { edit: { vars: { letter: "Dear Eve" } } }),
      // It would be acknowledged, and never be continued from.
      () => saveCheckpoint(runs, newRunId, { kind: "saved", state: { ...state, vars: { letter: "Dear Eve" } } }),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({ code: "conflict", hint: "fork the source again" });
    }
    expect(await rows(scene, newRunId)).toEqual(before);
    expect(await runs.count()).toBe(count);
    expect(sent).toHaveLength(1);
  });

  played("is not due, and can be canceled and deleted", async (scene) => {
    const { runs, newRunId, options } = await orphaned(scene);
    scene.clock.advance(3_600_000);
    expect(await scene.actor(options).runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
    expect(await runs.cancel(newRunId)).toMatchObject({ status: "canceled" });
    await expect(runs.resume(newRunId)).rejects.toMatchObject({ code: "conflict" });
    await runs.delete(newRunId);
    await expect(runs.get(newRunId)).rejects.toMatchObject({ code: "not_found" });
  });

  played("is made again from its source, under another id", async (scene) => {
    const { runs, sourceId, checkpointId, edit, newRunId } = await orphaned(scene);
    await expect(runs.fork(sourceId, { checkpointId, edit, newRunId })).rejects.toMatchObject({ code: "conflict" });
    const { run } = await runs.fork(sourceId, { checkpointId, edit });
    expect(await runs.resume(run.runId)).toMatchObject({ run: { status: "running" } });
  });
});

/** Everything that the store has of a run. */
async function rows({ store }: Scene, runId: string): Promise<unknown> {
  const row = await store.getRun(tenant, runId);
  return {
    row,
    entries: await store.listEntries(tenant, runId, { limit: 1_000 }),
    snapshots: await store.getSnapshots(tenant, runId, 1, row?.revision ?? 1),
    claims: await store.listClaims(tenant, runId, { limit: 1_000 }),
  };
}
