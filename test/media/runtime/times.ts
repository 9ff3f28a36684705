import { describe, expect, test } from "vitest";
import { defineSkill, saveCheckpoint } from "../../../src/index.ts";
import { deferred, leaseMs, type OnStage, refusalOf, until, untilStatus } from "../../support/stage.ts";
import { eventsOf, eventTypesOf, kindsOf } from "../../support/stored.ts";
import { backoffMs, napMs, patienceMs } from "../../support/workshop.ts";

export function timeCases(on: OnStage): void {
  describe("a start", () => {
    test.each(["startAt", "delay"] as const)("with %s is pending until then, whichever executor drains", (option) =>
      on(async ({ runs, home, runtime, open, store, tenant, clock, calls }) => {
        const time =
          option === "delay" ? { delay: "2 minutes" as const } : { startAt: new Date(clock.now() + 120_000) };
        const { run } = await runs.start({ skillId: "chain", runId: "r", inputs: { text: "hello" }, ...time });
        expect(run).toMatchObject({ status: "pending", runId: "r" });
        expect(run.startedAt).toBeUndefined();
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(clock.now() + 120_000);
        await home.stop();
        const next = runtime({ store: await open() });
        await clock.advance(119_999);
        expect(await next.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        expect(calls).toEqual([]);
        await clock.advance(1);
        expect(await next.drain({ tenant })).toEqual({ taken: 1, passedOver: 0 });
        expect(await runs.get("r")).toMatchObject({
          status: "completed",
          result: { three: "three done" },
          startedAt: new Date(clock.now()).toISOString(),
        });
        expect((await kindsOf(runs, "r")).slice(0, 2)).toEqual(["run_created", "run_started"]);
        expect((await eventTypesOf(runs, "r")).filter((type) => type.startsWith("run."))).toEqual([
          "run.created",
          "run.started",
          "run.completed",
        ]);
      })(),
    );

    test(
      "whose time is past begins at once",
      on(async ({ runs, home, clock }) => {
        for (const time of [{ delay: 0 }, { startAt: clock.now() }, { startAt: clock.now() - 1 }]) {
          expect((await runs.start({ skillId: "chain", ...time })).run.status).toBe("running");
        }
        await home.idle();
      }),
    );

    test(
      "that is to come is begun earlier by a resume, and by nothing afterwards",
      on(async ({ runs, home, tenant, clock, counts }) => {
        await runs.start({ skillId: "chain", runId: "r", delay: "1 hour" });
        expect((await runs.resume("r")).run.status).toBe("running");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        await clock.advance(3_600_000);
        expect(await home.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        expect(counts()).toEqual({ one: 1, two: 1, three: 1 });
      }),
    );

    test(
      "that is to come can be canceled, and deleted",
      on(async ({ runs, home, tenant, clock, calls }) => {
        await runs.start({ skillId: "chain", runId: "r", delay: "1 hour" });
        await runs.start({ skillId: "chain", runId: "s", delay: "1 hour" });
        expect((await runs.cancel("r")).status).toBe("canceled");
        await runs.delete("s");
        await clock.advance(3_600_000);
        expect(await home.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        expect(calls).toEqual([]);
      }),
    );

    test(
      "that is to come keeps its time when it is signaled and when a checkpoint is saved",
      on(async ({ runs, home, store, tenant, clock }) => {
        const { run } = await runs.start({ skillId: "signaled", runId: "r", delay: "1 hour" });
        const dueAt = clock.now() + 3_600_000;
        await runs.signal("r", { name: "go", payload: 1 });
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        await saveCheckpoint(runs, "r", { kind: "noted", state });
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(dueAt);
        expect((await runs.get("r")).status).toBe("pending");
        await clock.advance(3_600_000);
        await home.drain({ tenant });
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "that is to come is no start of its replays and forks",
      on(async ({ runs, home, store, tenant, clock }) => {
        await runs.start({ skillId: "chain", runId: "r", delay: "1 hour" });
        await runs.fork("r", { newRunId: "fork" });
        expect((await store.getRun(tenant, "fork"))?.dueAt).toBeUndefined();
        await runs.replay("r", { newRunId: "replay" });
        await home.idle();
        expect((await runs.get("replay")).status).toBe("completed");
        await clock.advance(3_600_000);
        await home.drain({ tenant });
        expect((await runs.get("fork")).status).toBe("pending");
      }),
    );

    test(
      "is left to an executor that has the skill, as a new run of a skill that is not here",
      on(async ({ runs, runtime, store, tenant, clock }) => {
        await runs.create({ skillId: "elsewhere", runId: "r", delay: "1 minute" });
        await runs.create({ skillId: "elsewhere", runId: "now", delay: 0 });
        expect((await store.getRun(tenant, "now"))?.dueAt).toBe(clock.now());
        expect(await refusalOf(runs.start({ skillId: "elsewhere", delay: "1 minute" }))).toMatchObject({
          code: "not_found",
          missing: "skill",
        });
        await clock.advance(60_000);
        const elsewhere = defineSkill({ id: "elsewhere", version: "1", run: async () => "there" });
        const other = runtime({ skills: [elsewhere] });
        await other.drain({ tenant });
        expect(await runs.get("r")).toMatchObject({ status: "completed", result: "there" });
      }),
    );

    test(
      "has one time, of which its idempotency key is part",
      on(async ({ runs, clock }) => {
        const refused = (options: object) => refusalOf(runs.start({ skillId: "chain", ...options }));
        const startAt = new Date(clock.now() + 60_000);
        expect(await refused({ startAt, delay: 1 })).toMatchObject({ code: "invalid_request", path: "delay" });
        expect(await refused({ startAt: "soon" })).toMatchObject({ code: "invalid_request", path: "startAt" });
        expect(await refused({ startAt: new Date(Number.NaN) })).toMatchObject({ code: "invalid_request" });
        expect(await refused({ delay: "soon" })).toMatchObject({ code: "invalid_request", path: "delay" });
        expect(await refused({ delay: -1 })).toMatchObject({ code: "invalid_request", path: "delay" });
        const first = await runs.start({ skillId: "chain", startAt, idempotencyKey: "k" });
        const again = await runs.start({ skillId: "chain", startAt: startAt.getTime(), idempotencyKey: "k" });
        expect(again).toMatchObject({ isRepeat: true, run: { runId: first.run.runId } });
        expect(await refused({ delay: 60_000, idempotencyKey: "k" })).toMatchObject({ code: "idempotency_conflict" });
      }),
    );

    test(
      "that comes while its executor dies is begun once by the next",
      on(async (stage) => {
        const { runs, home, handlers, runtime, tenant, clock, counts } = stage;
        const hold = deferred();
        handlers.set("one", () => hold.promise);
        await runs.start({ skillId: "chain", runId: "r", delay: "1 minute" });
        await clock.advance(60_000);
        const drained = home.drain({ tenant });
        await until("its first step has begun", () => counts()["one"] === 1);
        await home.stop();
        await drained;
        handlers.delete("one");
        const next = runtime();
        await clock.advance(leaseMs);
        await next.drain({ tenant });
        expect((await runs.get("r")).status).toBe("completed");
        expect((await eventTypesOf(runs, "r")).filter((type) => type === "run.started")).toHaveLength(1);
      }),
    );
  });

  describe("sleeping", () => {
    test(
      "keeps the run running, without a lease, with a due time",
      on(async ({ runs, home, store, tenant, clock, counts }) => {
        await runs.start({ skillId: "sleepy", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("running");
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(clock.now() + napMs);
        const body = JSON.parse((await store.getRun(tenant, "r"))?.body ?? "") as { record: { lease?: unknown } };
        expect(body.record.lease).toBeUndefined();
        expect(counts()).toEqual({ early: 1, before: 1 });
      }),
    );

    test(
      "is over when its time is, and not before, whichever executor drains",
      on(async ({ runs, home, runtime, open, tenant, clock, counts }) => {
        await runs.start({ skillId: "sleepy", runId: "r" });
        await home.idle();
        await home.stop();
        const next = runtime({ store: await open() });
        await clock.advance(napMs - 1);
        expect(await next.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        await clock.advance(1);
        expect(await next.drain({ tenant })).toEqual({ taken: 1, passedOver: 0 });
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ early: 1, before: 1, after: 1 });
      }),
    );

    test(
      "for a short time keeps the lease",
      on(async ({ runs, runtime, store, tenant, clock }) => {
        const patient = runtime({ executor: "patient", holdMs: napMs });
        await patient.for(tenant).start({ skillId: "sleepy", runId: "r" });
        await until("it sleeps", async () => (await eventTypesOf(runs, "r")).includes("step.sleeping"));
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(clock.now() + leaseMs);
        const held = async () => (await store.getRun(tenant, "r"))?.dueAt ?? 0;
        for (let n = 0; n < 3; n++) {
          const before = await held();
          await clock.advance(leaseMs / 2);
          await until("the lease is renewed", async () => (await held()) > before);
        }
        await clock.advance(leaseMs / 2);
        await patient.idle();
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "leaves the run for others to cancel, save and signal",
      on(async ({ runs, home, tenant, clock }) => {
        await runs.start({ skillId: "sleepy", runId: "r" });
        await home.idle();
        expect((await runs.signal("r", { name: "x" })).status).toBe("running");
        expect((await runs.cancel("r")).status).toBe("canceled");
        await clock.advance(napMs);
        expect(await home.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
      }),
    );
  });

  describe("backing off", () => {
    test(
      "keeps the run running, without a lease, with a due time, and goes on counting attempts",
      on(async ({ runs, home, handlers, store, tenant, clock, calls }) => {
        handlers.set("try", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "backing-off", runId: "r" });
        await home.idle();
        const dueAt = async () => (await store.getRun(tenant, "r"))?.dueAt;
        expect((await runs.get("r")).status).toBe("running");
        expect(await dueAt()).toBe(clock.now() + backoffMs);
        await clock.advance(backoffMs - 1);
        expect((await home.drain({ tenant })).taken).toBe(0);
        await clock.advance(1);
        await home.drain({ tenant });
        expect(await dueAt()).toBe(clock.now() + 2 * backoffMs);
        await clock.advance(2 * backoffMs);
        await home.drain({ tenant });
        expect(await runs.get("r")).toMatchObject({ status: "failed", error: { message: "boom", stepId: "try" } });
        expect(calls.map((call) => call.attempt)).toEqual([1, 2, 3]);
        const scheduled = (await eventsOf(runs, "r")).filter((event) => event.eventType === "step.retry_scheduled");
        expect(scheduled.map((event) => event.payload.attempt)).toEqual([1, 2]);
        expect(await kindsOf(runs, "r")).toEqual(["run_started", "run_failed"]);
      }),
    );

    test(
      "ends with the attempt that works",
      on(async ({ runs, home, handlers, calls }) => {
        handlers.set("try", (_, { attempt }) => {
          if (attempt < 3) throw new Error(`attempt ${attempt}`);
          return "at last";
        });
        await runs.start({ skillId: "retrying", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).result).toEqual({ tried: "at last" });
        expect(calls).toHaveLength(3);
      }),
    );

    test.each(["NonRetryableError", "Error"])("after an error named %s", (name) =>
      on(async ({ runs, home, handlers, calls }) => {
        handlers.set("try", () => {
          throw Object.assign(new Error("boom"), { name });
        });
        await runs.start({ skillId: "retrying", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("failed");
        expect(calls).toHaveLength(name === "Error" ? 3 : 1);
      })(),
    );
  });

  describe("timeouts", () => {
    test(
      "of a signal are over when their time is, and fail the run with their code",
      on(async ({ runs, home, store, tenant, clock }) => {
        await runs.start({ skillId: "impatient", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_signal");
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(clock.now() + patienceMs);
        await clock.advance(patienceMs);
        await home.drain({ tenant });
        expect(await runs.get("r")).toMatchObject({
          status: "failed",
          error: { code: "step_timeout", stepId: "listen" },
        });
      }),
    );

    test(
      "of a signal are not begun anew by a resume",
      on(async ({ runs, home, store, tenant, clock }) => {
        await runs.start({ skillId: "impatient", runId: "r" });
        await home.idle();
        const dueAt = (await store.getRun(tenant, "r"))?.dueAt;
        await clock.advance(patienceMs - 20_000);
        await runs.resume("r");
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_signal");
        expect((await store.getRun(tenant, "r"))?.dueAt).toBe(dueAt);
      }),
    );

    test(
      "of a signal that came in time do not matter",
      on(async ({ runs, home, tenant, clock }) => {
        await runs.start({ skillId: "impatient", runId: "r" });
        await home.idle();
        await clock.advance(patienceMs - 1);
        await runs.signal("r", { name: "go" });
        await home.idle();
        await clock.advance(patienceMs);
        await home.drain({ tenant });
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "of a step abort its signal and fail it, and what it returns late is dropped",
      on(async ({ runs, home, handlers, clock, calls }) => {
        const late = deferred<string>();
        handlers.set("slow", () => late.promise);
        await runs.start({ skillId: "timed", runId: "r" });
        await until("the step has begun", () => calls.length === 1);
        await clock.advance(10_000);
        await home.idle();
        late.resolve("too late");
        expect(calls[0]?.signal.aborted).toBe(true);
        const run = await untilStatus(runs, "r", "failed");
        expect(run.error).toMatchObject({ code: "step_timeout", stepId: "slow" });
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state.stepResults.slow).toMatchObject({ status: "failed", producedOutput: null });
      }),
    );
  });
}
