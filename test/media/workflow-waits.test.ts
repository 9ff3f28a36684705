import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import type { WorkflowBody } from "../../src/index.ts";
import { until } from "../support/scene.ts";
import { playedOn, recordedSteps } from "../support/standing.ts";

const minute = 60_000;
const hour = 60 * minute;

// What the waits of a code-first skill promise, on one medium.
const played = playedOn(harness);

describe(`waiting on ${medium}`, () => {
  played("a signal is given as an event, with its payload, its time and its type", async ({ actor, clock }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        const event = await step.waitForEvent<{ paid: Date }>("payment", { type: "paid" });
        return { ...event, isDate: event.timestamp instanceof Date };
      },
    });
    const { runId, status } = await start();
    expect(status).toBe("waiting_for_signal");
    clock.advance(5_000);
    const payload = { paid: new Date(7) };
    await runs.signal(runId, { name: "refunded" });
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_signal" });
    await runs.signal(runId, { name: "paid", payload });
    expect(await settled(runId)).toMatchObject({
      status: "completed",
      result: { payload, type: "paid", timestamp: new Date(clock.now()), isDate: true },
    });
  });

  played("a signal that comes early is kept, and each is given once", async ({ actor }) => {
    const body: WorkflowBody = async (step) => {
      await step.sleep("nap", "1 hour");
      const first = await step.waitForEvent("first", { type: "go" });
      const second = await step.waitForEvent("second", { type: "go" });
      return [first.payload, second.payload];
    };
    const { start, runs, later, settled } = actor({ body });
    const { runId } = await start();
    await runs.signal(runId, { name: "go", payload: 1 });
    expect(await later(hour, runId)).toMatchObject({ status: "waiting_for_signal" });
    await runs.signal(runId, { name: "go", payload: 2 });
    expect(await settled(runId)).toMatchObject({ result: [1, 2] });
  });

  played("a signal that does not come in time is an error that the body can catch", async ({ actor }) => {
    const { start, later, settled } = actor({
      body: async (step) =>
        step.waitForEvent("payment", { type: "paid", timeout: "90 minutes" }).catch((error: Error) => error.message),
    });
    const { runId } = await start();
    expect(await later(90 * minute - 1, runId)).toMatchObject({ status: "waiting_for_signal" });
    await later(1, runId);
    expect(await settled(runId)).toMatchObject({ status: "completed", result: 'signal "paid" did not arrive in time' });
  });

  played("without a timeout an event is waited for during 24 hours", async ({ actor }) => {
    const { start, later } = actor({ body: async (step) => step.waitForEvent("payment", { type: "paid" }) });
    const { runId } = await start();
    expect(await later(24 * hour - 1, runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await later(1, runId)).toMatchObject({ status: "failed", error: { stepId: "payment" } });
  });

  played("a sleep of days costs nothing while it lasts, and ends on time", async ({ actor, clock, store }) => {
    const woke: number[] = [];
    const began = clock.now();
    const { start, later, runtime } = actor({
      body: async (step) => {
        await step.sleep("nap", "3 days");
        await step.do("woken", async () => woke.push(clock.now() - began));
        await step.sleepUntil("until", new Date(began + 5 * 24 * hour));
        await step.sleepUntil("past", began);
        await step.do("woken", async () => woke.push(clock.now() - began));
      },
    });
    const { runId } = await start();
    const [row] = await store.listRuns("troupe", { limit: 1, order: "ascending" });
    expect(row?.dueAt).toBe(began + 3 * 24 * hour);
    expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
    expect(await later(3 * 24 * hour - 1, runId)).toMatchObject({ status: "running" });
    expect(woke).toEqual([]);
    expect(await later(1, runId)).toMatchObject({ status: "running" });
    expect(await later(2 * 24 * hour - 1, runId)).toMatchObject({ status: "running" });
    expect(await later(1, runId)).toMatchObject({ status: "completed" });
    expect(woke).toEqual([3 * 24 * hour, 5 * 24 * hour]);
  });

  played("a sleep is not begun again when another executor takes the run over", async ({ actor }) => {
    const started = Promise.withResolvers<void>();
    const body =
      (isFirst: boolean): WorkflowBody =>
      async (step) => {
        const nap = step.sleep("nap", "1 hour");
        await step.do("work", async () => {
          started.resolve();
          if (isFirst) await new Promise(() => {});
        });
        await nap;
      };
    const first = actor({ body: body(true) });
    const runId = await first.begin();
    await started.promise;
    await first.die();
    const second = actor({ body: body(false) });
    expect(await second.later(30 * minute, runId)).toMatchObject({ status: "running" });
    expect(await second.later(30 * minute - 1, runId)).toMatchObject({ status: "running" });
    expect(await second.later(1, runId)).toMatchObject({ status: "completed" });
  });

  played("a person's approval is the answer of its gate, and a denial cancels the run", async ({ actor, clock }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        const first = await step.waitForApproval("legal");
        const second = await step.waitForApproval("finance");
        return [first, second];
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "legal", status: "pending" },
    });
    clock.advance(minute);
    await runs.approve(runId, { approver: "ada", notes: "fine" });
    const decidedAt = new Date(clock.now());
    expect(await settled(runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "finance" },
    });
    await runs.approve(runId);
    expect((await settled(runId)).result).toEqual([{ approver: "ada", notes: "fine", decidedAt }, { decidedAt }]);

    const { runId: other } = await start();
    await runs.approve(other);
    await settled(other);
    expect(await runs.deny(other, { approver: "bob" })).toMatchObject({
      status: "canceled",
      approvalRequest: { stepId: "finance", status: "denied", approver: "bob" },
    });
  });

  played("gates side by side queue, and may be opened by name", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        const all = await Promise.all(["a", "b", "c"].map((name) => step.waitForApproval(name)));
        return all.map(({ approver }) => approver);
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ approvalRequest: { stepId: "a" } });
    await runs.approve(runId, { approver: "second", stepId: "b" });
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human", approvalRequest: { stepId: "a" } });
    await runs.approve(runId, { approver: "first" });
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human", approvalRequest: { stepId: "c" } });
    await runs.approve(runId, { approver: "third" });
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["first", "second", "third"] });
  });

  played("parking is no exception: no catch sees it, and no `finally` runs in a parked pass", async ({ actor }) => {
    const seen: string[] = [];
    const { start, later } = actor({
      body: async (step) => {
        try {
          await step.sleep("nap", "1 hour");
          seen.push("woke");
        } catch {
          seen.push("caught");
        } finally {
          seen.push("finally");
        }
      },
    });
    const { runId } = await start();
    expect(seen).toEqual([]);
    await later(hour - 1, runId);
    expect(seen).toEqual([]);
    expect(await later(1, runId)).toMatchObject({ status: "completed" });
    expect(seen).toEqual(["woke", "finally"]);
  });

  played("a run waits only once what is in flight beside the wait has been recorded", async ({ actor }) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { begin, runs, settled, later } = actor({
      body: async (step) => Promise.all([step.sleep("nap", "1 hour"), step.do("slow", () => promise)]),
    });
    const runId = await begin();
    await until(async () => (await runs.events(runId)).items.some(({ eventType }) => eventType === "step.sleeping"));
    expect(await runs.get(runId)).toMatchObject({ status: "running" });
    resolve();
    await settled(runId);
    expect(await recordedSteps(runs, runId)).toEqual(["slow"]);
    expect(await later(hour, runId)).toMatchObject({ status: "completed" });
  });
});
