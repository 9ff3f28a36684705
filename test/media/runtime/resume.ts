import { describe, expect, test } from "vitest";
import { capabilityDigest } from "../../../src/index.ts";
import {
  abandonedAt,
  completed,
  deferred,
  heldAt,
  leaseMs,
  type OnStage,
  refusalOf,
  type Stage,
  until,
} from "../../support/stage.ts";
import { checkpointAfter, checkpointOfKind, eventsOf, eventTypesOf, kindsOf, rowsOf } from "../../support/stored.ts";

/** Starts a run of `chain` that fails at a step, and mends the step. */
async function failedAt({ runs, home, handlers }: Stage, stepId: string): Promise<void> {
  handlers.set(stepId, () => Promise.reject(new Error("boom")));
  await runs.start({ skillId: "chain", runId: "r", inputs: { text: "a" } });
  await home.idle();
  handlers.delete(stepId);
}

export function resumeCases(on: OnStage): void {
  describe("resume", () => {
    test(
      "skips completed steps and runs the rest",
      on(async (stage) => {
        await failedAt(stage, "three");
        const { runs, home, counts } = stage;
        expect(counts()).toEqual({ one: 1, two: 1, three: 1 });
        const { run, checkpointId } = await runs.resume("r");
        expect(run).toMatchObject({ runId: "r", status: "running", resumeFromCheckpointId: checkpointId });
        expect(run).not.toHaveProperty("error");
        await home.idle();
        expect(counts()).toEqual({ one: 1, two: 1, three: 2 });
        expect(await runs.get("r")).toMatchObject({ status: "completed", result: { three: "three done" } });
      }),
    );

    test(
      "goes on from the head where no checkpoint is named",
      on(async (stage) => {
        await failedAt(stage, "two");
        const head = (await stage.runs.get("r")).checkpointHead;
        expect((await stage.runs.resume("r")).checkpointId).toBe(head);
      }),
    );

    test(
      "runs the steps again that its checkpoint does not have, with what the checkpoint has",
      on(async (stage) => {
        await failedAt(stage, "three");
        const { runs, home, counts, calls, handlers } = stage;
        handlers.set("two", () => "two anew");
        const checkpointId = await checkpointAfter(runs, "r", "one");
        expect((await runs.resume("r", { checkpointId })).checkpointId).toBe(checkpointId);
        await home.idle();
        expect(counts()).toEqual({ one: 1, two: 2, three: 2 });
        expect(calls.at(-2)?.input).toEqual({ before: "one done", fixed: 2 });
        expect(calls.at(-1)?.input).toEqual({ before: "two anew" });
        expect((await runs.get("r")).resumeFromCheckpointId).toBe(checkpointId);
      }),
    );

    test(
      "of the very first checkpoint runs every step",
      on(async (stage) => {
        await failedAt(stage, "three");
        const { runs, home, counts } = stage;
        await runs.resume("r", { checkpointId: await checkpointOfKind(runs, "r", "run_started") });
        await home.idle();
        expect(counts()).toEqual({ one: 2, two: 2, three: 2 });
      }),
    );

    test(
      "from an older checkpoint appends: what it skipped stays listed, and the head is the last that was written",
      on(async (stage) => {
        await failedAt(stage, "three");
        const { runs, home, store, tenant } = stage;
        const before = await rowsOf(store, tenant, "r");
        const listed = (await runs.listCheckpoints("r")).items;
        await runs.resume("r", { checkpointId: await checkpointAfter(runs, "r", "one") });
        await home.idle();
        const { items: checkpoints, head } = await runs.listCheckpoints("r");
        expect(checkpoints.slice(0, listed.length)).toEqual(listed);
        expect(await kindsOf(runs, "r")).toEqual([
          "run_started",
          "step_completed one",
          "step_completed two",
          "run_failed",
          "run_resumed",
          "step_completed two",
          "step_completed three",
          "run_finished",
        ]);
        expect(head).toBe(checkpoints.at(-1)?.checkpointId);
        const after = await rowsOf(store, tenant, "r");
        const { entries = [], snapshots = [] } = before.rows[0] ?? {};
        expect(after.rows[0]?.entries.slice(0, entries.length)).toEqual(entries);
        expect(after.rows[0]?.snapshots.slice(0, snapshots.length)).toEqual(snapshots);
      }),
    );

    test(
      "records what it goes on from, in a run_resumed checkpoint and an event",
      on(async (stage) => {
        await failedAt(stage, "two");
        const { runs, home } = stage;
        const checkpointId = await checkpointAfter(runs, "r", "one");
        await runs.resume("r", { checkpointId });
        await home.idle();
        const resumed = (await eventsOf(runs, "r")).find((event) => event.eventType === "run.resumed");
        expect(resumed?.payload).toEqual({ checkpoint_id: checkpointId });
        const { state } = await runs.loadCheckpoint("r", await checkpointOfKind(runs, "r", "run_resumed"));
        expect(state).toMatchObject({ status: "running", vars: { one: "one done" } });
        expect(Object.keys(state.stepResults)).toEqual(["one"]);
        expect(state.finishedAt).toBeUndefined();
      }),
    );

    test(
      "answers once it is committed, while the execution goes on behind it",
      on(async (stage) => {
        await failedAt(stage, "two");
        const { runs, home, handlers, counts } = stage;
        const hold = deferred<string>();
        handlers.set("two", () => hold.promise);
        expect((await runs.resume("r")).run.status).toBe("running");
        await until("the step has begun", () => counts().two === 2);
        expect((await runs.get("r")).status).toBe("running");
        hold.resolve("at last");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "can be done again and again",
      on(async (stage) => {
        const { runs, home, handlers, counts } = stage;
        await failedAt(stage, "two");
        handlers.set("two", () => Promise.reject(new Error("boom")));
        for (let n = 0; n < 3; n++) {
          await runs.resume("r");
          await home.idle();
          expect((await runs.get("r")).status).toBe("failed");
        }
        handlers.delete("two");
        await runs.resume("r");
        await home.idle();
        expect(counts()).toEqual({ one: 1, two: 5, three: 1 });
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "of a canceled run goes on where it was canceled",
      on(async (stage) => {
        const { runs, home, counts } = stage;
        await runs.start({ skillId: "signaled", runId: "r" });
        await home.idle();
        await runs.cancel("r");
        expect((await runs.resume("r")).run).toMatchObject({ status: "running" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_signal");
        await runs.signal("r", { name: "go" });
        await home.idle();
        expect(await runs.get("r")).toMatchObject({ status: "completed" });
        expect(counts()).toEqual({ before: 1, after: 1 });
      }),
    );

    test(
      "runs steps whose results are failed in the checkpoint, and none that are completed, degraded or skipped",
      on(async (stage) => {
        const { runs, home, handlers, counts } = stage;
        handlers.set("shaky", () => Promise.reject(new Error("boom")));
        handlers.set("after", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "degrading", runId: "r" });
        await home.idle();
        handlers.clear();
        await runs.resume("r");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ shaky: 1, after: 2 });
      }),
    );

    test(
      "by ten at once is one resume: nine are conflicts, and each step is executed once",
      on(async (stage) => {
        await failedAt(stage, "two");
        const { home, runtime, open, tenant, handlers, counts } = stage;
        const hold = deferred<string>();
        handlers.set("two", () => hold.promise);
        const other = runtime({ store: await open(), executor: "other" });
        const calls = Array.from({ length: 10 }, (_, n) => (n % 2 === 0 ? home : other).for(tenant).resume("r"));
        const outcomes = await Promise.allSettled(calls);
        hold.resolve("done");
        await Promise.all([home.idle(), other.idle()]);
        const refused = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason as { code: string }] : []));
        expect(refused.map((error) => error.code)).toEqual(Array(9).fill("conflict"));
        expect(counts()).toEqual({ one: 1, two: 2, three: 1 });
        expect((await kindsOf(stage.runs, "r")).filter((kind) => kind === "run_resumed")).toHaveLength(1);
      }),
    );

    test(
      "is restarted by another executor in a new process, from nothing but the store",
      on(async (stage) => {
        const { clock, counts, runtime, open, tenant } = stage;
        await abandonedAt(stage, "two");
        await clock.advance(leaseMs);
        const next = runtime({ store: await open(), executor: "next" });
        await next.for(tenant).resume("r");
        await next.idle();
        expect(counts()).toEqual({ one: 1, two: 2, three: 1 });
        expect((await next.for(tenant).get("r")).status).toBe("completed");
      }),
    );
  });

  describe("resume of a running run", () => {
    test(
      "is a conflict while its lease is live, and says for how long",
      on(async (stage) => {
        const { clock, runtime, tenant, store } = stage;
        await abandonedAt(stage, "two");
        await clock.advance(leaseMs - 1);
        const before = await rowsOf(store, tenant, "r");
        const next = runtime({ executor: "next" }).for(tenant);
        expect(await refusalOf(next.resume("r"))).toMatchObject({ code: "conflict", retryAfterMs: 1 });
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
        await clock.advance(1);
        expect((await next.resume("r")).run.status).toBe("running");
      }),
    );

    test(
      "takes it once the lease has lapsed; the old executor writes nothing more and its steps are aborted",
      on(async (stage) => {
        const { runs, home, clock, runtime, tenant, handlers, calls, counts } = stage;
        const late = await heldAt(stage, "two");
        // The executor hangs: its heart does not beat, as in a frozen tab.
        handlers.set("two", () => "by the new one");
        const future = { now: () => clock.now() + leaseMs, sleep: clock.sleep };
        const next = runtime({ executor: "next", clock: future });
        await next.for(tenant).resume("r");
        await next.idle();
        const done = await runs.get("r");
        late.resolve("too late");
        await home.idle();
        expect(calls.filter((call) => call.stepId === "two").map(({ signal }) => signal.aborted)).toEqual([
          true,
          false,
        ]);
        expect(await runs.get("r")).toEqual(done);
        const { state } = await runs.loadCheckpoint("r", done.checkpointHead ?? "");
        expect(state.vars.two).toBe("by the new one");
        expect(counts()).toEqual({ one: 1, two: 2, three: 1 });
      }),
    );

    test(
      "that sleeps takes it at once, and shortens no sleep",
      on(async ({ runs, home, clock, store, tenant, counts }) => {
        await runs.start({ skillId: "sleepy", runId: "r" });
        await home.idle();
        const dueAt = (await store.getRun(tenant, "r"))?.dueAt;
        expect(dueAt).toBe(clock.now() + 60_000);
        await clock.advance(50_000);
        expect((await runs.resume("r")).run.status).toBe("running");
        await home.idle();
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(dueAt);
        expect(counts()).toEqual({ early: 1, before: 1 });
        await clock.advance(10_000);
        await home.drain({ tenant });
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ early: 1, before: 1, after: 1 });
      }),
    );

    test(
      "from before its sleep sleeps for the whole time again",
      on(async ({ runs, home, clock, store, tenant, counts }) => {
        await runs.start({ skillId: "sleepy", runId: "r" });
        await home.idle();
        await clock.advance(50_000);
        await runs.resume("r", { checkpointId: await checkpointAfter(runs, "r", "early") });
        await home.idle();
        expect(counts()).toEqual({ early: 1, before: 2 });
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(clock.now() + 60_000);
      }),
    );

    test(
      "that backs off tries at once, with fresh attempts",
      on(async ({ runs, home, handlers, calls }) => {
        handlers.set("try", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "backing-off", runId: "r" });
        await home.idle();
        expect(calls.map((call) => call.attempt)).toEqual([1]);
        await runs.resume("r");
        await home.idle();
        expect(calls.map((call) => call.attempt)).toEqual([1, 1]);
      }),
    );
  });

  describe("resume of a failed run", () => {
    test(
      "gives the failed step fresh attempts, and the same idempotency key",
      on(async ({ runs, home, handlers, calls }) => {
        handlers.set("try", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "retrying", runId: "r" });
        await home.idle();
        expect(await runs.get("r")).toMatchObject({ status: "failed", error: { stepId: "try" } });
        expect(calls.map((call) => call.attempt)).toEqual([1, 2, 3]);
        await runs.resume("r");
        await home.idle();
        expect(calls.map((call) => call.attempt)).toEqual([1, 2, 3, 1, 2, 3]);
        expect(new Set(calls.map((call) => call.idempotencyKey)).size).toBe(1);
      }),
    );
  });

  describe("idempotency keys of handlers", () => {
    test(
      "are the same over retries, recoveries and resumes of a step",
      on(async (stage) => {
        const { runtime, tenant, clock, handlers, calls } = stage;
        await abandonedAt(stage, "try", "retrying");
        await clock.advance(leaseMs);
        let failures = 0;
        handlers.set("try", () => {
          failures += 1;
          if (failures < 5) throw new Error("boom");
          return "done";
        });
        const next = runtime();
        await next.drain({ tenant });
        expect((await next.for(tenant).get("r")).status).toBe("failed");
        await next.for(tenant).resume("r");
        await next.idle();
        expect((await next.for(tenant).get("r")).status).toBe("completed");
        expect(calls).toHaveLength(6);
        expect(new Set(calls.map((call) => call.idempotencyKey)).size).toBe(1);
      }),
    );

    test(
      "are another for every step, run and tenant, whatever they are called",
      on(async (stage) => {
        const { home, calls } = stage;
        const names = ["a", "a/b", "b", "a%2Fb", "a/b/left", " "];
        for (const tenant of names) {
          for (const runId of names) await home.for(tenant).start({ skillId: "pair", runId });
        }
        await home.idle();
        const keys = calls.map((call) => call.idempotencyKey);
        expect(keys).toHaveLength(names.length * names.length * 3);
        expect(new Set(keys).size).toBe(keys.length);
      }),
    );

    test(
      "are another in a replay and in a fork than in the source",
      on(async (stage) => {
        const { runs, home, calls } = stage;
        await completed(stage, "pair", "r");
        const checkpointId = await checkpointOfKind(runs, "r", "run_started");
        await runs.replay("r", { checkpointId, newRunId: "replayed" });
        await runs.fork("r", { checkpointId, newRunId: "forked" });
        await runs.resume("forked");
        await home.idle();
        const keys = calls.map((call) => call.idempotencyKey);
        expect(keys).toHaveLength(9);
        expect(new Set(keys).size).toBe(9);
      }),
    );
  });

  describe("capability definitions", () => {
    test(
      "are frozen, and their digests are the same before and after resume, replay and fork",
      on(async (stage) => {
        const { capabilities, runs, home } = stage;
        const digests = () => Promise.all(capabilities.map(({ definition }) => capabilityDigest(definition)));
        const before = await digests();
        const texts = JSON.stringify(capabilities.map(({ definition }) => definition));
        await failedAt(stage, "two");
        await runs.resume("r");
        await home.idle();
        await runs.replay("r", { checkpointId: await checkpointOfKind(runs, "r", "run_started") });
        const { run } = await runs.fork("r", { checkpointId: await checkpointOfKind(runs, "r", "run_started") });
        await runs.resume(run.runId);
        await home.idle();
        expect((await runs.get(run.runId)).status).toBe("completed");
        expect(await digests()).toEqual(before);
        expect(JSON.stringify(capabilities.map(({ definition }) => definition))).toBe(texts);
        for (const { definition } of capabilities) expect(Object.isFrozen(definition)).toBe(true);
      }),
    );
  });

  describe("history", () => {
    test(
      "only grows, its events in order, each with an id of its own",
      on(async (stage) => {
        await failedAt(stage, "three");
        const { runs, home } = stage;
        const before = (await runs.history("r")).items;
        await runs.resume("r", { checkpointId: await checkpointAfter(runs, "r", "one") });
        await home.idle();
        const after = (await runs.history("r")).items;
        expect(after.slice(0, before.length)).toEqual(before);
        const revisions = after.map((entry) => entry.revision);
        expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
        for (const entry of after) {
          expect(entry.events.map((event) => event.eventId)).toEqual(
            entry.events.map((_, index) => `r:${entry.revision}:${index}`),
          );
          for (const event of entry.events) expect(event).toMatchObject({ runId: "r", eventVersion: 1 });
        }
        expect(await eventTypesOf(runs, "r")).toEqual([
          "run.started",
          "step.started",
          "step.completed",
          "step.started",
          "step.completed",
          "step.failed",
          "run.failed",
          "run.resumed",
          "step.started",
          "step.completed",
          "step.started",
          "step.completed",
          "run.completed",
        ]);
      }),
    );

    test(
      "tells of every checkpoint with the entry that wrote it",
      on(async (stage) => {
        const { runs } = stage;
        await completed(stage, "pair", "r");
        const history = (await runs.history("r")).items;
        const { items: checkpoints } = await runs.listCheckpoints("r");
        expect(history.flatMap((entry) => entry.checkpoint ?? [])).toEqual(checkpoints);
        const saved = history
          .flatMap((entry) => entry.events)
          .filter((event) => event.eventType === "checkpoint.saved");
        expect(saved.map((event) => event.payload)).toEqual(
          checkpoints.map(({ checkpointId, kind }) => ({ checkpoint_id: checkpointId, kind })),
        );
      }),
    );

    test(
      "carries the run's trace id, and can be read in parts",
      on(async ({ runs, home }) => {
        await runs.start({ skillId: "chain", runId: "r", traceId: "trace" });
        await home.idle();
        const whole = (await runs.history("r")).items;
        expect(whole.flatMap((entry) => entry.events).every((event) => event.traceId === "trace")).toBe(true);
        const parts = [];
        for (let after = 0; ; ) {
          const [entry] = (await runs.history("r", { after, limit: 1 })).items;
          if (entry === undefined) break;
          parts.push(entry);
          after = entry.revision;
        }
        expect(parts).toEqual(whole);
      }),
    );
  });
}
