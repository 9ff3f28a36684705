import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { crashingStore, failingStore } from "../../src/conformance/faults.ts";
import { defineSkill, isDurableError, pruneRuns, readLineage, type Skill } from "../../src/index.ts";
import { childRuns, readChildren } from "../../src/steps.ts";
import type { Store } from "../../src/store.ts";
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

  played(
    "a replay that is to start its children starts one, and none for what its checkpoint has",
    async ({ actor }) => {
      const { skills, counts } = family();
      const home = actor({ skills });
      const { runId } = await home.start({ what: "quick" }, "parent");
      const { items } = await home.runs.listCheckpoints(runId);
      const [first, last] = [items[0]?.checkpointId as string, items.at(-1)?.checkpointId as string];
      const again = await home.runs.replay(runId, { checkpointId: first, children: "start" });
      expect(await home.settled(again.run.runId)).toMatchObject({ status: "completed", result: "quick!" });
      expect(await childOf(home, again.run.runId)).not.toBe(await childOf(home, runId));
      expect(counts.work).toBe(2);
      const late = await home.runs.replay(runId, { checkpointId: last, children: "start" });
      expect(await home.settled(late.run.runId)).toMatchObject({ status: "completed", result: "quick!" });
      // A replay of the replay knows a result that it reused as that of a child.
      const reused = await home.runs.replay(runId, { checkpointId: first });
      await home.settled(reused.run.runId);
      expect(counts.work).toBe(2);
      const anew = await home.runs.replay(reused.run.runId, { checkpointId: first, children: "start" });
      await home.settled(anew.run.runId);
      expect(counts.work).toBe(3);
    },
  );

  played("a fork that is to reuse its children does, and repeats what is no child", async ({ actor }) => {
    const { child, counts } = family();
    let acts = 0;
    const acting = defineSkill({
      id: "acting",
      version: "1",
      uses: [childRuns],
      async run(step, { what }: { what: string }) {
        const result = await step.run("child", child, { what });
        return step.do("act", { sideEffects: "write" }, async () => `${result} ${++acts}`);
      },
    });
    const home = actor({ skills: [child, acting] });
    const { runId } = await home.start({ what: "quick" }, "acting");
    const { items } = await home.runs.listCheckpoints(runId);
    const checkpointId = items[0]?.checkpointId as string;
    const results: unknown[] = [];
    for (const children of ["reuse", "start"] as const) {
      const { run } = await home.runs.fork(runId, { checkpointId, children });
      await home.runs.resume(run.runId);
      results.push((await home.settled(run.runId)).result, counts.work);
    }
    expect(results).toEqual(["quick 2", 1, "quick 3", 2]);
    const { run } = await home.runs.replay(runId, { checkpointId, children: "start" });
    expect(await home.settled(run.runId)).toMatchObject({ result: "quick 1" });
    expect(counts.work).toBe(3);
  });

  played("what becomes of children is a part of what an idempotency key covers", async ({ actor }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "quick" }, "parent");
    const descent = { idempotencyKey: "key", children: "start" } as const;
    const { run } = await home.runs.replay(runId, descent);
    expect((await home.runs.replay(runId, descent)).run.runId).toBe(run.runId);
    for (const children of ["reuse", undefined] as const) {
      const other = { idempotencyKey: "key", ...(children && { children }) };
      await expect(home.runs.replay(runId, other)).rejects.toMatchObject({ code: "idempotency_conflict" });
    }
    await expect(home.runs.fork(runId, { children: "some" as "start" })).rejects.toMatchObject({
      code: "invalid_request",
      path: "children",
    });
  });

  played("the lineage of a run has its parent and its children, and theirs", async ({ actor }) => {
    const { child, parent } = family();
    const grand = defineSkill({
      id: "grand",
      version: "1",
      uses: [childRuns],
      run: (step) => step.run("below", parent, { what: "quick" }),
    });
    const home = actor({ skills: [child, parent, grand] });
    const { runId } = await home.start({}, "grand");
    const middle = await childOf(home, runId);
    const leaf = await childOf(home, middle);
    const { run: fork } = await home.runs.fork(leaf);
    const below = await readLineage(home.runs, runId);
    expect(below.descendants).toMatchObject([
      { runId: middle, parentRunId: runId, parentStepId: "below" },
      { runId: leaf, parentRunId: middle, parentStepId: "child" },
      { runId: fork.runId, sourceRunId: leaf, kind: "fork" },
    ]);
    expect(below.descendants[0]).not.toHaveProperty("kind");
    expect(below.descendants[2]).not.toHaveProperty("parentRunId");
    expect(below.isMore).toBe(false);
    const above = await readLineage(home.runs, fork.runId);
    expect(above.ancestors.map((node) => node.runId)).toEqual([leaf, middle, runId]);
    await home.runs.delete(runId);
    const orphan = await readLineage(home.runs, leaf);
    expect(orphan.ancestors).toMatchObject([{ runId: middle }, { runId, isMissing: true }]);
    await home.runs.delete(middle);
    expect((await readLineage(home.runs, leaf)).ancestors).toMatchObject([{ runId: middle, isMissing: true }]);
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
    await expect(home.runs.delete(runId)).rejects.toMatchObject({
      hint: `its children that have not ended: "${child}"`,
    });
    await expect(home.runs.delete(child)).rejects.toMatchObject({
      hint: `its children that have not ended: none; its parent: "${runId}"`,
    });
    await home.runs.cancel(runId);
    for (const id of [runId, child]) await stranger.runs.delete(id);
  });

  /** Replaces the body of a run, as a fault of the medium or a later version does. */
  const rewrite = async (store: Store, runId: string, body: string) => {
    const row = await store.getRun(tenant, runId);
    if (row === undefined) throw new Error(`no run ${runId}`);
    const run = { ...row, revision: row.revision + 1, body };
    expect(await store.commit({ run, before: row, now: 0 })).toEqual({ kind: "committed" });
    return row.body;
  };

  played("a child of a damaged parent ends, and is due no more", async ({ actor, store, clock }) => {
    const home = actor({ skills: family().skills });
    const { runId } = await home.start({ what: "wait" }, "parent");
    const child = await childOf(home, runId);
    await rewrite(store, runId, "?");
    await home.runs.signal(child, { name: "word", payload: "alone" });
    expect(await home.settled(child)).toMatchObject({ status: "completed" });
    await drained(home);
    const due = await store.dueRuns({ now: clock.now() + 86_400_000, limit: 10 });
    expect(due.map((row) => row.runId)).not.toContain(child);
    await home.runs.delete(child);
  });

  played("a damaged child keeps no other from being canceled with its parent", async ({ actor, store }) => {
    const { child } = family();
    const two = defineSkill({
      id: "two",
      version: "1",
      uses: [childRuns],
      run: (step) => Promise.all(["a", "b", "c"].map((name) => step.run(name, child, { what: "wait" }))),
    });
    const home = actor({ skills: [child, two] });
    const { runId } = await home.start({}, "two");
    const { items } = await readChildren(home.runs, runId);
    const [first = "", ...others] = items.map((one) => one.runId as string);
    await rewrite(store, first, "?");
    await home.runs.cancel(runId);
    for (const other of others) expect(await home.runs.get(other)).toMatchObject({ status: "canceled" });
    await home.runs.delete(runId);
  });

  played(
    "a family that a later version has written waits for it, in longer and longer pauses",
    async ({ actor, store, clock }) => {
      const home = actor({ skills: family().skills });
      const { runId } = await home.start({ what: "wait" }, "parent");
      const child = await childOf(home, runId);
      const body = await rewrite(store, runId, JSON.stringify({ format: 9_999 }));
      await home.runs.signal(child, { name: "word", payload: "late" });
      expect(await home.settled(child)).toMatchObject({ status: "completed" });
      const next = (await store.getRun(tenant, child))?.dueAt ?? 0;
      expect(next).toBeGreaterThan(clock.now());
      expect(home.errors).toMatchObject([{ code: "unsupported_version" }]);
      await expect(home.runs.delete(child)).rejects.toMatchObject({ code: "conflict" });
      await rewrite(store, runId, body);
      clock.advance(next - clock.now() + 1);
      await drained(home);
      expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "late!" });
      expect((await store.getRun(tenant, child))?.dueAt).toBeUndefined();
    },
  );

  played("names at most five children", async ({ actor }) => {
    const { child } = family();
    const many = defineSkill({
      id: "many",
      version: "1",
      uses: [childRuns],
      run: (step) => Promise.all([...Array(7)].map((_, at) => step.run(`child ${at}`, child, { what: "wait" }))),
    });
    const home = actor({ skills: [child, many] });
    const { runId } = await home.start({}, "many");
    const error = await home.runs.delete(runId).catch((error: unknown) => error);
    expect((error as { hint: string }).hint).toMatch(
      /^its children that have not ended: ("child_\w+", ){4}"child_\w+" and more$/,
    );
  });

  for (const what of ["completed", "failed"] as const) {
    played(`a child that outlives its ${what} parent ends though that was deleted`, async ({ actor, store, clock }) => {
      const { child } = family();
      const leaving = defineSkill({
        id: "leaving",
        version: "1",
        uses: [childRuns],
        async run(step) {
          const awaited = step.run("awaited", child, { what: "wait" });
          await step.run("left", child, { what: "wait" }, { wait: false });
          if (what === "failed") throw new TypeError("it leaves");
          awaited.catch(() => {});
          return "done";
        },
      });
      const home = actor({ skills: [child, leaving] });
      const { runId } = await home.start({}, "leaving");
      expect(await home.settled(runId)).toMatchObject({ status: what });
      const { items } = await readChildren(home.runs, runId);
      expect(items.map(({ stepId }) => stepId).sort()).toEqual(["awaited", "left"]);
      await home.runs.delete(runId);
      for (const { runId: child } of items) {
        await expect(home.runs.delete(child)).rejects.toMatchObject({ code: "conflict" });
        await home.runs.signal(child, { name: "word", payload: "alone" });
        expect(await home.settled(child)).toMatchObject({ status: "completed", result: "alone" });
      }
      await drained(home);
      expect(await store.dueRuns({ now: clock.now(), limit: 10 })).toEqual([]);
      expect(home.errors).toHaveLength(what === "failed" ? 1 : 0);
      for (const { runId: child } of items) await home.runs.delete(child);
      await expect(home.runs.get(runId)).rejects.toMatchObject({ code: "not_found" });
    });
  }

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
