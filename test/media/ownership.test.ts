import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { countingStore } from "../../src/conformance/faults.ts";
import {
  defineCapability,
  defineGraphSkill,
  localNotifier,
  type Runs,
  saveCheckpoint,
  type WorkflowBody,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { leaseMs, type Scene, scene, stillClock, tenant, until } from "../support/scene.ts";
import { slow } from "../support/slow-step.ts";

const half = leaseMs / 2;

// What ownership of a run promises, on one medium.

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));
/** Once for each form of skill. */
const playedTwice = (name: string, play: (scene: Scene, skillId: string) => Promise<void>) =>
  test.each(["graph", "body"])(`in a %s ${name}`, (skillId) => scene(harness, (scene) => play(scene, skillId)));

const leaseEnd = async ({ store }: Scene, runId: string) => (await store.getRun(tenant, runId))?.dueAt;

describe(`a lease on ${medium}`, () => {
  playedTwice("is renewed once half of it is spent, and then by a heartbeat", async (scene, skillId) => {
    const { clock, actor, store } = scene;
    const { calls, options } = slow();
    const counting = countingStore(store);
    const { begin, settled } = actor({ ...options, store: counting });
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const { counts } = counting;
    for (let beat = 1; beat <= 5; beat++) {
      const commits = counts.calls.commit;
      const ends = await leaseEnd(scene, runId);
      clock.advance(half - 1);
      await quiet();
      expect(counts.calls.commit).toBe(commits);
      clock.advance(1);
      await until(async () => (await leaseEnd(scene, runId)) !== ends);
      expect(await leaseEnd(scene, runId)).toBe(clock.now() + leaseMs);
      expect(counts.calls.commit).toBe(commits + 1);
    }
    calls[0]?.finish("done");
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { slow: "done" } });
    expect(calls).toHaveLength(1);
  });

  playedTwice("keeps others away as long as it is renewed", async (scene, skillId) => {
    const { clock, actor } = scene;
    const { calls, options } = slow();
    const { begin, settled } = actor(options);
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const other = actor(options);
    for (let beat = 0; beat < 10; beat++) {
      const before = await revision(scene, runId);
      clock.advance(half);
      await until(async () => (await revision(scene, runId)) > before);
      expect(await other.runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
      await expect(other.runs.resume(runId)).rejects.toMatchObject({ code: "conflict", retryAfterMs: leaseMs });
    }
    calls[0]?.finish("mine");
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { slow: "mine" } });
    expect(calls).toHaveLength(1);
  });

  played("goes on after the medium failed for a while", async (scene) => {
    const { clock, actor, store } = scene;
    const { calls, options } = slow();
    let isDown = false;
    const failing: Store = {
      ...store,
      commit: (c) => (isDown ? Promise.reject(new Error("down")) : store.commit(c)),
    };
    const { begin, settled, errors } = actor({ ...options, store: failing });
    const runId = await begin({}, "graph");
    await until(() => calls.length === 1);
    isDown = true;
    clock.advance(half);
    await until(() => errors.length > 0);
    isDown = false;
    const before = await revision(scene, runId);
    clock.advance(leaseMs / 20);
    await until(async () => (await revision(scene, runId)) > before);
    calls[0]?.finish("still mine");
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { slow: "still mine" } });
  });
});

describe(`an executor that loses its run on ${medium}`, () => {
  /** One that sleeps while its step is under way: its clock stands still. The other one has the run by now. */
  const taken = async (scene: Scene, skillId: string) => {
    const { calls, options } = slow();
    const sleeper = scene.actor({ ...options, clock: stillClock() });
    const runId = await sleeper.begin({}, skillId);
    await until(() => calls.length === 1);
    scene.clock.advance(leaseMs - 1);
    const taker = scene.actor(options);
    expect(await taker.runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
    scene.clock.advance(1);
    const drained = taker.runtime.drain();
    await until(() => calls.length === 2);
    return { sleeper, taker, runId, calls, drained };
  };

  playedTwice("writes nothing when it wakes first, and the other one ends the run", async (scene, skillId) => {
    const { sleeper, taker, runId, calls, drained } = await taken(scene, skillId);
    const before = await revision(scene, runId);
    expect(calls[0]?.signal.aborted).toBe(false);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    expect(await revision(scene, runId)).toBe(before);
    expect(calls[1]?.signal.aborted).toBe(false);
    calls[1]?.finish("in time");
    await drained;
    expect(await taker.settled(runId)).toMatchObject({ status: "completed", result: { slow: "in time" } });
    expect(await stepsOf(taker.runs, runId)).toEqual(["before", "slow", "after"]);
    expect(sleeper.errors).toEqual([]);
  });

  playedTwice("writes nothing when it wakes last", async (scene, skillId) => {
    const { sleeper, taker, runId, calls, drained } = await taken(scene, skillId);
    calls[1]?.finish("in time");
    await drained;
    const before = await revision(scene, runId);
    calls[0]?.finish("too late");
    await sleeper.runtime.idle();
    expect(await revision(scene, runId)).toBe(before);
    expect(await taker.runs.get(runId)).toMatchObject({ status: "completed", result: { slow: "in time" } });
    expect(await stepsOf(taker.runs, runId)).toEqual(["before", "slow", "after"]);
  });

  playedTwice("aborts its step by its heartbeat, while the step still runs", async (scene, skillId) => {
    const { calls, options } = slow();
    const own = stillClock();
    const sleeper = scene.actor({ ...options, clock: own });
    const runId = await sleeper.begin({}, skillId);
    await until(() => calls.length === 1);
    scene.clock.advance(leaseMs);
    const taker = scene.actor(options);
    const drained = taker.runtime.drain();
    await until(() => calls.length === 2);
    own.advance(half);
    await until(() => calls[0]?.signal.aborted === true);
    await sleeper.runtime.idle();
    calls[1]?.finish("in time");
    await drained;
    expect(await taker.settled(runId)).toMatchObject({ status: "completed", result: { slow: "in time" } });
  });

  playedTwice("keeps it if its lease has lapsed and no other executor took it", async (scene, skillId) => {
    const { calls, options } = slow();
    const own = stillClock();
    const { begin, settled, runs } = scene.actor({ ...options, clock: own });
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    scene.clock.advance(10 * leaseMs);
    own.advance(10 * leaseMs);
    calls[0]?.finish("no one came");
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { slow: "no one came" } });
    expect(await stepsOf(runs, runId)).toEqual(["before", "slow", "after"]);
  });

  played("hands on a run however often its executors die, with each step recorded once", async (scene) => {
    const { calls, options } = slow();
    const first = scene.actor(options);
    const runId = await first.begin({}, "graph");
    await until(() => calls.length === 1);
    await first.die();
    for (let death = 2; death <= 8; death++) {
      const next = scene.actor(options);
      scene.clock.advance(leaseMs);
      const drained = next.runtime.drain();
      await until(() => calls.length === death);
      await next.die();
      await drained;
    }
    const last = scene.actor(options);
    scene.clock.advance(leaseMs);
    const drained = last.runtime.drain();
    await until(() => calls.length === 9);
    calls[8]?.finish("at last");
    await drained;
    expect(await last.settled(runId)).toMatchObject({ status: "completed", result: { slow: "at last" } });
    expect(await stepsOf(last.runs, runId)).toEqual(["before", "slow", "after"]);
  });
});

describe(`others beside a step on ${medium}`, () => {
  playedTwice("do not disturb it with their signals, however many", async ({ actor }, skillId) => {
    const { calls, options } = slow();
    const { begin, settled } = actor(options);
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const other = actor({ executes: false });
    for (let n = 0; n < 5; n++) await other.runs.signal(runId, { name: "hint", payload: n });
    calls[0]?.finish("undisturbed");
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { slow: "undisturbed" } });
    expect(calls).toHaveLength(1);
    expect(calls[0]?.signal.aborted).toBe(false);
    const events = (await other.runs.events(runId)).items;
    expect(events.filter(({ eventType }) => eventType === "signal.received")).toHaveLength(5);
  });

  playedTwice("cannot save to the run, and learn for how long", async ({ actor }, skillId) => {
    const { calls, options } = slow();
    const { begin, settled, runs } = actor(options);
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const { checkpointHead = "" } = await runs.get(runId);
    const { state } = await runs.loadCheckpoint(runId, checkpointHead);
    await expect(saveCheckpoint(actor().runs, runId, { kind: "note", state })).rejects.toMatchObject({
      code: "conflict",
      retryAfterMs: leaseMs,
    });
    calls[0]?.finish("undisturbed");
    expect(await settled(runId)).toMatchObject({ result: { slow: "undisturbed" } });
  });

  playedTwice("cancel it: the executor learns it by its heartbeat, and drops the result", async (scene, skillId) => {
    const { calls, options } = slow();
    const { begin, settled, errors } = scene.actor(options);
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const other = scene.actor({ executes: false });
    expect(await other.runs.cancel(runId)).toMatchObject({ status: "canceled" });
    const before = await revision(scene, runId);
    expect(calls[0]?.signal.aborted).toBe(false);
    scene.clock.advance(half);
    await until(() => calls[0]?.signal.aborted === true);
    calls[0]?.finish("too late");
    expect(await settled(runId)).toMatchObject({ status: "canceled", result: null });
    expect(await revision(scene, runId)).toBe(before);
    expect(await stepsOf(other.runs, runId)).toEqual(["before"]);
    expect(errors).toEqual([]);
  });

  playedTwice("that cancel it before it returns have its result dropped, heartbeat or not", async (scene, skillId) => {
    const { calls, options } = slow();
    const { begin, settled } = scene.actor(options);
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const other = scene.actor({ executes: false });
    await other.runs.cancel(runId);
    const before = await revision(scene, runId);
    calls[0]?.finish("too late");
    expect(await settled(runId)).toMatchObject({ status: "canceled" });
    expect(await revision(scene, runId)).toBe(before);
  });

  playedTwice("tell of a cancellation, and of nothing else, abort it at once", async (scene, skillId) => {
    const { calls, options } = slow();
    const notifier = localNotifier();
    const { begin, settled, errors } = scene.actor({ ...options, notifier });
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const other = scene.actor({ executes: false, notifier });
    await other.runs.signal(runId, { name: "hello", payload: null });
    await quiet();
    expect(calls[0]?.signal.aborted).toBe(false);
    await other.runs.cancel(runId);
    await until(() => calls[0]?.signal.aborted === true);
    expect(await settled(runId)).toMatchObject({ status: "canceled" });
    expect(errors).toEqual([]);
  });

  playedTwice("in the same runtime cancel it at once", async (scene, skillId) => {
    const { calls, options } = slow();
    const { begin, settled, runs } = scene.actor(options);
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    await runs.cancel(runId);
    expect(calls[0]?.signal.aborted).toBe(true);
    expect(await settled(runId)).toMatchObject({ status: "canceled" });
  });

  playedTwice("cancel and resume it: the old step's result is not the new one's", async (scene, skillId) => {
    const { calls, options } = slow();
    const old = scene.actor(options);
    const runId = await old.begin({}, skillId);
    await until(() => calls.length === 1);
    const other = scene.actor(options);
    await other.runs.cancel(runId);
    await other.runs.resume(runId);
    await until(() => calls.length === 2);
    calls[0]?.finish("old");
    await old.runtime.idle();
    calls[1]?.finish("new");
    expect(await other.settled(runId)).toMatchObject({ status: "completed", result: { slow: "new" } });
    expect(await stepsOf(other.runs, runId)).toEqual(["before", "slow", "after"]);
  });

  playedTwice("delete it: nothing of it is written any more", async (scene, skillId) => {
    const { calls, options } = slow();
    const { begin, runtime } = scene.actor(options);
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    const other = scene.actor({ executes: false });
    await other.runs.cancel(runId);
    await other.runs.delete(runId);
    const before = await revision(scene, runId);
    calls[0]?.finish("too late");
    await runtime.idle();
    expect(await revision(scene, runId)).toBe(before);
    await expect(other.runs.get(runId)).rejects.toMatchObject({ code: "not_found" });
  });
});

describe(`a short sleep, waited out with the lease held, on ${medium}`, () => {
  const nap: WorkflowBody = async (step) => {
    await step.sleep("nap", 3_000);
    return "woke";
  };
  const skills = [defineGraphSkill({ id: "graph", version: "1", steps: [{ id: "nap", sleep: 3_000 }] })];

  playedTwice("ends on time without another executor", async ({ actor, clock }, skillId) => {
    const { begin, settled, runs, runtime } = actor({ skills, body: nap, holdMs: 5_000 });
    const runId = await begin({}, skillId);
    await until(async () => (await eventsOf(runs, runId)).includes("step.sleeping"));
    await quiet();
    expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
    clock.advance(3_000);
    expect(await settled(runId)).toMatchObject({ status: "completed" });
  });

  playedTwice("ends when the run is canceled", async ({ actor }, skillId) => {
    const { begin, settled, runs } = actor({ skills, body: nap, holdMs: 5_000 });
    const runId = await begin({}, skillId);
    await until(async () => (await eventsOf(runs, runId)).includes("step.sleeping"));
    await quiet();
    await runs.cancel(runId);
    expect(await settled(runId)).toMatchObject({ status: "canceled" });
  });
});

describe(`a pass that has had its time on ${medium}`, () => {
  playedTwice("hands its run over, and the next drain goes on with it", async ({ actor, clock }, skillId) => {
    const { calls, options } = slow();
    const { begin, settled, runs } = actor({ ...options, passMs: 20_000 });
    const runId = await begin({}, skillId);
    await until(() => calls.length === 1);
    clock.advance(20_000);
    calls[0]?.finish("slow but there");
    expect(await settled(runId)).toMatchObject({ status: "running" });
    expect(await stepsOf(runs, runId)).toEqual(["before", "slow"]);
    expect((await eventsOf(runs, runId)).at(-1)).toBe("run.handed_over");
    const other = actor(options);
    expect(await other.runtime.drain()).toEqual({ taken: 1, passedOver: 0 });
    expect(await other.runs.get(runId)).toMatchObject({ status: "completed", result: { slow: "slow but there" } });
    expect(await stepsOf(runs, runId)).toEqual(["before", "slow", "after"]);
    // It went on by itself, so it does not count as a recovery.
    expect(await eventsOf(runs, runId)).not.toContain("run.recovered");
  });

  played("forgets no wait: sleeps, timeouts and attempts go on where they were", async ({ actor, clock }) => {
    const { calls, options } = slow();
    const attempts: number[] = [];
    const body: WorkflowBody = async (step) => {
      const retries = { limit: 2, delay: 3_000, backoff: "constant" } as const;
      return Promise.all([
        step.sleep("nap", 4_000),
        step.waitForEvent("event", { type: "go", timeout: 60_000 }).catch(() => "nothing came"),
        step
          .do("flaky", { retries }, async ({ attempt }) => {
            attempts.push(attempt);
            throw new Error("no");
          })
          .catch(() => "given up"),
      ]);
    };
    const began = clock.now();
    const first = actor({ ...options, body, holdMs: 5_000, passMs: 2_500 });
    const runId = await first.begin();
    await until(async () => (await eventsOf(first.runs, runId)).includes("step.retry_scheduled"));
    await quiet();
    // It waits out the backoff, and then it has had its time.
    clock.advance(3_000);
    await first.settled(runId);
    expect(await eventsOf(first.runs, runId)).toContain("run.handed_over");
    const second = actor({ ...options, body });
    await second.later(1_000, runId);
    expect(attempts).toEqual([1, 2]);
    expect(await stepsOf(second.runs, runId)).toEqual(["nap"]);
    await second.later(3_000, runId);
    expect(attempts).toEqual([1, 2, 3]);
    await second.later(began + 60_000 - clock.now() - 1, runId);
    expect(await second.runs.get(runId)).toMatchObject({ status: "waiting_for_signal" });
    await second.later(1, runId);
    expect(await second.settled(runId)).toMatchObject({
      status: "completed",
      result: [undefined, "nothing came", "given up"],
    });
    expect(calls).toEqual([]);
  });

  played("leaves a graph's sleep as long as it was", async ({ actor, clock }) => {
    const skills = [defineGraphSkill({ id: "graph", version: "1", steps: [{ id: "nap", sleep: 4_000 }] })];
    const first = actor({ skills, holdMs: 5_000, passMs: 3_000 });
    const runId = await first.begin({}, "graph");
    await until(async () => (await eventsOf(first.runs, runId)).includes("step.sleeping"));
    await quiet();
    clock.advance(4_000);
    expect(await first.settled(runId)).toMatchObject({ status: "running" });
    const second = actor({ skills });
    expect(await second.later(0, runId)).toMatchObject({ status: "completed" });
  });
});

describe(`a run that kills its executors on ${medium}`, () => {
  played("ends after ten take-overs without a new checkpoint", async (scene) => {
    const { calls, options } = slow();
    let actor = scene.actor(options);
    const runId = await actor.begin({}, "graph");
    for (let death = 1; death <= 11; death++) {
      await until(() => calls.length === death);
      await actor.die();
      scene.clock.advance(leaseMs);
      actor = scene.actor(options);
      if (death <= 10) void actor.runtime.drain();
    }
    await actor.runtime.drain();
    expect(await actor.runs.get(runId)).toMatchObject({ status: "failed", error: { code: "recovery_exhausted" } });
    expect(calls).toHaveLength(11);
    // It is repaired, and a caller asks for it.
    await actor.runs.resume(runId);
    await until(() => calls.length === 12);
    calls[11]?.finish("mended");
    expect(await actor.settled(runId)).toMatchObject({ status: "completed", result: { slow: "mended" } });
  });

  played("is forgiven with every new checkpoint", async (scene) => {
    const deadly = new Set(["a", "b", "c"]);
    let deaths = 0;
    const call = defineCapability({ id: "call", version: "1" }, (_, { stepId }) => {
      if (!deadly.has(stepId)) return stepId;
      deaths++;
      return new Promise(() => {});
    });
    const steps = [...deadly].map((id) => ({ id, uses: "call" }));
    const options = { capabilities: [call], skills: [defineGraphSkill({ id: "graph", version: "1", steps })] };
    let actor = scene.actor(options);
    const runId = await actor.begin({}, "graph");
    for (let count = 1; count <= 24; count++) {
      await until(() => deaths === count);
      await actor.die();
      scene.clock.advance(leaseMs);
      actor = scene.actor(options);
      if (count % 8 === 0) deadly.delete(["a", "b", "c"][count / 8 - 1] as string);
      if (count < 24) void actor.runtime.drain();
    }
    await actor.runtime.drain();
    expect(await actor.settled(runId)).toMatchObject({ status: "completed" });
  });
});

async function revision({ store }: Scene, runId: string): Promise<number> {
  return (await store.getRun(tenant, runId))?.revision ?? 0;
}

async function eventsOf(runs: Runs, runId: string): Promise<string[]> {
  return (await runs.events(runId)).items.map(({ eventType }) => eventType);
}

async function stepsOf(runs: Runs, runId: string): Promise<unknown[]> {
  const events = (await runs.events(runId)).items;
  return events.filter(({ eventType }) => eventType === "step.completed").map(({ payload }) => payload.step_id);
}

/** Gives whatever is not supposed to happen the time to happen. */
async function quiet(): Promise<void> {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setTimeout(resolve, 1));
}
