import { describe, expect, test } from "vitest";
import { initialState } from "../../../src/codec/index.ts";
import { saveCheckpoint } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import {
  abandonedAt,
  deferred,
  heldAt,
  leaseMs,
  type OnStage,
  type Stage,
  until,
  untilStatus,
} from "../../support/stage.ts";
import { eventsOf, eventTypesOf, kindsOf, rowsOf } from "../../support/stored.ts";

async function dueAtOf({ store, tenant }: Stage, runId = "r"): Promise<number | undefined> {
  return (await store.getRun(tenant, runId))?.dueAt;
}

export function leaseCases(on: OnStage): void {
  describe("a lease", () => {
    test(
      "is renewed by the executor's heartbeat, however long the step takes",
      on(async (stage) => {
        const { runs, home, handlers, clock, runtime, tenant, counts } = stage;
        const hold = deferred();
        handlers.set("left", () => hold.promise);
        await runs.start({ skillId: "pair", runId: "r" });
        await until("the other step is done", async () => (await kindsOf(runs, "r")).length === 2);
        const next = runtime({ executor: "next" });
        for (let n = 0; n < 6; n++) {
          const before = (await dueAtOf(stage)) ?? 0;
          await clock.advance(leaseMs / 2);
          await until("the heart has beaten", async () => ((await dueAtOf(stage)) ?? 0) > before);
          expect(await dueAtOf(stage)).toBe(clock.now() + leaseMs);
          expect(await next.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        }
        hold.resolve();
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ left: 1, right: 1, join: 1 });
        // A heartbeat leaves no trace in the history.
        expect(await kindsOf(runs, "r")).toHaveLength(5);
      }),
    );

    test(
      "is not disturbed: a signal during a step costs no attempt and no lease",
      on(async (stage) => {
        const { runs, runtime, open, tenant, counts, home } = stage;
        const hold = await heldAt(stage, "before", "signaled");
        const outside = runtime({ store: await open(), executor: "outside" }).for(tenant);
        await outside.signal("r", { name: "go", payload: 1 });
        hold.resolve("before");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ before: 1, after: 1 });
      }),
    );

    test(
      "lapses when its executor is gone, and the next drain takes the run once",
      on(async (stage) => {
        const { clock, runtime, open, tenant, counts, runs } = stage;
        await abandonedAt(stage, "two");
        const next = runtime({ store: await open(), executor: "next" });
        expect(await next.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        await clock.advance(leaseMs - 1);
        expect(await next.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        await clock.advance(1);
        expect(await next.drain({ tenant })).toEqual({ taken: 1, passedOver: 0 });
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ one: 1, two: 2, three: 1 });
        expect(await eventTypesOf(runs, "r")).toContain("run.recovered");
        expect(await next.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
      }),
    );

    test(
      "that lapsed still is its holder's until another executor takes it",
      on(async (stage) => {
        const { runs, home, handlers, clock, counts, runtime, tenant } = stage;
        const hold = deferred<string>();
        handlers.set("two", () => hold.promise);
        const future = { now: () => clock.now() + 10 * leaseMs, sleep: clock.sleep };
        await runs.start({ skillId: "chain", runId: "r" });
        await until("the step has begun", () => counts().two === 1);
        // All others think that the lease is over, but none of them takes the run.
        await runtime({ executor: "reader", clock: future }).for(tenant).get("r");
        hold.resolve("in time");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "taken by another executor ends the old pass: it writes nothing, also not what its step returned",
      on(async (stage) => {
        const { home, handlers, clock, counts, runtime, open, tenant, calls, store } = stage;
        const late = await heldAt(stage, "two");
        handlers.set("two", () => deferred().promise);
        const future = { now: () => clock.now() + leaseMs, sleep: clock.sleep };
        const next = runtime({ store: await open(), executor: "next", clock: future });
        void next.drain({ tenant });
        await until("the new one has begun", () => counts().two === 2);
        const before = await rowsOf(store, tenant, "r");
        late.resolve("late");
        await home.idle();
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
        expect(calls.filter(({ stepId }) => stepId === "two").map(({ signal }) => signal.aborted)).toEqual([
          true,
          false,
        ]);
      }),
    );
  });

  describe("cancel", () => {
    test(
      "aborts the step here at once, and the run executes nothing more",
      on(async (stage) => {
        const { runs, home, handlers, calls, counts, tenant } = stage;
        handlers.set(
          "one",
          (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(1))),
        );
        await runs.start({ skillId: "chain", runId: "r" });
        await until("the step has begun", () => counts().one === 1);
        expect((await runs.cancel("r")).status).toBe("canceled");
        await home.idle();
        expect(calls[0]?.signal.aborted).toBe(true);
        await home.drain({ tenant });
        expect(counts()).toEqual({ one: 1 });
        expect(await runs.get("r")).toMatchObject({ status: "canceled" });
        expect(await kindsOf(runs, "r")).toEqual(["run_started"]);
        expect(await dueAtOf(stage)).toBeUndefined();
      }),
    );

    test(
      "reaches an executor elsewhere at its next heartbeat",
      on(async (stage) => {
        const { runs, home, calls, counts, clock, runtime, open, tenant } = stage;
        const late = await heldAt(stage, "one");
        const outside = runtime({ store: await open(), executor: "outside" }).for(tenant);
        const canceled = await outside.cancel("r");
        expect(calls[0]?.signal.aborted).toBe(false);
        await clock.advance(leaseMs / 2);
        await until("the step is aborted", () => calls[0]?.signal.aborted === true);
        late.resolve("late");
        await home.idle();
        expect(await runs.get("r")).toEqual(canceled);
        expect(counts()).toEqual({ one: 1 });
      }),
    );

    test(
      "reaches an executor elsewhere at its next commit, if that comes first",
      on(async (stage) => {
        const { runs, home, counts, runtime, open, tenant } = stage;
        const hold = await heldAt(stage, "one");
        const outside = runtime({ store: await open(), executor: "outside" }).for(tenant);
        const canceled = await outside.cancel("r");
        hold.resolve("late");
        await home.idle();
        expect(await runs.get("r")).toEqual(canceled);
        expect(counts()).toEqual({ one: 1 });
      }),
    );

    test(
      "and resume at once: the old executor has lost the run, the new one has it",
      on(async (stage) => {
        const { runs, home, handlers, counts, runtime, open, tenant } = stage;
        const hold = await heldAt(stage, "one");
        handlers.set("one", () => "anew");
        const outside = runtime({ store: await open(), executor: "outside" });
        await outside.for(tenant).cancel("r");
        await outside.for(tenant).resume("r");
        await outside.idle();
        hold.resolve("late");
        await home.idle();
        const run = await untilStatus(runs, "r", "completed");
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state.vars.one).toBe("anew");
        expect(counts()).toEqual({ one: 2, two: 1, three: 1 });
      }),
    );

    test(
      "of a waiting run forgets what it waited for",
      on(async (stage) => {
        const { runs, home, tenant, clock } = stage;
        for (const skillId of ["impatient", "sleepy", "gated"]) await runs.start({ skillId, runId: skillId });
        await home.idle();
        for (const skillId of ["impatient", "sleepy", "gated"]) {
          await runs.cancel(skillId);
          expect(await dueAtOf(stage, skillId)).toBeUndefined();
        }
        await clock.advance(24 * 60 * 60 * 1000);
        expect(await home.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
      }),
    );
  });

  describe("drain", () => {
    test(
      "by two executors at once: one executes the run",
      on(async (stage) => {
        const { clock, runtime, open, tenant, counts, runs } = stage;
        await abandonedAt(stage, "two");
        await clock.advance(leaseMs);
        const racers = [];
        for (const executor of ["a", "b", "c"]) racers.push(runtime({ store: await open(), executor }));
        const drained = await Promise.all(racers.map((racer) => racer.drain({ tenant })));
        expect(drained.reduce((sum, { taken }) => sum + taken, 0)).toBe(1);
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ one: 1, two: 2, three: 1 });
      }),
    );

    test(
      "takes many runs, each once, and no more than its limit",
      on(async ({ runtime, home, tenant, runs, counts }) => {
        const outside = runtime({ executes: false }).for(tenant);
        for (let n = 0; n < 7; n++) await outside.start({ skillId: "pair", runId: `r${n}` });
        expect(await home.drain({ tenant, limit: 3 })).toEqual({ taken: 3, passedOver: 0 });
        expect(await runs.count({ status: "completed" })).toBe(3);
        expect(await home.drain({ tenant })).toEqual({ taken: 4, passedOver: 0 });
        expect(counts()).toEqual({ left: 7, right: 7, join: 7 });
      }),
    );

    test(
      "takes nothing once its signal has aborted",
      on(async ({ runtime, home, tenant, calls }) => {
        await runtime({ executes: false }).for(tenant).start({ skillId: "pair", runId: "r" });
        expect(await home.drain({ tenant, signal: AbortSignal.abort() })).toEqual({ taken: 0, passedOver: 0 });
        expect(calls).toEqual([]);
      }),
    );

    test(
      "hands a run over when its pass has taken its time, and goes on with it in the next",
      on(async (stage) => {
        const { runtime, tenant, handlers, clock, counts, runs } = stage;
        const short = runtime({ executor: "short", passMs: 10_000 });
        const hold = deferred<string>();
        handlers.set("one", () => hold.promise);
        await short.for(tenant).start({ skillId: "chain", runId: "r" });
        await until("the step has begun", () => counts().one === 1);
        await clock.advance(10_000);
        hold.resolve("one");
        await short.idle();
        expect(counts()).toEqual({ one: 1 });
        expect((await runs.get("r")).status).toBe("running");
        expect(await dueAtOf(stage)).toBe(clock.now());
        expect((await short.drain({ tenant })).taken).toBe(1);
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ one: 1, two: 1, three: 1 });
        expect(await eventTypesOf(runs, "r")).toContain("run.handed_over");
      }),
    );

    test(
      "leaves pending, ended and waiting runs alone",
      on(async ({ runs, home, tenant, handlers, calls }) => {
        await runs.create({ skillId: "pair", runId: "pending" });
        for (const skillId of ["pair", "gated", "signaled"]) await runs.start({ skillId, runId: skillId });
        handlers.set("left", () => Promise.reject(new Error("boom")));
        await home.idle();
        await runs.start({ skillId: "pair", runId: "failed" });
        await home.idle();
        const before = calls.length;
        expect(await home.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        expect(calls).toHaveLength(before);
      }),
    );

    test(
      "is not kept from the others by a run whose skill is not registered here, nor by many of them",
      on(async (stage) => {
        const { runtime, open, tenant, clock, runs, counts } = stage;
        const outside = runtime({ executes: false }).for(tenant);
        for (let n = 0; n < 4; n++) await outside.start({ skillId: "chain", runId: `strange ${n}` });
        await clock.advance(1);
        await outside.start({ skillId: "pair", runId: "r" });
        const skills = stage.skills.filter((skill) => skill.id === "pair");
        const small = runtime({ store: await open(), skills, executor: "small" });
        expect((await small.drain({ tenant, limit: 1 })).taken).toBe(1);
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ left: 1, right: 1, join: 1 });
        expect((await runs.get("strange 0")).status).toBe("running");
      }),
    );

    test(
      "leaves a run whose skill is not registered here to others for two minutes, then moves its due time by a growing backoff, up to an hour",
      on(async (stage) => {
        const { runtime, tenant, clock, runs, home } = stage;
        await runtime({ executes: false }).for(tenant).start({ skillId: "pair", runId: "r" });
        const reported: unknown[] = [];
        const bare = runtime({ skills: [], executor: "bare", onError: (error) => reported.push(error) });
        const delays = [];
        for (let n = 0; n < 9; n++) {
          const due = await dueAtOf(stage);
          expect(await bare.drain({ tenant })).toEqual({ taken: 0, passedOver: 1 });
          await clock.advance(119_999);
          expect(await bare.drain({ tenant })).toEqual({ taken: 0, passedOver: 1 });
          expect(await dueAtOf(stage)).toBe(due);
          await clock.advance(1);
          expect(await bare.drain({ tenant })).toEqual({ taken: 0, passedOver: 1 });
          const delay = ((await dueAtOf(stage)) ?? 0) - clock.now();
          delays.push(delay / 1_000);
          await clock.advance(delay - 1);
          expect(await bare.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
          await clock.advance(1);
        }
        expect(delays).toEqual([30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
        expect(reported).toMatchObject([{ code: "not_found", missing: "skill" }]);
        expect(await home.drain({ tenant })).toEqual({ taken: 1, passedOver: 0 });
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "is not kept from the others by runs that cannot be read, however many",
      on(async (stage) => {
        const { runtime, tenant, clock, runs, store, errors } = stage;
        const outside = runtime({ executes: false }).for(tenant);
        for (let n = 0; n < 3; n++) await outside.start({ skillId: "pair", runId: `broken ${n}` });
        await clock.advance(1);
        await outside.start({ skillId: "pair", runId: "r" });
        const partial: Store = {
          ...store,
          getSnapshots: async (owner, runId, from, to) =>
            runId.startsWith("broken") ? [] : store.getSnapshots(owner, runId, from, to),
        };
        const told: unknown[] = [];
        const next = runtime({ store: partial, executor: "next", onError: (error) => told.push(error) });
        expect(await next.drain({ tenant, limit: 1 })).toEqual({ taken: 1, passedOver: 3 });
        expect((await runs.get("r")).status).toBe("completed");
        expect(told[0]).toMatchObject({ code: "not_found", missing: "state" });
        expect(errors).toEqual([]);
      }),
    );
  });

  describe("a poison run", () => {
    test(
      "is given up after ten recoveries without a new checkpoint, with recovery_exhausted",
      on(async (stage) => {
        const { runtime, tenant, clock, runs, counts, handlers } = stage;
        await abandonedAt(stage, "one");
        handlers.set("one", () => deferred().promise);
        for (let n = 1; n <= 10; n++) {
          await clock.advance(leaseMs);
          const dying = runtime({ executor: `dying ${n}` });
          void dying.drain({ tenant });
          await until("the step has begun once more", () => counts().one === n + 1);
          await dying.stop();
          expect((await runs.get("r")).status).toBe("running");
        }
        await clock.advance(leaseMs);
        const next = runtime({ executor: "next" });
        expect((await next.drain({ tenant })).taken).toBe(0);
        const run = await runs.get("r");
        expect(run).toMatchObject({ status: "failed", error: { code: "recovery_exhausted" } });
        expect(counts()).toEqual({ one: 11 });
        expect(await kindsOf(runs, "r")).toEqual(["run_started", "run_failed"]);
        const recovered = (await eventsOf(runs, "r")).filter((event) => event.eventType === "run.recovered");
        expect(recovered.map((event) => event.payload.recoveries)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        // A caller who has repaired the cause can still resume it.
        handlers.delete("one");
        await next.for(tenant).resume("r");
        await next.idle();
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "is none that makes progress: a new checkpoint counts from the beginning",
      on(async (stage) => {
        const { runtime, tenant, clock, runs, counts, handlers } = stage;
        await abandonedAt(stage, "one");
        const crash = async (step: string, times: number) => {
          for (let n = 0; n < times; n++) {
            handlers.set(step, () => deferred().promise);
            await clock.advance(leaseMs);
            const before = counts()[step] ?? 0;
            const dying = runtime({ executor: `dying at ${step} ${n}` });
            void dying.drain({ tenant });
            await until("the step has begun", () => (counts()[step] ?? 0) > before);
            await dying.stop();
            handlers.delete(step);
          }
        };
        await crash("one", 6);
        await crash("two", 6);
        await clock.advance(leaseMs);
        const next = runtime({ executor: "next" });
        expect((await next.drain({ tenant })).taken).toBe(1);
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ one: 8, two: 7, three: 1 });
      }),
    );
  });

  describe("an executor that is stopped", () => {
    test(
      "writes nothing more, aborts its steps, and leaves the run to the next executor when the lease is over",
      on(async (stage) => {
        const { runs, home, calls, counts, store, tenant, clock, runtime } = stage;
        const hold = await heldAt(stage, "one");
        const before = await rowsOf(store, tenant, "r");
        await home.stop();
        hold.resolve("one");
        expect(calls[0]?.signal.aborted).toBe(true);
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
        await clock.advance(leaseMs);
        const next = runtime({ executor: "next" });
        await next.drain({ tenant });
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ one: 2, two: 1, three: 1 });
      }),
    );

    test(
      "can still read, and decide what needs no executing",
      on(async ({ runs, home }) => {
        await home.stop();
        await runs.create({ skillId: "chain", runId: "r" });
        await saveCheckpoint(runs, "r", { kind: "k", state: initialState<unknown>("chain", {}) });
        expect((await runs.cancel("r")).status).toBe("canceled");
      }),
    );
  });
}
