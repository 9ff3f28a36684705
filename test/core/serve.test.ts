import { describe, expect, test } from "vitest";
import { countingStore } from "../../src/conformance/faults.ts";
import {
  createRuntime,
  defineCapability,
  defineGraphSkill,
  localNotifier,
  type WorkflowBody,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import type { Presence } from "../../src/types.ts";
import { crowd } from "../support/crowd.ts";
import { memoryHarness } from "../support/memory-harness.ts";
import { type ActorOptions, type Scene, scene, tenant, turn, until } from "../support/scene.ts";

const played = (play: (scene: Scene) => Promise<void>) => () => scene(memoryHarness, play);
const one = defineGraphSkill({ id: "one", version: "1", steps: [{ id: "only", uses: "work" }] });
const nap = defineGraphSkill({ id: "nap", version: "1", steps: [{ id: "nap", sleep: 3_600_000 }] });

const poll: WorkflowBody = async (step) => {
  for (;;) {
    await step.do("look", turn);
    await step.sleep("pause", "2 seconds");
  }
};

/** Workers that are counted, with skills for them. */
function workers(expected?: number) {
  const { seen, call } = crowd(expected);
  const options: ActorOptions = {
    skills: [one, nap],
    capabilities: [defineCapability({ id: "work", version: "1" }, call)],
  };
  return { seen, options };
}

/** How many due queries there are at once, and how many there were. */
function askedOnce(store: Store) {
  const asked = { now: 0, most: 0, calls: 0 };
  const asking: Store = {
    ...store,
    async dueRuns(query) {
      asked.calls++;
      asked.now++;
      asked.most = Math.max(asked.most, asked.now);
      await turn();
      const rows = await store.dueRuns(query);
      asked.now--;
      return rows;
    },
  };
  return { asked, asking };
}

const allAlive: Presence = {
  prefix: "tab_",
  announce: async () => {},
  isGone: async () => false,
  whenGone: (_, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
  release: () => {},
};

describe("serve", () => {
  test.each([{}, { concurrency: 4 }])(
    "executes 150 due runs, no more than its bound side by side, with one due query at a time: %o",
    async (bound) => {
      await scene(memoryHarness, async ({ actor, store }) => {
        const { seen, options } = workers(bound.concurrency ?? 16);
        const { asked, asking } = askedOnce(store);
        const clerk = actor({ ...options, executes: false });
        for (let n = 0; n < 150; n++) await clerk.begin({}, "one");
        const server = actor({ ...options, store: asking });
        const stop = new AbortController();
        const serving = server.runtime.serve({ signal: stop.signal, everyMs: 10_000, ...bound });
        await until(() => seen.calls === 150);
        await server.runtime.idle();
        stop.abort();
        await serving;
        expect(seen).toEqual({ now: 0, most: bound.concurrency ?? 16, calls: 150 });
        expect(asked.most).toBe(1);
        expect(await clerk.runs.count({ status: "completed" })).toBe(150);
      });
    },
  );

  test(
    "gives a tenant that comes later its turn before another's backlog",
    played(async ({ actor }) => {
      const { seen, options } = workers();
      const clerk = actor({ ...options, executes: false });
      for (let n = 0; n < 100; n++) await clerk.begin({}, "one");
      const stop = new AbortController();
      const serving = actor(options).runtime.serve({ signal: stop.signal, everyMs: 10_000, concurrency: 2 });
      await until(() => seen.calls >= 2);
      const late = clerk.runtime.for("late");
      const { run } = await late.start({ skillId: "one" });
      await until(async () => (await late.get(run.runId)).status === "completed");
      expect(seen.calls).toBeLessThan(50);
      stop.abort();
      await serving;
    }),
  );

  test(
    "gives runs their turn beside others that never end, each after some seconds",
    played(async ({ actor, clock }) => {
      const clerk = actor({ ...workers().options, body: poll, executes: false });
      const crowded: string[] = [];
      for (let n = 0; n < 3; n++) crowded.push(await clerk.begin());
      const stop = new AbortController();
      const server = actor({ ...workers().options, body: poll, holdMs: 5_000 });
      const serving = server.runtime.serve({ signal: stop.signal, concurrency: 3 });
      const looked = async (runId: string) => (await clerk.runs.history(runId)).items.length;
      await until(async () => (await Promise.all(crowded.map(looked))).every((entries) => entries > 2));
      const late = clerk.runtime.for("late");
      const { run } = await late.start({ skillId: "one" });
      const alike = await clerk.begin();
      const isOver = async () => (await late.get(run.runId)).status === "completed" && (await looked(alike)) > 2;
      for (let n = 0; n < 60 && !(await isOver()); n++) {
        clock.advance(500);
        for (let n = 0; n < 20; n++) await turn();
      }
      expect(await isOver()).toBe(true);
      stop.abort();
      await serving;
    }),
  );

  test(
    "keeps its last place for a tenant that has none, once several have come",
    played(async ({ actor, clock }) => {
      const long = Promise.withResolvers<void>();
      const hang = defineCapability({ id: "hang", version: "1" }, () => long.promise);
      const endless = defineGraphSkill({ id: "endless", version: "1", steps: [{ id: "only", uses: "hang" }] });
      const { options } = workers();
      const parts = { skills: [one, endless], capabilities: [...(options.capabilities ?? []), hang] };
      const clerk = actor({ ...parts, executes: false });
      const late = clerk.runtime.for("late");
      const isOver = (runId: string) =>
        until(async () => {
          clock.advance(500);
          return (await late.get(runId)).status === "completed";
        });
      const stop = new AbortController();
      const serving = actor(parts).runtime.serve({ signal: stop.signal, concurrency: 2 });
      await isOver((await late.start({ skillId: "one" })).run.runId);
      for (let n = 0; n < 3; n++) await clerk.begin({}, "endless");
      await turn();
      await isOver((await late.start({ skillId: "one" })).run.runId);
      long.resolve();
      stop.abort();
      await serving;
    }),
  );

  test("asks what is due a few times a second, however many notifications come", async () => {
    const notifier = localNotifier();
    await scene(memoryHarness, async ({ store }) => {
      const counting = countingStore(store);
      for (const presence of [undefined, allAlive]) {
        const runtime = createRuntime({
          serves: false,
          store: counting,
          skills: [one],
          notifier,
          presence,
          capabilities: [...(workers().options.capabilities ?? [])],
        });
        const stop = new AbortController();
        const before = { ...counting.counts.calls };
        const beganAt = performance.now();
        const serving = runtime.serve({ signal: stop.signal, tenant });
        for (let n = 0; n < 1_000; n++) {
          notifier.notify({ tenant, runId: `r ${n % 7}`, executor: "another" });
          if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
        }
        const seconds = (performance.now() - beganAt) / 1_000;
        stop.abort();
        await serving;
        const { calls } = counting.counts;
        const asked = calls.dueRuns + calls.listRuns - before.dueRuns - before.listRuns;
        expect(asked).toBeGreaterThan(1);
        expect(asked).toBeLessThanOrEqual(4 * seconds + 2);
      }
    });
  });

  test(
    "does not look at what other tenants do, nor reads the sleepers beside a busy page",
    played(async ({ actor, store }) => {
      const { options } = workers();
      const notifier = localNotifier();
      const busy = actor({ ...options, notifier, presence: allAlive });
      for (let n = 0; n < 300; n++) await busy.start({}, "nap");
      const counting = countingStore(store);
      const idle = actor({ ...options, notifier, presence: allAlive, store: counting });
      const stop = new AbortController();
      const serving = idle.runtime.serve({ signal: stop.signal, everyMs: 10_000, tenant });
      await turn();
      for (let n = 0; n < 20; n++) await busy.start({}, "one");
      await turn();
      const { calls, rowsRead } = counting.counts;
      expect(calls.listRuns).toBe(0);
      expect(rowsRead).toBeLessThan(50);
      const before = calls.dueRuns;
      for (let n = 0; n < 20; n++) {
        notifier.notify({ tenant: "another", runId: "r" });
        await turn();
      }
      expect(calls.dueRuns).toBeLessThanOrEqual(before + 1);
      stop.abort();
      await serving;
    }),
  );
});
