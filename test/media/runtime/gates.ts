import { describe, expect, test } from "vitest";
import { deferred, heldAt, type OnStage, refusalOf, type Stage, until } from "../../support/stage.ts";
import { checkpointOfKind, eventsOf, eventTypesOf, kindsOf, rowsOf } from "../../support/stored.ts";

async function waitingAtGate({ runs, home }: Stage, skillId = "gated"): Promise<void> {
  await runs.start({ skillId, runId: "r" });
  await home.idle();
  expect((await runs.get("r")).status).toBe("waiting_for_human");
}

export function gateCases(on: OnStage): void {
  describe("approval", () => {
    test(
      "is asked for before the step is executed, and the run waits without a lease",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { runs, counts, clock, store, tenant } = stage;
        expect(counts()).toEqual({ draft: 1 });
        expect((await runs.get("r")).approvalRequest).toEqual({
          stepId: "send",
          capabilityId: "send",
          status: "pending",
          requestedAt: new Date(clock.now()).toISOString(),
        });
        expect((await runs.get("r")).currentStepId).toBe("send");
        expect((await store.getRun(tenant, "r"))?.dueAt).toBeUndefined();
      }),
    );

    test(
      "records who and why, confirms the capability and resumes",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { runs, home, counts, clock } = stage;
        const asked = (await runs.get("r")).approvalRequest?.requestedAt;
        await clock.advance(1_000);
        const head = await checkpointOfKind(runs, "r", "run_waiting_for_human");
        const { run, checkpointId } = await runs.approve("r", { approver: "ann", notes: "fine by me" });
        expect(checkpointId).toBe(head);
        expect(run).toMatchObject({ status: "running", resumeFromCheckpointId: head });
        await home.idle();
        expect((await runs.get("r")).approvalRequest).toEqual({
          stepId: "send",
          capabilityId: "send",
          status: "approved",
          requestedAt: asked,
          decidedAt: new Date(clock.now()).toISOString(),
          approver: "ann",
          notes: "fine by me",
        });
        expect(counts()).toEqual({ draft: 1, send: 1, file: 1 });
        const approved = (await eventsOf(runs, "r")).find((event) => event.eventType === "run.approved");
        expect(approved?.payload).toEqual({ step_id: "send", approver: "ann", notes: "fine by me" });
      }),
    );

    test(
      "that is denied cancels the run, and records who and why",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { runs, home, counts, tenant } = stage;
        const run = await runs.deny("r", { approver: "ann", notes: "no" });
        expect(run).toMatchObject({
          status: "canceled",
          approvalRequest: { stepId: "send", status: "denied", approver: "ann", notes: "no" },
        });
        expect(run.finishedAt).toBeDefined();
        await home.drain({ tenant });
        expect(counts()).toEqual({ draft: 1 });
        expect((await eventTypesOf(runs, "r")).slice(-2)).toEqual(["run.denied", "run.canceled"]);
      }),
    );

    test(
      "is asked for again when a denied or canceled run is resumed",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { runs, home, counts } = stage;
        await runs.deny("r");
        await runs.resume("r");
        await home.idle();
        expect(await runs.get("r")).toMatchObject({
          status: "waiting_for_human",
          approvalRequest: { status: "pending" },
        });
        await runs.approve("r");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ draft: 1, send: 1, file: 1 });
      }),
    );

    test(
      "is asked for again when a waiting run is resumed without it",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { runs, home, counts } = stage;
        expect((await runs.resume("r")).run.status).toBe("running");
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_human");
        expect(counts()).toEqual({ draft: 1 });
      }),
    );

    test(
      "holds for the run: a confirmed capability is not asked about again",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { runs, home, handlers, counts } = stage;
        handlers.set("file", () => Promise.reject(new Error("boom")));
        await runs.approve("r");
        await home.idle();
        handlers.delete("file");
        await runs.resume("r", { checkpointId: await checkpointOfKind(runs, "r", "run_waiting_for_human") });
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ draft: 1, send: 2, file: 2 });
      }),
    );

    test(
      "outlives the process that asked for it",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { home, runtime, open, tenant, counts, clock } = stage;
        await home.stop();
        await clock.advance(30 * 24 * 60 * 60 * 1000);
        const next = runtime({ store: await open() });
        expect(await next.drain({ tenant })).toEqual({ taken: 0, passedOver: 0 });
        await next.for(tenant).approve("r");
        await next.idle();
        expect((await next.for(tenant).get("r")).status).toBe("completed");
        expect(counts()).toEqual({ draft: 1, send: 1, file: 1 });
      }),
    );

    test(
      "by 50 at once is one approval: one is accepted, 49 are refused, each remaining step is executed once",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { home, runtime, open, tenant, counts } = stage;
        const other = runtime({ store: await open(), executor: "other" });
        const calls = Array.from({ length: 50 }, (_, n) =>
          (n % 2 === 0 ? home : other).for(tenant).approve("r", { approver: `approver ${n}` }),
        );
        const outcomes = await Promise.allSettled(calls);
        await Promise.all([home.idle(), other.idle()]);
        const refused = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason as { code: string }] : []));
        expect(refused.map((error) => error.code)).toEqual(Array(49).fill("invalid_transition"));
        expect(counts()).toEqual({ draft: 1, send: 1, file: 1 });
        expect((await stage.runs.get("r")).status).toBe("completed");
        expect((await kindsOf(stage.runs, "r")).filter((kind) => kind === "run_resumed")).toHaveLength(1);
      }),
    );

    test(
      "and denial at once: one of them holds",
      on(async (stage) => {
        await waitingAtGate(stage);
        const { runs, home } = stage;
        const outcomes = await Promise.allSettled([runs.approve("r"), runs.deny("r"), runs.cancel("r")]);
        await home.idle();
        const accepted = outcomes.filter((one) => one.status === "fulfilled");
        // An approval may be followed by a cancel of what it started.
        expect(accepted.length).toBeGreaterThanOrEqual(1);
        const { status } = await runs.get("r");
        expect(["completed", "canceled"]).toContain(status);
        if (status === "canceled") expect(outcomes.slice(1).some((one) => one.status === "fulfilled")).toBe(true);
      }),
    );
  });

  describe("parallel waits", () => {
    test(
      "a run waits only when every step in flight has settled and been recorded",
      on(async (stage) => {
        const { runs, home } = stage;
        const hold = await heldAt(stage, "slow", "gate-and-work");
        expect(await runs.get("r")).toMatchObject({ status: "running" });
        await until("its gate is open", async () => (await runs.get("r")).approvalRequest?.status === "pending");
        expect(await kindsOf(runs, "r")).toEqual(["run_started"]);
        hold.resolve("done");
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_human");
        expect(await kindsOf(runs, "r")).toEqual(["run_started", "step_completed slow", "run_waiting_for_human"]);
      }),
    );

    test(
      "several gates queue: the request shows the first, and the next once that is decided",
      on(async (stage) => {
        await waitingAtGate(stage, "two-gates");
        const { runs, home, counts } = stage;
        expect((await runs.get("r")).approvalRequest).toMatchObject({ stepId: "send", capabilityId: "send" });
        await runs.approve("r");
        await home.idle();
        expect(counts()).toEqual({ send: 1 });
        expect(await runs.get("r")).toMatchObject({
          status: "waiting_for_human",
          approvalRequest: { stepId: "publish", capabilityId: "publish", status: "pending" },
        });
        await runs.approve("r");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ send: 1, publish: 1, join: 1 });
      }),
    );

    test(
      "an approval may name the step of another gate than the first",
      on(async (stage) => {
        await waitingAtGate(stage, "two-gates");
        const { runs, home, counts } = stage;
        const { run } = await runs.approve("r", { stepId: "publish", approver: "ann" });
        expect(run.approvalRequest).toMatchObject({ stepId: "publish", status: "approved", approver: "ann" });
        await home.idle();
        expect(counts()).toEqual({ publish: 1 });
        expect((await runs.get("r")).approvalRequest).toMatchObject({ stepId: "send", status: "pending" });
      }),
    );

    test(
      "an approval or denial that names a step which does not wait is refused, and changes nothing",
      on(async (stage) => {
        await waitingAtGate(stage, "two-gates");
        const { runs, store, tenant } = stage;
        const before = await rowsOf(store, tenant, "r");
        for (const stepId of ["join", "nowhere", ""]) {
          for (const call of [runs.approve("r", { stepId }), runs.deny("r", { stepId })]) {
            expect(await refusalOf(call)).toMatchObject({ code: "invalid_request", path: "step_id" });
          }
        }
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
      }),
    );

    test(
      "a denial of one gate cancels the run, whatever else it waits for",
      on(async (stage) => {
        await waitingAtGate(stage, "two-gates");
        const { runs } = stage;
        expect(await runs.deny("r", { stepId: "publish" })).toMatchObject({
          status: "canceled",
          approvalRequest: { stepId: "publish", status: "denied" },
        });
      }),
    );

    test(
      "a gate and a signal: each goes on by itself, and the run waits for what is left",
      on(async ({ runs, home, counts }) => {
        await runs.start({ skillId: "gate-and-work", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("waiting_for_human");
        await runs.signal("r", { name: "go" });
        await home.idle();
        expect(await runs.get("r")).toMatchObject({
          status: "waiting_for_human",
          approvalRequest: { status: "pending" },
        });
        expect((await kindsOf(runs, "r")).filter((kind) => kind === "step_completed listen")).toHaveLength(1);
        await runs.approve("r");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ slow: 1, send: 1 });
      }),
    );

    test(
      "parallel steps run side by side, and build on each other's states",
      on(async ({ runs, home, handlers, counts }) => {
        const [left, right] = [deferred<string>(), deferred<string>()];
        handlers.set("left", () => left.promise);
        handlers.set("right", () => right.promise);
        await runs.start({ skillId: "pair", runId: "r" });
        await until("both have begun", () => counts().left === 1 && counts().right === 1);
        right.resolve("R");
        left.resolve("L");
        await home.idle();
        const run = await runs.get("r");
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state.vars).toEqual({ left: "L", right: "R" });
        expect(state.writtenTargets).toEqual(["outputs.join", "vars.left", "vars.right"]);
      }),
    );
  });

  describe("fail-fast", () => {
    test(
      "aborts the siblings, and records what they return before the run fails",
      on(async ({ runs, home, handlers, calls, counts }) => {
        const fail = deferred();
        handlers.set("left", async () => {
          await fail.promise;
          throw new Error("boom");
        });
        handlers.set(
          "right",
          (_, { signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve("what I had"))),
        );
        await runs.start({ skillId: "pair", runId: "r" });
        await until("both have begun", () => counts().left === 1 && counts().right === 1);
        fail.resolve();
        await home.idle();
        expect(calls.map((call) => call.signal.aborted)).toEqual([true, true]);
        const run = await runs.get("r");
        expect(run).toMatchObject({ status: "failed", error: { stepId: "left", message: "boom" } });
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state.stepResults.right).toMatchObject({ status: "completed", producedOutput: "what I had" });
        expect(state.stepResults.left).toMatchObject({ status: "failed", errorMessage: "boom" });
        expect(await kindsOf(runs, "r")).toEqual(["run_started", "step_completed right", "run_failed"]);
        handlers.clear();
        await runs.resume("r");
        await home.idle();
        expect(counts()).toEqual({ left: 2, right: 1, join: 1 });
        expect((await runs.get("r")).result).toEqual({ join: "join done" });
      }),
    );

    test(
      "records every failure, and the run's error is the first",
      on(async ({ runs, home, handlers, counts }) => {
        const fail = deferred();
        handlers.set("left", async () => {
          await fail.promise;
          throw new Error("first");
        });
        handlers.set(
          "right",
          (_, { signal }) =>
            new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("second")))),
        );
        await runs.start({ skillId: "pair", runId: "r" });
        await until("both have begun", () => counts().left === 1 && counts().right === 1);
        fail.resolve();
        await home.idle();
        const run = await runs.get("r");
        expect(run.error).toMatchObject({ stepId: "left", message: "first" });
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state.stepResults).toMatchObject({ left: { errorMessage: "first" }, right: { errorMessage: "second" } });
      }),
    );

    test(
      "does not try an aborted sibling again, and starts nothing new",
      on(async ({ runs, home, handlers, counts }) => {
        handlers.set("slow", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "gate-and-work", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).status).toBe("failed");
        expect(counts()).toEqual({ slow: 1 });
      }),
    );
  });
}
