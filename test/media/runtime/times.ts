import { describe, expect, test } from "vitest";
import { deferred, leaseMs, type OnStage, until, untilStatus } from "../../support/stage.ts";
import { eventsOf, eventTypesOf, kindsOf } from "../../support/stored.ts";
import { backoffMs, napMs, patienceMs } from "../../support/workshop.ts";

export function timeCases(on: OnStage): void {
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
