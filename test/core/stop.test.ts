import { describe, expect, test } from "vitest";
import { intercepted } from "../../src/conformance/faults.ts";
import { defineCapability, defineGraphSkill, type Runs } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { memoryHarness } from "../support/memory-harness.ts";
import { leaseMs, scene, turn, until } from "../support/scene.ts";

const skills = [
  defineGraphSkill({ id: "one", version: "1", steps: [{ id: "only", uses: "work", output: "outputs.by" }] }),
];
const work = (by: string) => [defineCapability({ id: "work", version: "1" }, () => by)];

/** A store whose second commit, the step's, reaches the medium no sooner than it is let go. */
function slowStore(store: Store) {
  const { promise: letGo, resolve: go } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  let isWaiting = false;
  const slow = intercepted(store, async ({ method, nth }, proceed) => {
    if (method !== "commit" || nth !== 2) return proceed();
    isWaiting = true;
    await letGo;
    const answer = proceed();
    arrive(answer.then(() => undefined));
    return answer;
  });
  return { store: slow, isWaiting: () => isWaiting, go, arrived };
}

describe("a runtime that is stopped while its store has not answered", () => {
  test("waits for the answer", () =>
    scene(memoryHarness, async ({ actor, store }) => {
      const { store: slow, isWaiting, go } = slowStore(store);
      const { begin, runtime, errors, runs } = actor({ skills, capabilities: work("itself"), store: slow });
      const runId = await begin({}, "one");
      await until(isWaiting);
      let hasStopped = false;
      const stopped = runtime.stop().then(() => {
        hasStopped = true;
      });
      await turn();
      expect(hasStopped).toBe(false);
      go();
      await stopped;
      expect(errors).toEqual([]);
      // What was under way was written, and nothing after it.
      expect((await runs.events(runId)).items.at(-2)?.eventType).toBe("step.completed");
      expect(await runs.get(runId)).toMatchObject({ status: "running" });
    }));

  test("waits no longer than a lease lasts, says so, and what arrives later is refused", () =>
    scene(memoryHarness, async ({ actor, store, clock }) => {
      const { store: slow, isWaiting, go, arrived } = slowStore(store);
      const sleeper = actor({ skills, capabilities: work("the first"), store: slow });
      const runId = await sleeper.begin({}, "one");
      await until(isWaiting);
      const stopped = sleeper.runtime.stop();
      await turn();
      expect(sleeper.errors).toEqual([]);
      clock.advance(leaseMs);
      await stopped;
      expect(sleeper.errors).toMatchObject([{ code: "store_failed" }]);

      const other = actor({ skills, capabilities: work("the other") });
      expect(await other.later(0, runId)).toMatchObject({ status: "completed", result: { by: "the other" } });
      const history = (await other.runs.history(runId)).items;
      go();
      await arrived;
      await sleeper.runtime.idle();
      expect((await other.runs.history(runId)).items).toEqual(history);
      expect(sleeper.errors).toHaveLength(1);
    }));
});

/** One step that counts, and answers when it is let go. */
function counted() {
  const calls: (() => void)[] = [];
  const hold = defineCapability({ id: "work", version: "1" }, () => new Promise<void>((go) => calls.push(go)));
  return { calls, options: { skills, capabilities: [hold] } };
}

/** A store whose nth commit waits until it is let go, and then is made. */
function storeThatWaits(store: Store, at: number) {
  const { promise: letGo, resolve: go } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  const waiting = intercepted(store, async ({ method, nth }, proceed) => {
    if (method !== "commit" || nth !== at) return proceed();
    arrive();
    await letGo;
    return proceed();
  });
  return { store: waiting, arrived, go };
}

describe("a runtime that was stopped", () => {
  test("takes no other run in a drain that is under way", () =>
    scene(memoryHarness, async ({ actor, clock }) => {
      const { calls, options } = counted();
      const clerk = actor({ ...options, executes: false });
      for (let n = 0; n < 6; n++) await clerk.begin({}, "one");
      const server = actor(options);
      const drained = server.runtime.drain({ concurrency: 1 });
      await until(() => calls.length === 1);
      calls[0]?.();
      await until(() => calls.length === 2);
      const stopped = server.runtime.stop();
      calls[1]?.();
      await stopped;
      expect(calls).toHaveLength(2);
      await drained;
      clock.advance(leaseMs);
      await turn();
      expect(calls).toHaveLength(2);
      // What it left is for others.
      const other = actor(options);
      const rest = other.runtime.drain();
      for (let n = 2; n < 7; n++) {
        await until(() => calls.length > n);
        calls[n]?.();
      }
      expect(await rest).toMatchObject({ taken: 5 });
      expect(await clerk.runs.count({ status: "completed" })).toBe(6);
    }));

  test("does not launch what it was about to start, resume or take when it was stopped", async () => {
    const begins: readonly ((runs: Runs, runId: string) => Promise<unknown>)[] = [
      (runs) => runs.start({ skillId: "one" }),
      (runs, runId) => runs.resume(runId),
      (runs, runId) => runs.replay(runId),
    ];
    for (const begin of begins) {
      await scene(memoryHarness, async ({ actor, store, clock }) => {
        const { calls, options } = counted();
        const { run } = await actor(options).runs.create({ skillId: "one" });
        const slow = storeThatWaits(store, 1);
        const server = actor({ ...options, store: slow.store });
        const begun = begin(server.runs, run.runId);
        await slow.arrived;
        await server.runtime.stop();
        slow.go();
        await begun;
        await turn();
        expect(calls).toHaveLength(0);
        clock.advance(leaseMs);
        const heir = actor(options);
        const drained = heir.runtime.drain();
        await until(() => calls.length === 1);
        calls[0]?.();
        expect(await drained).toMatchObject({ taken: 1 });
      });
    }
  });

  test("calls no callback of a body that goes on", () =>
    scene(memoryHarness, async ({ actor, clock }) => {
      const called: string[] = [];
      const { promise: held, resolve: letGo } = Promise.withResolvers<void>();
      const { begin, runtime } = actor({
        async body(step) {
          await step.do("first", () => {
            called.push("first");
            return held;
          });
          await step.do("second", async () => void called.push("second"));
          await Promise.all([step.do("third", async () => void called.push("third")), step.sleep("nap", 1)]);
        },
      });
      await begin();
      await until(() => called.length === 1);
      const stopped = runtime.stop();
      letGo();
      await stopped;
      for (let n = 0; n < 20; n++) await turn();
      clock.advance(leaseMs);
      await turn();
      expect(called).toEqual(["first"]);
    }));

  test("waits for a drain that is just taking a run, and calls no handler for it", () =>
    scene(memoryHarness, async ({ actor, store }) => {
      const { calls, options } = counted();
      await actor({ ...options, executes: false }).begin({}, "one");
      const slow = storeThatWaits(store, 1);
      const server = actor({ ...options, store: slow.store });
      const drained = server.runtime.drain();
      await slow.arrived;
      let hasStopped = false;
      const stopped = server.runtime.stop().then(() => {
        hasStopped = true;
      });
      await turn();
      expect(hasStopped).toBe(false);
      slow.go();
      await stopped;
      await drained;
      await turn();
      expect(calls).toHaveLength(0);
    }));

  test("ends its serve, and takes nothing by it", () =>
    scene(memoryHarness, async ({ actor, clock }) => {
      const { calls, options } = counted();
      const server = actor(options);
      const serving = server.runtime.serve({ signal: new AbortController().signal, everyMs: 1_000 });
      await turn();
      await server.runtime.stop();
      await serving;
      await actor({ ...options, executes: false }).begin({}, "one");
      clock.advance(10_000);
      await turn();
      expect(calls).toHaveLength(0);
    }));

  test("only decides: what is started, resumed or replayed is left due for others", () =>
    scene(memoryHarness, async ({ actor, store, clock }) => {
      const { calls, options } = counted();
      const server = actor(options);
      const { run } = await server.runs.create({ skillId: "one" });
      await server.runtime.stop();
      await server.runs.start({ skillId: "one" });
      await server.runs.replay(run.runId);
      expect((await server.runs.resume(run.runId)).run).toMatchObject({ status: "running" });
      expect(calls).toHaveLength(0);
      expect(await store.dueRuns({ now: clock.now(), limit: 10 })).toHaveLength(3);
      await expect(server.runtime.drain()).rejects.toMatchObject({ code: "unsupported" });
      const serving = server.runtime.serve({ signal: new AbortController().signal });
      await expect(serving).rejects.toMatchObject({ code: "unsupported" });
    }));
});

describe("finished", () => {
  test("rejects with its signal at once, while the run is executed here", () =>
    scene(memoryHarness, async ({ actor }) => {
      const { calls, options } = counted();
      const { begin, runs } = actor(options);
      const runId = await begin({}, "one");
      await until(() => calls.length === 1);
      const given = new AbortController();
      const finished = runs.settled(runId, { signal: given.signal });
      await turn();
      given.abort(new Error("enough"));
      await expect(finished).rejects.toThrow("enough");
      await expect(runs.settled(runId, { signal: given.signal })).rejects.toThrow("enough");
      calls[0]?.();
      expect(await runs.settled(runId)).toMatchObject({ status: "completed" });
    }));

  test("rejects with its signal at once, while the medium does not answer and between two polls", () =>
    scene(memoryHarness, async ({ actor, store }) => {
      const { options } = counted();
      const runId = await actor({ ...options, executes: false }).begin({}, "one");
      for (const silent of [store, { ...store, getRun: () => new Promise<never>(() => {}) }]) {
        const given = new AbortController();
        const finished = actor({ store: silent }).runs.settled(runId, { signal: given.signal, pollMs: 60_000 });
        await turn();
        given.abort(new Error("enough"));
        await expect(finished).rejects.toThrow("enough");
      }
    }));
});
