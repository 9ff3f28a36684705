import { describe, expect, test } from "vitest";
import { maxInboxBytes } from "../../../src/codec/index.ts";
import { systemClock } from "../../../src/testing/index.ts";
import { deferred, type OnStage, refusalOf, until } from "../../support/stage.ts";
import { eventsOf, eventTypesOf, kindsOf, rowsOf } from "../../support/stored.ts";

export function signalCases(on: OnStage): void {
  describe("signals", () => {
    test(
      "wake the run that waits for them, and their payload is the step's output",
      on(async ({ runs, home, calls, store, tenant }) => {
        await runs.start({ skillId: "signaled", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_signal");
        expect((await store.getRun(tenant, "r"))?.dueAt).toBeUndefined();
        const payload = { n: 1, at: new Date(0), odd: new Map([["a", undefined]]) };
        expect((await runs.signal("r", { name: "go", payload })).status).toBe("running");
        await home.idle();
        expect(calls.at(-1)).toMatchObject({ stepId: "after", input: payload });
        expect((await runs.get("r")).status).toBe("completed");
        expect(await eventTypesOf(runs, "r")).toEqual([
          "run.started",
          "step.started",
          "step.completed",
          "run.waiting_for_signal",
          "signal.received",
          "signal.delivered",
          "step.completed",
          "step.started",
          "step.completed",
          "run.completed",
        ]);
      }),
    );

    test(
      "that come early are kept, also through a crash, a pending time and a resume",
      on(async ({ runs, home, calls }) => {
        await runs.create({ skillId: "signaled", runId: "r" });
        expect((await runs.signal("r", { name: "go", payload: "early" })).status).toBe("pending");
        await runs.resume("r");
        await home.idle();
        expect(calls.at(-1)).toMatchObject({ stepId: "after", input: "early" });
        expect(await kindsOf(runs, "r")).not.toContain("waiting_for_signal");
      }),
    );

    test(
      "of another name do not wake the run, and are kept",
      on(async ({ runs, home }) => {
        await runs.start({ skillId: "signaled", runId: "r" });
        await home.idle();
        await runs.signal("r", { name: "stop" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_signal");
        await runs.signal("r", { name: "go" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "are each delivered once, in the order in which they came",
      on(async ({ runs, home, calls }) => {
        await runs.create({ skillId: "signaled", runId: "r" });
        for (const payload of ["first", "second"]) await runs.signal("r", { name: "go", payload });
        await runs.resume("r");
        await home.idle();
        expect(calls.at(-1)?.input).toBe("first");
        const { state } = await runs.loadCheckpoint("r", (await runs.get("r")).checkpointHead ?? "");
        expect(state.vars.heard).toBe("first");
      }),
    );

    test(
      "100 during one long step, ten at a time: the step is executed once, and no signal is lost",
      on(async ({ runtime, runs, home, open, tenant, handlers, counts, store }) => {
        const hold = deferred();
        handlers.set("before", () => hold.promise);
        const long = runtime({ executor: "long", clock: systemClock }).for(tenant);
        const outside = runtime({ store: await open(), executor: "outside", clock: systemClock }).for(tenant);
        await long.start({ skillId: "signaled", runId: "r" });
        await until("the step has begun", () => counts().before === 1);
        const names = Array.from({ length: 100 }, (_, n) => (n === 50 ? "go" : `signal ${n}`));
        for (let first = 0; first < names.length; first += 10) {
          await Promise.all(names.slice(first, first + 10).map((name) => outside.signal("r", { name })));
        }
        hold.resolve();
        await until("the run is completed", async () => (await runs.get("r")).status === "completed");
        expect(counts()).toEqual({ before: 1, after: 1 });
        const received = (await eventsOf(runs, "r")).filter((event) => event.eventType === "signal.received");
        expect(received.map((event) => event.payload.name).sort()).toEqual([...names].sort());
        const body = JSON.parse((await store.getRun(tenant, "r"))?.body ?? "") as {
          record: { inbox: { name: string }[] };
        };
        const kept = body.record.inbox.map(({ name }) => name);
        expect([...kept].sort()).toEqual(names.filter((name) => name !== "go").sort());
        await home.idle();
      }),
    );

    test(
      "that the inbox cannot hold are refused, and none that it has is lost",
      on(async ({ runs, home, store, tenant, calls }) => {
        await runs.create({ skillId: "signaled", runId: "r" });
        await runs.signal("r", { name: "go", payload: "kept" });
        const payload = "x".repeat(30_000);
        await runs.signal("r", { name: "other", payload });
        await runs.signal("r", { name: "other", payload });
        const before = await rowsOf(store, tenant, "r");
        expect(await refusalOf(runs.signal("r", { name: "other", payload }))).toMatchObject({ code: "inbox_full" });
        const huge = "x".repeat(maxInboxBytes);
        expect(await refusalOf(runs.signal("r", { name: "other", payload: huge }))).toMatchObject({
          code: "too_large",
          path: "payload",
        });
        const call = runs.signal("r", { name: "other", payload: [() => 1] });
        expect(await refusalOf(call)).toMatchObject({ code: "invalid_request", path: "payload[0]" });
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
        await runs.resume("r");
        await home.idle();
        expect(calls.at(-1)?.input).toBe("kept");
      }),
    );

    test(
      "wake a run whose skill is elsewhere, for who has it",
      on(async ({ runs, home, runtime, tenant }) => {
        await runs.start({ skillId: "signaled", runId: "r" });
        await home.idle();
        const bare = runtime({ skills: [] }).for(tenant);
        expect((await bare.signal("r", { name: "go" })).status).toBe("waiting_for_signal");
        expect(await home.drain({ tenant })).toMatchObject({ taken: 1 });
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );
  });
}
