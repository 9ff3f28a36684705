import { describe, expect, test } from "vitest";
import { defineCapability, defineGraphSkill, localNotifier } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import type { Presence } from "../../src/types.ts";
import { memoryHarness } from "../support/memory-harness.ts";
import { type ActorOptions, leaseMs, type Scene, scene, stillClock, tenant, turn, until } from "../support/scene.ts";

const played = (play: (scene: Scene) => Promise<void>) => () => scene(memoryHarness, play);

/** One step that answers when it is let go. */
function held() {
  const calls: (() => void)[] = [];
  const hold = defineCapability(
    { id: "hold", version: "1" },
    () => new Promise<void>((resolve) => calls.push(resolve)),
  );
  const skill = defineGraphSkill({ id: "held", version: "1", steps: [{ id: "hold", uses: "hold" }] });
  const options: ActorOptions = { capabilities: [hold], skills: [skill] };
  return { calls, options };
}

/** Who is dead, as a test says it. */
function registry() {
  const dead = new Set<string>();
  const watchers = new Map<string, () => void>();
  const presence: Presence = {
    prefix: "tab_",
    announce: async () => {},
    isGone: async (executor) => dead.has(executor),
    whenGone: (executor, signal) =>
      new Promise((resolve) => {
        watchers.set(executor, resolve);
        signal.addEventListener("abort", () => resolve());
      }),
    release: () => {},
  };
  return {
    presence,
    isWatched: (executor: string) => watchers.has(executor),
    /** Dies; those who watch are notified, unless `isHeard` is false. */
    dies(executor: string, isHeard = true): void {
      dead.add(executor);
      if (isHeard) watchers.get(executor)?.();
    },
  };
}

describe("serving", () => {
  test(
    "takes what is due at once, and on every tick, until its signal aborts",
    played(async ({ actor, clock }) => {
      const { calls, options } = held();
      const clerk = actor({ ...options, executes: false });
      const server = actor(options);
      await clerk.begin({}, "held");
      const stop = new AbortController();
      const serving = server.runtime.serve({ signal: stop.signal, everyMs: 10_000 });
      await until(() => calls.length === 1);
      await clerk.begin({}, "held");
      await turn();
      expect(calls).toHaveLength(1);
      clock.advance(10_000);
      await until(() => calls.length === 2);
      stop.abort();
      await serving;
      await clerk.begin({}, "held");
      clock.advance(10_000);
      await turn();
      expect(calls).toHaveLength(2);
    }),
  );

  test(
    "takes at once what another tells of",
    played(async ({ actor }) => {
      const { calls, options } = held();
      const notifier = localNotifier();
      const clerk = actor({ ...options, executes: false, notifier });
      const stop = new AbortController();
      const serving = actor({ ...options, notifier }).runtime.serve({ signal: stop.signal, everyMs: 10_000, tenant });
      await turn();
      for (let n = 1; n <= 3; n++) {
        await clerk.begin({}, "held");
        await until(() => calls.length === n);
      }
      stop.abort();
      await serving;
    }),
  );

  test(
    "keeps to its tenant",
    played(async ({ actor }) => {
      const { calls, options } = held();
      const clerk = actor({ ...options, executes: false });
      await clerk.runtime.for("stranger").start({ skillId: "held" });
      const stop = new AbortController();
      const serving = actor(options).runtime.serve({ signal: stop.signal, tenant });
      const own = await clerk.begin({}, "held");
      const all = actor(options).runtime.serve({ signal: stop.signal, tenant: "stranger" });
      await until(() => calls.length >= 1);
      expect(await clerk.runs.get(own)).toMatchObject({ status: "running" });
      stop.abort();
      await Promise.all([serving, all]);
    }),
  );

  test(
    "goes on after the medium failed, and tells of it",
    played(async ({ actor, clock, store }) => {
      const { calls, options } = held();
      let isDown = true;
      const failing: Store = {
        ...store,
        dueRuns: (query) => (isDown ? Promise.reject(new Error("down")) : store.dueRuns(query)),
        listRuns: (tenant, query) => (isDown ? Promise.reject(new Error("down")) : store.listRuns(tenant, query)),
      };
      await actor({ ...options, executes: false }).begin({}, "held");
      const server = actor({ ...options, store: failing, presence: registry().presence });
      const stop = new AbortController();
      const serving = server.runtime.serve({ signal: stop.signal, everyMs: 10_000, tenant });
      await until(() => server.errors.length === 1);
      isDown = false;
      await turn();
      clock.advance(10_000);
      await until(() => calls.length === 1);
      stop.abort();
      await serving;
    }),
  );

  test(
    "is not for a runtime that executes nothing",
    played(async ({ actor }) => {
      const { runtime } = actor({ executes: false });
      const serving = runtime.serve({ signal: new AbortController().signal });
      await expect(serving).rejects.toMatchObject({ code: "unsupported" });
      await expect(runtime.drain()).rejects.toMatchObject({ code: "unsupported" });
    }),
  );
});

describe("presence", () => {
  test.each([
    ["when it is notified of the death", true],
    ["on its next tick, if it is not notified", false],
  ])("hands a dead executor's run over long before its lease lapses: %s", async (_, isHeard) => {
    await scene(memoryHarness, async ({ actor, clock }) => {
      const { calls, options } = held();
      const { presence, dies, isWatched } = registry();
      const doomed = actor({ ...options, presence, executor: "tab_doomed" });
      const runId = await doomed.begin({}, "held");
      await until(() => calls.length === 1);
      const stop = new AbortController();
      const heir = actor({ ...options, presence });
      const serving = heir.runtime.serve({ signal: stop.signal, everyMs: 2_000, tenant });
      await until(() => isWatched("tab_doomed"));
      clock.advance(2_000);
      await turn();
      expect(calls).toHaveLength(1);
      await doomed.die();
      dies("tab_doomed", isHeard);
      if (!isHeard) clock.advance(2_000);
      await until(() => calls.length === 2);
      calls[1]?.();
      expect(await heir.settled(runId)).toMatchObject({ status: "completed" });
      stop.abort();
      await serving;
    });
  });

  test(
    "says nothing of an executor that it does not know: that one has its lease",
    played(async ({ actor, clock }) => {
      const { calls, options } = held();
      const { presence, dies } = registry();
      const stranger = actor({ ...options, executor: "server" });
      await stranger.begin({}, "held");
      await until(() => calls.length === 1);
      await stranger.die();
      const heir = actor({ ...options, presence });
      dies("tab_other");
      clock.advance(leaseMs - 1);
      expect(await heir.runtime.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
      clock.advance(1);
      const drained = heir.runtime.drain({ tenant });
      await until(() => calls.length === 2);
      calls[1]?.();
      expect(await drained).toEqual({ taken: 1, passedOver: 0 });
    }),
  );

  test(
    "does not save an executor whose lease has lapsed: who stands still loses its run",
    played(async ({ actor, clock }) => {
      const { calls, options } = held();
      const { presence } = registry();
      const still = actor({ ...options, presence, clock: stillClock() });
      await still.begin({}, "held");
      await until(() => calls.length === 1);
      clock.advance(leaseMs);
      const heir = actor({ ...options, presence });
      const drained = heir.runtime.drain({ tenant });
      await until(() => calls.length === 2);
      calls[1]?.();
      expect(await drained).toEqual({ taken: 1, passedOver: 0 });
    }),
  );

  test(
    "is announced before the first lease is taken",
    played(async ({ actor }) => {
      const announced = Promise.withResolvers<void>();
      const presence: Presence = { ...registry().presence, announce: () => announced.promise };
      const { options } = held();
      const { runs } = actor({ ...options, presence });
      let isStarted = false;
      const started = runs.start({ skillId: "held" }).then(() => {
        isStarted = true;
      });
      await turn();
      await turn();
      expect(isStarted).toBe(false);
      announced.resolve();
      await started;
    }),
  );
});
