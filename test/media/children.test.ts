import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { crashingStore, failingStore } from "../../src/conformance/faults.ts";
import { defineSkill, isDurableError, pruneRuns, type Skill } from "../../src/index.ts";
import { childRuns, readChildren } from "../../src/steps.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import { type Actor, leaseMs, type Scene, scene, tenant } from "../support/scene.ts";

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

/** A child that counts its executions, and a parent that adds one to its result. */
function family(more: readonly Skill[] = []) {
  const counts = { work: 0, after: 0 };
  const child = defineSkill({
    id: "child",
    version: "1",
    async run(step, { what }: { what: string }) {
      await step.do("work", async () => counts.work++);
      if (what === "wait") return (await step.waitForEvent<string>("word", { type: "word" })).payload;
      if (what === "ask") return (await step.waitForApproval("sign")).approver;
      if (what === "fail") throw new TypeError("it is broken");
      if (what === "large") return "x".repeat(100_000);
      return what;
    },
  });
  const parent = defineSkill({
    id: "parent",
    version: "1",
    uses: [childRuns],
    async run(step, { what }: { what: string }) {
      const result = await step.run("child", child, { what });
      return step.do("after", async () => {
        counts.after++;
        return `${result}!`;
      });
    },
  });
  const catching = defineSkill({
    id: "catching",
    version: "1",
    uses: [childRuns],
    async run(step, { what }: { what: string }) {
      try {
        return await step.run("child", child, { what });
      } catch (error) {
        if (!isDurableError(error)) throw error;
        const { code, message, details } = error;
        return { code, message, details };
      }
    },
  });
  const starting = defineSkill({
    id: "starting",
    version: "1",
    uses: [childRuns],
    async run(step, { what, detached }: { what: string; detached: boolean }) {
      const { runId } = await step.run("child", child, { what }, { wait: false, detached });
      await step.waitForEvent("end", { type: "end" });
      return runId;
    },
  });
  return { counts, child, parent, catching, starting, skills: [child, parent, catching, starting, ...more] };
}

const childOf = async ({ runs }: Actor, runId: string): Promise<string> => {
  const { items: children } = await readChildren(runs, runId);
  expect(children).toHaveLength(1);
  return children[0]?.runId as string;
};

/** Drains until nothing is due any more. */
async function drained({ runtime }: Actor): Promise<void> {
  await runtime.idle();
  while ((await runtime.drain()).taken > 0) await runtime.idle();
}

describe(`a child run on ${medium}`, () => {
  played("returns its result to its parent, which waits as data, without a drain", async ({ actor }) => {
    const { skills, counts } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    expect(await home.runs.get(runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await home.runs.get(child)).toMatchObject({ skillId: "child", parentRunId: runId, parentStepId: "child" });
    await home.runs.signal(child, { name: "word", payload: "yes" });
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "yes!" });
    expect(counts).toEqual({ work: 1, after: 1 });
    expect(home.errors).toEqual([]);
    expect((await home.runtime.drain()).taken).toBe(0);
  });

  played("that ends at once answers a parent that has not parked", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "quick" }, "parent");
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "quick!" });
    expect((await home.runtime.drain()).taken).toBe(0);
  });

  played("may have a result that is larger than a row", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "large" }, "catching");
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "x".repeat(100_000) });
  });

  played("that fails rejects its step with its error and its id", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "fail" }, "catching");
    const child = await childOf(home, runId);
    expect((await home.settled(runId)).result).toEqual({
      code: "run_failed",
      message: `run "${child}" failed: it is broken`,
      details: { runId: child, code: "body_failed" },
    });
  });

  played("that is canceled rejects its step", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "wait" }, "catching");
    const child = await childOf(home, runId);
    await home.runs.cancel(child);
    expect((await home.settled(runId)).result).toMatchObject({ code: "run_canceled", details: { runId: child } });
  });

  played("that was denied rejects its step", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "ask" }, "catching");
    await home.runs.deny(await childOf(home, runId));
    expect((await home.settled(runId)).result).toMatchObject({ code: "run_canceled" });
  });

  played("that was deleted before its parent read its end rejects its step", async ({ actor, store, clock }) => {
    const { skills } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "catching");
    const child = await childOf(home, runId);
    // An executor that decides alone tells the parent, and does not execute it.
    const desk = actor({ skills, executes: false });
    await desk.runs.cancel(child);
    await desk.runs.delete(child);
    await drained(home);
    expect((await home.settled(runId)).result).toMatchObject({ code: "not_found", details: { runId: child } });
    expect(await store.dueRuns({ now: clock.now(), limit: 1 })).toEqual([]);
  });

  played("rejects its step if its skill is not registered, or its inputs do not fit", async ({ actor }) => {
    const lost = defineSkill({
      id: "lost",
      version: "1",
      uses: [childRuns],
      run: (step) => step.run("child", "nowhere"),
    });
    const home = actor({ skills: [lost] });
    const { runId } = await home.start({}, "lost");
    expect((await home.settled(runId)).error).toMatchObject({
      code: "not_found",
      message: 'skill "nowhere" is not registered here',
      stepId: "child",
    });
  });

  played("has the trace, the thread and the session of its parent", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const named = { traceId: "trace-1", threadId: "thread-1", sessionId: "session-1", environment: "test" };
    const { run } = await home.runs.start({ skillId: "parent", inputs: { what: "wait" }, ...named });
    await home.settled(run.runId);
    const child = await childOf(home, run.runId);
    expect(await home.runs.get(child)).toMatchObject(named);
  });

  played(
    "is started once, wherever its parent's process stops, and the parent ends",
    async ({ actor, store, clock }) => {
      for (const moment of ["before", "after"] as const) {
        for (let atCommit = 1; ; atCommit++) {
          const { skills, counts } = family();
          const crashing = crashingStore(store, { atCommit, moment, calls: "reject" });
          const doomed = actor({ skills, store: crashing });
          const runId = `${moment}-${atCommit}`;
          const begun = doomed.runs.start({ skillId: "parent", inputs: { what: "quick" }, runId });
          await begun.then(
            () => doomed.runtime.idle(),
            () => undefined,
          );
          if (!crashing.crashed) {
            expect(atCommit).toBeGreaterThan(8);
            break;
          }
          const heir = actor({ skills });
          clock.advance(leaseMs + 1);
          await drained(heir);
          const row = await store.getRun(tenant, runId);
          if (row === undefined) {
            expect([atCommit, moment]).toEqual([1, "before"]);
            continue;
          }
          expect(await heir.settled(runId)).toMatchObject({ status: "completed", result: "quick!" });
          const { items: children } = await readChildren(heir.runs, runId);
          expect(children).toMatchObject([{ status: "completed", stepId: "child" }]);
          expect(counts.work).toBeLessThanOrEqual(2);
          expect((await store.dueRuns({ now: clock.now(), limit: 10 })).map((due) => due.runId)).toEqual([]);
        }
      }
      expect(await store.countRuns(tenant, { skillId: "child" })).toBe(
        await store.countRuns(tenant, { skillId: "parent" }),
      );
    },
  );

  played(
    "wakes its parent by a drain if its own process stopped right after its end",
    async ({ actor, store, clock }) => {
      const { skills } = family();
      const home = actor({ skills });
      const { runId } = await home.start({ what: "wait" }, "parent");
      const child = await childOf(home, runId);
      // Its runtime has no skill with child runs, as one that was deployed for the child alone.
      const alone = actor({ skills: skills.filter(({ id }) => id === "child") });
      await alone.runs.signal(child, { name: "word", payload: "late" });
      expect(await alone.settled(child)).toMatchObject({ status: "completed" });
      expect(await home.runs.get(runId)).toMatchObject({ status: "waiting_for_signal" });
      expect(await alone.runtime.drain()).toEqual({ taken: 0, passedOver: 1 });
      await drained(home);
      expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "late!" });
      expect(await store.dueRuns({ now: clock.now(), limit: 1 })).toEqual([]);
    },
  );

  played("tells its end once, however often that is repeated", async ({ actor, store }) => {
    const { skills } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    let failures = 3;
    // The commit by which the child no longer owes anything fails.
    const failing = failingStore(store, ({ method, commit }) =>
      method === "commit" &&
      commit?.run.runId === child &&
      commit.entry === undefined &&
      commit.run.status === "completed"
        ? failures-- > 0
        : false,
    );
    const flaky = actor({ skills, store: failing });
    await flaky.runs.signal(child, { name: "word", payload: "twice" });
    await flaky.settled(child);
    expect(failures).toBe(0);
    expect((await store.getRun(tenant, child))?.dueAt).toBeTypeOf("number");
    expect(await flaky.settled(runId)).toMatchObject({ status: "completed" });
    const before = await store.getRun(tenant, runId);
    await drained(home);
    expect(await store.getRun(tenant, runId)).toEqual(before);
    expect((await store.getRun(tenant, child))?.dueAt).toBeUndefined();
  });

  played("that was resumed before its parent looked is waited for again", async ({ actor }) => {
    const { skills } = family();
    const desk = actor({ skills, executes: false });
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    await desk.runs.cancel(child);
    await desk.runs.resume(child);
    await drained(home);
    expect(await home.runs.get(runId)).toMatchObject({ status: "waiting_for_signal" });
    await home.runs.signal(child, { name: "word", payload: "after all" });
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "after all!" });
  });
});

function untilCrashed(store: { readonly crashed: boolean }): Promise<void> {
  return new Promise((resolve) => {
    const look = () => (store.crashed ? resolve() : setTimeout(look, 1));
    look();
  });
}

describe(`the cancellation of a parent on ${medium}`, () => {
  played("cancels its children and theirs, whether it waits for them or not", async ({ actor }) => {
    const { child, parent, starting } = family();
    const grand = defineSkill({
      id: "grand",
      version: "1",
      uses: [childRuns],
      async run(step) {
        await step.run("apart", starting, { what: "wait", detached: false }, { wait: false });
        return step.run("below", parent, { what: "wait" });
      },
    });
    const home = actor({ skills: [child, parent, starting, grand] });
    const { runId } = await home.start({}, "grand");
    await home.runs.cancel(runId);
    const { items } = await home.runs.list();
    expect(items.map(({ skillId, status }) => `${skillId} ${status}`).sort()).toEqual([
      "child canceled",
      "child canceled",
      "grand canceled",
      "parent canceled",
      "starting canceled",
    ]);
    expect((await home.runtime.drain()).taken).toBe(0);
  });

  played("leaves a detached child alone", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "wait", detached: true }, "starting");
    const child = await childOf(home, runId);
    await home.runs.cancel(runId);
    expect(await home.runs.get(child)).toMatchObject({ status: "waiting_for_signal" });
    await home.runs.delete(runId);
    await home.runs.signal(child, { name: "word", payload: "free" });
    expect(await home.settled(child)).toMatchObject({ status: "completed", result: "free" });
  });

  played("is done by a drain if its process stops right after it", async ({ actor, store }) => {
    const { skills } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    const crashing = crashingStore(store, { atCommit: 1, moment: "after", calls: "hang" });
    void actor({ skills, store: crashing }).runs.cancel(runId);
    await untilCrashed(crashing);
    expect(await home.runs.get(runId)).toMatchObject({ status: "canceled" });
    expect(await home.runs.get(child)).toMatchObject({ status: "waiting_for_signal" });
    await expect(home.runs.delete(runId)).rejects.toMatchObject({ code: "conflict" });
    await drained(home);
    expect(await home.runs.get(child)).toMatchObject({ status: "canceled" });
    await home.runs.delete(runId);
  });

  played("reaches a child that was noted and not yet started: it is never started", async ({ actor, store }) => {
    const { skills, counts } = family();
    let isHeld = true;
    let go = () => {};
    const held = new Proxy(store, {
      get(target, name) {
        if (name !== "commit") return Reflect.get(target, name).bind(target);
        return async (commit: Parameters<typeof store.commit>[0]) => {
          if (commit.run.skillId === "child" && isHeld) await new Promise<void>((resolve) => (go = resolve));
          return store.commit(commit);
        };
      },
    });
    const slow = actor({ skills, store: held });
    const runId = await slow.begin({ what: "quick" }, "parent");
    while ((await readChildren(slow.runs, runId)).items.length === 0) await new Promise((done) => setTimeout(done, 1));
    const child = await childOf(slow, runId);
    const home = actor({ skills });
    await home.runs.cancel(runId);
    isHeld = false;
    go();
    await slow.runtime.idle();
    await drained(home);
    expect(counts.work).toBe(0);
    expect((await store.getRun(tenant, child))?.revision).toBe(1);
    await expect(home.runs.get(child)).rejects.toMatchObject({ code: "not_found" });
    expect((await readChildren(home.runs, runId)).items).toMatchObject([{ runId: child, isMissing: true }]);
    // The resumed parent does not start it again under this key.
    await home.runs.resume(runId);
    expect((await home.settled(runId)).error).toMatchObject({ code: "not_found", stepId: "child" });
  });

  played("is not undone by its resume: its step rejects", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "wait" }, "catching");
    await home.runs.cancel(runId);
    await home.runs.resume(runId);
    expect((await home.settled(runId)).result).toMatchObject({ code: "run_canceled" });
  });
});

describe(`descendants and copies of a parent on ${medium}`, () => {
  played(
    "a replay uses the recorded result, and a fork from before the step starts a child of its own",
    async ({ actor }) => {
      const { skills, counts } = family();
      const home = actor({ skills });
      const { runId } = await home.start({ what: "quick" }, "parent");
      expect(counts.work).toBe(1);
      const { items } = await home.runs.listCheckpoints(runId);
      const checkpointId = items[0]?.checkpointId as string;
      const { run: replay } = await home.runs.replay(runId, { checkpointId });
      expect(await home.settled(replay.runId)).toMatchObject({ status: "completed", result: "quick!" });
      expect(counts.work).toBe(1);
      expect((await readChildren(home.runs, replay.runId)).items).toEqual([]);
      const { run: fork } = await home.runs.fork(runId, { checkpointId });
      await home.runs.resume(fork.runId);
      expect(await home.settled(fork.runId)).toMatchObject({ status: "completed", result: "quick!" });
      expect(counts.work).toBe(2);
      expect(await childOf(home, fork.runId)).not.toBe(await childOf(home, runId));
    },
  );

  played(
    "a replay of a parent that waits starts a child of its own, and its cancellation leaves the source's alone",
    async ({ actor }) => {
      const home = actor({ skills: family().skills });
      const { runId } = await home.start({ what: "wait" }, "parent");
      const { run: replay } = await home.runs.replay(runId);
      await home.settled(replay.runId);
      const [first, second] = [await childOf(home, runId), await childOf(home, replay.runId)];
      expect(second).not.toBe(first);
      await home.runs.cancel(replay.runId);
      expect(await home.runs.get(second)).toMatchObject({ status: "canceled" });
      expect(await home.runs.get(first)).toMatchObject({ status: "waiting_for_signal" });
    },
  );

  played("a replay that reuses the start of a child does not own it", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "wait", detached: false }, "starting");
    const child = await childOf(home, runId);
    const { items } = await home.runs.listCheckpoints(runId);
    const { run: replay } = await home.runs.replay(runId, { checkpointId: items[0]?.checkpointId as string });
    await home.settled(replay.runId);
    await home.runs.cancel(replay.runId);
    expect(await home.runs.get(child)).toMatchObject({ status: "waiting_for_signal" });
    expect(
      (await home.runs.loadCheckpoint(replay.runId, (await home.runs.get(replay.runId)).checkpointHead as string)).state
        .stepResults.child,
    ).toMatchObject({ producedOutput: { runId: child } });
  });

  played("a replay that also starts a child owns that one alone", async ({ actor }) => {
    const { child } = family();
    const two = defineSkill({
      id: "two",
      version: "1",
      uses: [childRuns],
      async run(step) {
        await step.run("reused", child, { what: "wait" }, { wait: false });
        return step.run("own", child, { what: "wait" });
      },
    });
    const home = actor({ skills: [child, two] });
    const { runId } = await home.start({}, "two");
    const { run: replay } = await home.runs.replay(runId);
    await home.settled(replay.runId);
    expect((await readChildren(home.runs, replay.runId)).items).toMatchObject([{ stepId: "own" }]);
    await home.runs.cancel(replay.runId);
    const { items: children } = await readChildren(home.runs, runId);
    expect(children.map(({ status }) => status)).toEqual(["waiting_for_signal", "waiting_for_signal"]);
  });

  played("a resume from before the step finds the child again", async ({ actor }) => {
    const { skills, counts } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "fail" }, "parent");
    expect(await home.settled(runId)).toMatchObject({ status: "failed", error: { stepId: "child" } });
    const child = await childOf(home, runId);
    const { items } = await home.runs.listCheckpoints(runId);
    await home.runs.resume(runId, { checkpointId: items[0]?.checkpointId as string });
    expect(await home.settled(runId)).toMatchObject({ status: "failed" });
    expect(await childOf(home, runId)).toBe(child);
    expect(counts.work).toBe(1);
  });

  played("an export carries the family, and an import of the parent finds its child", async ({ actor }) => {
    const { skills } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    const away = actor({ skills });
    const there = away.runtime.for("elsewhere");
    await importRun(there, exportRun(home.runs, child));
    await importRun(there, exportRun(home.runs, runId));
    expect(await there.get(child)).toMatchObject({ parentRunId: runId, parentStepId: "child" });
    await there.signal(child, { name: "word", payload: "there" });
    await drained(away);
    expect(await there.get(runId)).toMatchObject({ status: "completed", result: "there!" });
    expect(await home.runs.get(runId)).toMatchObject({ status: "waiting_for_signal" });
  });
});

describe(`deletion in a family on ${medium}`, () => {
  played("a run with a parent or children is deleted once it has ended and they know it", async ({ actor }) => {
    const { skills } = family();
    const home = actor({ skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    // This needs no skill, so a process that only cleans up cannot get it wrong.
    const stranger = actor({ skills: [] });
    for (const id of [runId, child]) {
      await expect(stranger.runs.delete(id)).rejects.toMatchObject({
        code: "conflict",
        message: `run "${id}" has a family: cancel it and drain`,
      });
    }
    await home.runs.cancel(runId);
    for (const id of [runId, child]) await stranger.runs.delete(id);
  });

  played(
    "pruning leaves what a parent may still read, and takes it once the parent has ended",
    async ({ actor, clock }) => {
      const { skills } = family();
      const home = actor({ skills });
      const desk = actor({ skills, executes: false });
      const { runId } = await home.start({ what: "wait" }, "parent");
      const child = await childOf(home, runId);
      await desk.runs.cancel(child);
      clock.advance(1_000);
      const olderThan = new Date(clock.now());
      expect(await pruneRuns(home.runs, { olderThan })).toEqual({ deleted: 0, isMore: false });
      await drained(home);
      expect(await home.settled(runId)).toMatchObject({ status: "failed" });
      expect(await pruneRuns(home.runs, { olderThan })).toEqual({ deleted: 2, isMore: false });
    },
  );
});
