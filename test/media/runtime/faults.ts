import { describe, expect, test } from "vitest";
import { initialState } from "../../../src/codec/index.ts";
import { crashingStore, failingStore, lostAnswerStore } from "../../../src/conformance/faults.ts";
import type { Runs } from "../../../src/index.ts";
import { saveCheckpoint } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import { completed, leaseMs, type OnStage, refusalOf, type Stage } from "../../support/stage.ts";
import { checkpointOfKind, eventsOf, eventTypesOf, kindsOf, rowsOf } from "../../support/stored.ts";

/** Each operation that writes, what it needs before, and what it leaves. */
interface Writing {
  readonly arrange: (stage: Stage) => Promise<unknown>;
  readonly act: (runs: Runs) => Promise<unknown>;
  /** The run that it writes. */
  readonly runId: string;
  /** The event by which the history knows of it. */
  readonly event: string;
}

const nothing = async () => {};
const gated = async ({ runs, home }: Stage) => {
  await runs.start({ skillId: "gated", runId: "r" });
  await home.idle();
};
const signaled = async ({ runs, home }: Stage) => {
  await runs.start({ skillId: "signaled", runId: "r" });
  await home.idle();
};
const pending = ({ runs }: Stage) => runs.create({ skillId: "pair", runId: "r" });
const done = (stage: Stage) => completed(stage, "pair", "r");
const checkpoint = { checkpointId: "c", kind: "k", state: initialState<unknown>("pair", {}) };

const writings: Readonly<Record<string, Writing>> = {
  create: {
    arrange: nothing,
    act: (runs) => runs.create({ skillId: "pair", runId: "r", idempotencyKey: "key" }),
    runId: "r",
    event: "run.created",
  },
  start: {
    arrange: nothing,
    act: (runs) => runs.start({ skillId: "pair", runId: "r", idempotencyKey: "key" }),
    runId: "r",
    event: "run.started",
  },
  save: {
    arrange: pending,
    act: (runs) => saveCheckpoint(runs, "r", checkpoint),
    runId: "r",
    event: "checkpoint.saved",
  },
  resume: { arrange: pending, act: (runs) => runs.resume("r"), runId: "r", event: "run.resumed" },
  replay: { arrange: done, act: (runs) => runs.replay("r", { newRunId: "d" }), runId: "d", event: "run.created" },
  fork: { arrange: done, act: (runs) => runs.fork("r", { newRunId: "d" }), runId: "d", event: "run.created" },
  approve: { arrange: gated, act: (runs) => runs.approve("r"), runId: "r", event: "run.approved" },
  deny: { arrange: gated, act: (runs) => runs.deny("r"), runId: "r", event: "run.denied" },
  signal: { arrange: signaled, act: (runs) => runs.signal("r", { name: "go" }), runId: "r", event: "signal.received" },
  cancel: { arrange: gated, act: (runs) => runs.cancel("r"), runId: "r", event: "run.canceled" },
};

const names = Object.keys(writings);
const writing = (name: string) => writings[name] as Writing;

/** What the run looks like in the end, without what chance and the clock put into it. */
async function outcomeOf(runs: Runs, runId: string) {
  const { status, result } = await runs.get(runId);
  return { status, result, kinds: await kindsOf(runs, runId), events: await eventTypesOf(runs, runId) };
}

export function faultCases(on: OnStage): void {
  describe("a commit whose answer is lost", () => {
    test.each(names)("on %s is recognized: nothing is doubled, nothing is lost", (name) =>
      on(async (stage) => {
        const { arrange, act, runId, event } = writing(name);
        await arrange(stage);
        const { store, runtime, tenant, runs, counts } = stage;
        const forgetful = runtime({ store: lostAnswerStore(store, ({ nth }) => nth === 1), executor: "forgetful" });
        await act(forgetful.for(tenant));
        await forgetful.idle();
        const events = (await eventsOf(runs, runId)).filter(({ eventType }) => eventType === event);
        const expected = name === "save" ? 2 : 1;
        expect(events).toHaveLength(expected);
        for (const times of Object.values(counts(runId))) expect(times).toBe(1);
      })(),
    );

    test.each(names)("on every commit of what %s begins: the run ends as if none had been lost", (name) =>
      on(async (stage) => {
        const { arrange, act, runId } = writing(name);
        await arrange(stage);
        const { store, runtime, tenant, runs, counts } = stage;
        const forgetful = runtime({ store: lostAnswerStore(store, () => true), executor: "forgetful" });
        await act(forgetful.for(tenant));
        await forgetful.idle();
        const outcome = await outcomeOf(runs, runId);
        for (const times of Object.values(counts(runId))) expect(times).toBe(1);
        expect(outcome.status).toBe(
          { create: "pending", save: "pending", fork: "pending", deny: "canceled", cancel: "canceled" }[name] ??
            "completed",
        );
        const saved = outcome.kinds.filter((kind) => kind.startsWith("step_completed"));
        expect(new Set(saved).size).toBe(saved.length);
      })(),
    );

    test(
      "and that another commit replaced since, is recognized by its entry",
      on(async (stage) => {
        const { runtime, store, tenant, runs } = stage;
        await runs.create({ skillId: "signaled", runId: "r" });
        const overtaken: Store = {
          ...store,
          commit: async (commit) => {
            await store.commit(commit);
            await runs.signal("r", { name: "from another" });
            throw new Error("the answer was lost");
          },
        };
        await runtime({ store: overtaken, executor: "slow" }).for(tenant).signal("r", { name: "mine" });
        const received = (await eventsOf(runs, "r")).filter(({ eventType }) => eventType === "signal.received");
        expect(received.map(({ payload }) => payload.name)).toEqual(["mine", "from another"]);
      }),
    );
  });

  describe("a store that fails", () => {
    test.each(names)("on %s fails it, and nothing is half written", (name) =>
      on(async (stage) => {
        const { arrange, act } = writing(name);
        await arrange(stage);
        const { store, runtime, tenant, counts } = stage;
        const rows = await rowsOf(store, tenant, "r", "d");
        const executed = counts();
        const failing = runtime({ store: failingStore(store, ({ method }) => method === "commit") });
        expect((await refusalOf(act(failing.for(tenant)))).code).toBe("store_failed");
        await failing.idle();
        expect(await rowsOf(store, tenant, "r", "d")).toEqual(rows);
        expect(counts()).toEqual(executed);
      })(),
    );

    test.each(names)("on every call fails %s, and nothing is half written", (name) =>
      on(async (stage) => {
        const { arrange, act } = writing(name);
        await arrange(stage);
        const { store, runtime, tenant } = stage;
        const rows = await rowsOf(store, tenant, "r", "d");
        const failing = runtime({ store: failingStore(store, () => true) });
        expect((await refusalOf(act(failing.for(tenant)))).code).toBe("store_failed");
        expect(await rowsOf(store, tenant, "r", "d")).toEqual(rows);
      })(),
    );

    test.each(names)("once on %s is tried again", (name) =>
      on(async (stage) => {
        const { arrange, act, runId, event } = writing(name);
        await arrange(stage);
        const { store, runtime, tenant, runs } = stage;
        const faltering = runtime({
          store: failingStore(store, ({ method, nth }) => method === "commit" && nth === 1),
        });
        await act(faltering.for(tenant));
        await faltering.idle();
        const events = (await eventsOf(runs, runId)).filter(({ eventType }) => eventType === event);
        expect(events).toHaveLength(name === "save" ? 2 : 1);
      })(),
    );

    const reads = ["get", "list", "count", "load", "list checkpoints", "history"] as const;
    test.each(reads)("fails %s, and answers with nothing it remembers", (name) =>
      on(async (stage) => {
        const { checkpointHead = "" } = await completed(stage, "pair", "r");
        const { store, runtime, tenant } = stage;
        let isDown = false;
        const runs = runtime({ store: failingStore(store, () => isDown) }).for(tenant);
        const calls = {
          get: () => runs.get("r"),
          list: () => runs.list(),
          count: () => runs.count(),
          load: () => runs.loadCheckpoint("r", checkpointHead),
          "list checkpoints": () => runs.listCheckpoints("r"),
          history: () => runs.history("r"),
        };
        await calls[name]();
        isDown = true;
        expect((await refusalOf(calls[name]())).code).toBe("store_failed");
      })(),
    );

    test(
      "in the middle of a run leaves it to the next drain, which runs what was not recorded",
      on(async (stage) => {
        const { store, runtime, tenant, runs, counts, clock, home } = stage;
        const told: unknown[] = [];
        const failing = failingStore(store, ({ method, nth }) => method === "commit" && nth > 2);
        const executor = runtime({ store: failing, executor: "failing", onError: (error) => told.push(error) });
        await executor.for(tenant).start({ skillId: "chain", runId: "r" });
        await executor.idle();
        expect(told).toMatchObject([{ code: "store_failed" }]);
        expect(await runs.get("r")).toMatchObject({ status: "running" });
        expect(await kindsOf(runs, "r")).toEqual(["run_started", "step_completed one"]);
        await clock.advance(leaseMs);
        await home.drain({ tenant });
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ one: 1, two: 2, three: 1 });
      }),
    );
  });

  describe("a process that is killed", () => {
    // Every commit of a run of `chain`, before and after: its start, three steps, its end.
    const moments = [1, 2, 3, 4, 5].flatMap((atCommit) =>
      (["before", "after"] as const).map((moment) => ({ atCommit, moment })),
    );

    test.each(moments)(
      "$moment commit $atCommit of a run: it goes on from what was acknowledged",
      ({ atCommit, moment }) =>
        on(async (stage) => {
          const { store, runtime, tenant, runs, counts, clock, open } = stage;
          const crashing = crashingStore(store, { atCommit, moment, calls: "reject" });
          const killed = runtime({ store: crashing, executor: "killed", onError: () => {} });
          const acknowledged = await killed
            .for(tenant)
            .start({ skillId: "chain", runId: "r", inputs: { text: "a" } })
            .then(
              () => true,
              () => false,
            );
          await killed.idle();
          const recorded = (await store.getRun(tenant, "r")) === undefined ? [] : await kindsOf(runs, "r");
          // What was answered is there; what is there may still go unanswered.
          if (acknowledged) expect(recorded).toContain("run_started");
          expect(recorded).toHaveLength(moment === "before" ? atCommit - 1 : atCommit);
          if (recorded.length === 0) return;
          const before = counts();
          await clock.advance(leaseMs);
          const next = runtime({ store: await open(), executor: "next" });
          await next.drain({ tenant });
          expect(await runs.get("r")).toMatchObject({ status: "completed", result: { three: "three done" } });
          for (const step of ["one", "two", "three"]) {
            const wasRecorded = recorded.includes(`step_completed ${step}`);
            expect(counts()[step]).toBe((before[step] ?? 0) + (wasRecorded ? 0 : 1));
          }
          expect((await kindsOf(runs, "r")).slice(0, recorded.length)).toEqual(recorded);
          expect((await kindsOf(runs, "r")).filter((kind) => kind.startsWith("step_completed"))).toHaveLength(3);
        })(),
    );

    // A resume, a replay: its own commits, before and after each.
    const continuations = (["resume", "replay"] as const).flatMap((verb) =>
      [1, 2, 3].flatMap((atCommit) => (["before", "after"] as const).map((moment) => ({ verb, atCommit, moment }))),
    );

    test.each(continuations)("$moment commit $atCommit of a $verb: it goes on from what was recorded", (one) =>
      on(async (stage) => {
        const { verb, atCommit, moment } = one;
        const { store, runtime, tenant, runs, counts, clock, home, handlers } = stage;
        handlers.set("join", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "pair", runId: "r" });
        await home.idle();
        handlers.delete("join");
        const crashing = crashingStore(store, { atCommit, moment, calls: "reject" });
        const killed = runtime({ store: crashing, executor: "killed", onError: () => {} });
        const checkpointId = await checkpointOfKind(runs, "r", "run_failed");
        const runId = verb === "resume" ? "r" : "d";
        const call =
          verb === "resume"
            ? killed.for(tenant).resume("r", { checkpointId })
            : killed.for(tenant).replay("r", { checkpointId, newRunId: "d" });
        await call.catch(() => undefined);
        await killed.idle();
        await clock.advance(leaseMs);
        await home.drain({ tenant });
        const row = await store.getRun(tenant, runId);
        if (atCommit === 1 && moment === "before") {
          expect(row?.status).toBe(verb === "resume" ? "failed" : undefined);
          return;
        }
        expect((await runs.get(runId)).status).toBe("completed");
        expect(counts()).toMatchObject({ left: 1, right: 1 });
        expect((await runs.get("r")).status).toBe(verb === "resume" ? "completed" : "failed");
      })(),
    );
  });

  describe("retries", () => {
    test(
      "run out: the run fails with the last error, and every attempt is on record",
      on(async ({ runs, home, handlers, calls }) => {
        handlers.set("try", (_, { attempt }) => Promise.reject(new Error(`attempt ${attempt} failed`)));
        await runs.start({ skillId: "retrying", runId: "r" });
        await home.idle();
        const run = await runs.get("r");
        expect(run).toMatchObject({ status: "failed", error: { code: "step_failed", message: "attempt 3 failed" } });
        expect(calls.map((call) => call.attempt)).toEqual([1, 2, 3]);
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state.stepResults.try).toMatchObject({ status: "failed", attemptsCount: 3 });
        const events = await eventsOf(runs, "r");
        const scheduled = events.filter(({ eventType }) => eventType === "step.retry_scheduled");
        expect(scheduled.map(({ payload }) => payload.error)).toEqual(["attempt 1 failed", "attempt 2 failed"]);
      }),
    );
  });
}
