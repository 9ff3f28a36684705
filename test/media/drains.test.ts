import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { countingStore, intercepted } from "../../src/conformance/faults.ts";
import { type AnyCapability, DurableError, defineCapability, defineGraphSkill, type Skill } from "../../src/index.ts";
import type { RunRow, Store } from "../../src/store.ts";
import type { Presence } from "../../src/types.ts";
import { crowd } from "../support/crowd.ts";
import { budgeted, countedStore } from "../support/queries.ts";
import { type ActorOptions, leaseMs, type Scene, scene, stillClock, tenant, turn, until } from "../support/scene.ts";

const hourMs = 3_600_000;

const one = (version = "1"): Skill =>
  defineGraphSkill({ id: "one", version, steps: [{ id: "only", uses: "work", output: "outputs.by" }] });
const nap: Skill = defineGraphSkill({ id: "nap", version: "1", steps: [{ id: "nap", sleep: hourMs }] });
const work = (call: () => unknown = () => "done"): readonly AnyCapability[] => [
  defineCapability({ id: "work", version: "1" }, call),
];
const plain: ActorOptions = { skills: [one(), nap], capabilities: work() };

/** Who is dead, as a test says it. */
function deaths(dead = new Set<string>()) {
  const asked: string[] = [];
  const presence: Presence = {
    prefix: "tab_",
    announce: async () => {},
    isGone: async (executor) => {
      asked.push(executor);
      return dead.has(executor);
    },
    whenGone: (_, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    release: () => {},
  };
  return { presence, dead, asked };
}

/** Makes a number of runs due at once, of a tenant and under names with this prefix. */
async function makeDue({ actor }: Scene, count: number, of: string = tenant, prefix = "run"): Promise<void> {
  const clerk = actor({ ...plain, executes: false }).runtime.for(of);
  for (let n = 0; n < count; n++) await clerk.start({ skillId: "one", runId: `${prefix} ${n}` });
}

/** Replaces the body of a run's row. */
async function damage(store: Store, runId: string, body: string): Promise<RunRow> {
  const row = await store.getRun(tenant, runId);
  if (row === undefined) throw new Error(`there is no run "${runId}"`);
  const damaged = { ...row, revision: row.revision + 1, body };
  expect(await store.commit({ run: damaged, now: 1 })).toEqual({ kind: "committed" });
  return damaged;
}

// What a drain promises to all, on one medium.

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

describe(`a drain on ${medium}`, () => {
  played("takes tenants in turn: no backlog delays another tenant's run", async (stage) => {
    const { actor, clock, store } = stage;
    await makeDue(stage, 70, "first");
    await makeDue(stage, 40, "second");
    clock.advance(1);
    await makeDue(stage, 2, "third");
    expect(await actor(plain).runtime.drain({ limit: 3 })).toMatchObject({ taken: 3 });
    const done = async (of: string) =>
      (await store.listRuns(of, { status: "completed", limit: 9, order: "ascending" })).length;
    expect([await done("first"), await done("second"), await done("third")]).toEqual([1, 1, 1]);
    expect(await actor(plain).runtime.drain({ limit: 200 })).toEqual({ taken: 109, passedOver: 0 });
  });

  played(
    "that can take one run at a time comes to each tenant, however long another's runs have been due",
    async (stage) => {
      const { actor, clock, store } = stage;
      await makeDue(stage, 30, "first");
      clock.advance(1);
      await makeDue(stage, 1, "second", "late");
      const { runtime } = actor(plain);
      const isDone = async () => (await store.getRun("second", "late 0"))?.status === "completed";
      // A fair coin falls on the same side 30 times in a row once in a billion tests.
      for (let drains = 0; drains < 30 && !(await isDone()); drains++) await runtime.drain({ limit: 1 });
      expect(await isDone()).toBe(true);
    },
  );

  played("looks behind the only row of a tenant on a full page before a backlog has another turn", async (stage) => {
    const { actor, clock, store } = stage;
    await makeDue(stage, 31, "first");
    clock.advance(1);
    await makeDue(stage, 1);
    await damage(store, "run 0", "{}");
    clock.advance(1);
    await makeDue(stage, 1, tenant, "late");
    expect(await actor(plain).runtime.drain({ limit: 2 })).toMatchObject({ taken: 2 });
    expect((await store.getRun(tenant, "late 0"))?.status).toBe("completed");
  });

  played("keeps one bound on what is executed side by side, also of several drains", async (stage) => {
    const { seen, call } = crowd(3);
    const options = { ...plain, capabilities: work(call) };
    await makeDue(stage, 20);
    const { runtime } = stage.actor(options);
    await Promise.all([runtime.drain({ concurrency: 3 }), runtime.drain({ concurrency: 3 })]);
    expect(seen).toEqual({ now: 0, most: 3, calls: 20 });
  });

  played(
    "passes over what cannot be read, tells of it once, and sets it aside for longer and longer",
    async (stage) => {
      const { actor, clock, store } = stage;
      await makeDue(stage, 4);
      const damaged = await damage(store, "run 1", "{ this was a run");
      const newer = await damage(store, "run 2", JSON.stringify({ format: 1_000_000 }));
      const { runtime, runs, errors } = actor({ ...plain, presence: deaths().presence });
      expect(await runtime.drain({ tenant })).toEqual({ taken: 2, passedOver: 2 });
      for (const runId of ["run 0", "run 3"]) expect((await runs.get(runId)).status).toBe("completed");
      expect(errors).toEqual([
        expect.objectContaining({ code: "corrupt_data" }),
        expect.objectContaining({ code: "unsupported_version" }),
      ]);
      // Set aside as it is; one of a newer version is left to who can read it.
      const aside = await store.getRun(tenant, "run 1");
      expect(aside).toEqual({ ...damaged, revision: damaged.revision + 1, dueAt: clock.now() + 30_000 });
      expect(await store.getRun(tenant, "run 2")).toEqual(newer);
      expect(await runtime.drain({ tenant })).toEqual({ taken: 0, passedOver: 1 });
      expect(errors).toHaveLength(2);
      clock.advance(4 * 60_000);
      expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 2 });
      expect((await store.getRun(tenant, "run 1"))?.dueAt).toBe(clock.now() + 4 * 60_000);
      expect((await store.getRun(tenant, "run 2"))?.dueAt).toBe(clock.now() + 4 * 60_000);
      expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
    },
  );

  played("is not stopped by a damaged run that is executed, where presence is known", async (stage) => {
    const { actor, store } = stage;
    const { presence, dead } = deaths();
    const hanging = { ...plain, capabilities: work(() => new Promise(() => {})), presence };
    const dying = actor({ ...hanging, executor: "tab_dying" });
    for (const runId of ["a", "b", "c"]) await dying.runs.start({ skillId: "one", runId });
    await turn();
    await dying.die();
    const damaged = await damage(store, "b", "{ this was a run");
    dead.add("tab_dying");
    const { runtime, errors } = actor({ ...plain, presence });
    expect(await runtime.drain({ tenant })).toEqual({ taken: 2, passedOver: 0 });
    expect(errors).toEqual([expect.objectContaining({ code: "corrupt_data" })]);
    expect(await runtime.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
    expect(errors).toHaveLength(1);
    expect(await store.getRun(tenant, "b")).toEqual(damaged);
  });

  played("sets aside what has no room for a lease, within the queries of a free plan", async (stage) => {
    const { actor, clock, store } = stage;
    await makeDue(stage, 12, "hog", "full");
    clock.advance(1);
    await makeDue(stage, 1, "other");
    let tries = 0;
    const full = intercepted(store, async ({ commit }, proceed) => {
      if (commit?.run.runId.startsWith("full") && commit.run.body.includes('"lease"')) {
        tries++;
        throw new DurableError("too_large", "the row is full");
      }
      return proceed();
    });
    for (let tick = 0; tick < 12; tick++) {
      const budget = budgeted(full, 48);
      const { runtime } = actor({ ...plain, store: budget.store, isSpent: budget.isSpent });
      await runtime.drain({ concurrency: 1 });
      if (tick === 0) expect(await actor().runtime.for("other").get("run 0")).toMatchObject({ status: "completed" });
    }
    expect(tries).toBe(12);
    expect(await store.dueRuns({ now: clock.now(), limit: 1 })).toEqual([]);
  });

  played("leaves a run due that the medium fails to read or to write, whatever it throws", async (stage) => {
    const { actor, store } = stage;
    await makeDue(stage, 1);
    const before = await store.getRun(tenant, "run 0");
    for (const fault of [new Error("no medium"), new DurableError("store_failed", "no medium")]) {
      for (const method of ["getRun", "getEntry", "getSnapshots", "commit"] as const) {
        const failing = { ...store, [method]: () => Promise.reject(fault) };
        const { runtime, errors } = actor({ ...plain, store: failing });
        expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 1 });
        expect(errors).toHaveLength(1);
        expect(await store.getRun(tenant, "run 0")).toEqual(before);
      }
    }
    expect(await actor(plain).runtime.drain()).toEqual({ taken: 1, passedOver: 0 });
  });

  played("takes no more than its queries allow, and leaves the rest due", async (stage) => {
    const { actor, clock, store } = stage;
    await makeDue(stage, 30);
    for (const [limit, atLeast] of [
      [48, 1],
      [1_000, 10],
    ] as const) {
      let queries = 0;
      const counting = countedStore(store, (more) => {
        queries += more;
      });
      const budget = budgeted(counting, limit);
      const { runtime } = actor({ ...plain, store: budget.store, isSpent: budget.isSpent });
      const { taken } = await runtime.drain({ concurrency: budget.concurrency });
      expect(taken).toBeGreaterThanOrEqual(atLeast);
      expect(queries).toBeLessThanOrEqual(limit);
      const due = await store.dueRuns({ now: clock.now(), limit: 100 });
      expect(due.length).toBe((await actor().runs.count()) - (await actor().runs.count({ status: "completed" })));
    }
  });

  played("renews the lease of a run that is executed here, however often the machine napped", async (stage) => {
    const { actor, clock, store } = stage;
    const calls: (() => void)[] = [];
    const capabilities = work(() => new Promise<void>((resolve) => calls.push(resolve)));
    // Its heartbeat has not come by when the tick of the drain does.
    const asleep = { now: clock.now, sleep: stillClock().sleep };
    const napper = actor({ ...plain, capabilities, clock: asleep });
    const runId = await napper.begin({}, "one");
    await until(() => calls.length === 1);
    for (let nap = 0; nap < 11; nap++) {
      clock.advance(leaseMs + 1);
      expect(await napper.runtime.drain(nap % 2 === 0 ? {} : { tenant })).toEqual({ taken: 0, passedOver: 0 });
      await until(async () => (await store.getRun(tenant, runId))?.dueAt === clock.now() + leaseMs);
    }
    calls[0]?.();
    expect(await napper.settled(runId)).toMatchObject({ status: "completed" });
    expect(calls).toHaveLength(1);
    expect((await napper.runs.events(runId)).items.map(({ eventType }) => eventType)).not.toContain("run.recovered");
  });

  played("takes all runs of a dead executor before their leases lapse, in pages", async (stage) => {
    const { actor } = stage;
    const { presence, dead, asked } = deaths();
    const hanging = { ...plain, capabilities: work(() => new Promise(() => {})), presence };
    const dying = actor({ ...hanging, executor: "tab_dying" });
    const alive = actor({ ...hanging, executor: "tab_alive" });
    for (let n = 0; n < 130; n++) await dying.begin({}, "one");
    await alive.begin({}, "one");
    await dying.die();
    dead.add("tab_dying");
    const { runtime, runs } = actor({ ...plain, presence });
    expect(await runtime.drain({ tenant, limit: 200 })).toEqual({ taken: 130, passedOver: 0 });
    expect(await runs.count({ status: "completed" })).toBe(130);
    // Once for each of them in a sweep, and for each run that is taken.
    expect(asked.filter((executor) => executor === "tab_alive").length).toBeLessThanOrEqual(2);
  });

  played("takes all runs of a dead executor where none of them ends, behind many that are executed", async (stage) => {
    const { actor, clock } = stage;
    const { presence, dead } = deaths();
    const hanging = { ...plain, capabilities: work(() => new Promise(() => {})), presence };
    const dying = actor({ ...hanging, executor: "tab_dying" });
    for (let n = 0; n < 130; n++) await dying.begin({}, "one");
    await dying.die();
    clock.advance(1);
    const alive = actor({ ...hanging, executor: "tab_alive" });
    for (let n = 0; n < 110; n++) await alive.begin({}, "one");
    dead.add("tab_dying");
    const called = new Set<string>();
    const capabilities = [
      defineCapability({ id: "work", version: "1" }, (_, { runId }) => {
        called.add(runId);
        return new Promise(() => {});
      }),
    ];
    const heir = actor({ ...plain, capabilities, presence });
    void heir.runtime.drain({ tenant, limit: 200, concurrency: 200 });
    await until(() => called.size === 130);
  });

  played("finds a dead executor's run behind sleepers, and reads none of them", async (stage) => {
    const { actor, clock, store } = stage;
    const { presence, dead } = deaths();
    const sleeper = actor({ ...plain, presence });
    for (let n = 0; n < 110; n++) await sleeper.start({}, "nap");
    clock.advance(1);
    const hanging = { ...plain, capabilities: work(() => new Promise(() => {})), presence };
    const dying = actor({ ...hanging, executor: "tab_dying" });
    const runId = await dying.begin({}, "one");
    await dying.die();
    for (let n = 0; n < 110; n++) await sleeper.start({}, "nap");
    dead.add("tab_dying");
    const counting = countingStore(store);
    const heir = actor({ ...plain, store: counting, presence });
    expect(await heir.runtime.drain({ tenant })).toEqual({ taken: 1, passedOver: 0 });
    expect(await heir.runs.get(runId)).toMatchObject({ status: "completed" });
    expect(counting.counts.calls.listRuns).toBe(0);
    expect(counting.counts.rowsRead).toBeLessThan(20);
  });

  played("leaves what it cannot serve to a server of another version, however much it is", async (stage) => {
    const { actor, clock, store } = stage;
    const clerk = actor({ ...plain, skills: [one("2")], executes: false });
    for (let n = 0; n < 70; n++) await clerk.begin({}, "one");
    clock.advance(1);
    const own = await actor({ ...plain, executes: false }).begin({}, "one");
    const old = actor({ skills: [one("1")], capabilities: work(() => "old") });
    const next = actor({ skills: [one("2")], capabilities: work(() => "new") });
    const counting = countingStore(store);
    const counted = actor({ skills: [one("1")], capabilities: work(() => "old"), store: counting });
    expect(await counted.runtime.drain({ limit: 1 })).toEqual({ taken: 1, passedOver: 70 });
    expect(await old.runs.get(own)).toMatchObject({ status: "completed", result: { by: "old" } });
    // To pass over one costs no query of its own.
    expect(counting.counts.calls).toMatchObject({ getRun: 1, getSnapshots: 1 });
    for (let tick = 0; tick < 3; tick++) expect((await old.runtime.drain()).taken).toBe(0);
    expect(await next.runtime.drain()).toEqual({ taken: 70, passedOver: 0 });
    expect(await next.runs.count({ status: "completed" })).toBe(71);
  });
});
