import { describe, expect, test } from "vitest";
import { lostAnswerStore } from "../../../src/conformance/faults.ts";
import { defineSkill, type ResumeOutcome, type Runs } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import { leaseMs, type OnStage, refusalOf, type Stage, untilStatus } from "../../support/stage.ts";
import { eventsOf, rowsOf } from "../../support/stored.ts";

const dayMs = 24 * 60 * 60 * 1000;

const skills = [
  defineSkill({
    id: "asks twice",
    version: "1",
    run: async (step) => {
      await step.waitForApproval("first");
      await step.waitForApproval("second");
      const { payload } = await step.waitForEvent<string>("word", { type: "word", timeout: "2 days" });
      return payload;
    },
  }),
];

/** A run at its first gate. */
async function gated({ runtime, tenant }: Stage) {
  const home = runtime({ skills, executor: "gates" });
  const runs = home.for(tenant);
  await runs.start({ skillId: "asks twice", runId: "r" });
  await untilStatus(runs, "r", "waiting_for_human");
  return { home, runs };
}

async function atGate(runs: Runs, stepId: string): Promise<void> {
  await expect
    .poll(async () => {
      const { status, approvalRequest } = await runs.get("r");
      return [status, approvalRequest?.stepId, approvalRequest?.status];
    })
    .toEqual(["waiting_for_human", stepId, "pending"]);
}

const countOf = async (runs: Runs, type: string) =>
  (await eventsOf(runs, "r")).filter(({ eventType }) => eventType === type).length;

interface Repeatable {
  /** What it needs beside a run at its first gate. */
  readonly arrange?: (runs: Runs) => Promise<unknown>;
  readonly act: (runs: Runs, key: string) => Promise<{ readonly isRepeat?: boolean }>;
  /** The same operation, with other content. */
  readonly otherwise: (runs: Runs, key: string) => Promise<unknown>;
  readonly event: string;
}

const operations: Readonly<Record<string, Repeatable>> = {
  signal: {
    act: (runs, idempotencyKey) => runs.signal("r", { name: "word", payload: { n: 1 }, idempotencyKey }),
    otherwise: (runs, idempotencyKey) => runs.signal("r", { name: "word", payload: { n: 2 }, idempotencyKey }),
    event: "signal.received",
  },
  approve: {
    act: (runs, idempotencyKey) => runs.approve("r", { approver: "ada", idempotencyKey }),
    otherwise: (runs, idempotencyKey) => runs.approve("r", { approver: "bob", idempotencyKey }),
    event: "run.approved",
  },
  deny: {
    act: (runs, idempotencyKey) => runs.deny("r", { notes: "no", idempotencyKey }),
    otherwise: (runs, idempotencyKey) => runs.deny("r", { notes: "never", idempotencyKey }),
    event: "run.denied",
  },
  resume: {
    arrange: (runs) => runs.cancel("r"),
    act: (runs, idempotencyKey) => runs.resume("r", { idempotencyKey }),
    otherwise: (runs, idempotencyKey) => runs.resume("r", { checkpointId: "other", idempotencyKey }),
    event: "run.resumed",
  },
};
const names = Object.keys(operations);
const operation = (name: string) => operations[name] as Repeatable;

/** Calls that change a run, made twice under one idempotency key. */
export function repeatCases(on: OnStage): void {
  describe("a call under an idempotency key, made twice", () => {
    test.each(names)("does its %s once, and answers the second time as the first", (name) =>
      on(async (stage) => {
        const { home, runs } = await gated(stage);
        const { arrange, act, event } = operation(name);
        await arrange?.(runs);
        const first = await act(runs, "key");
        await home.idle();
        const rows = await rowsOf(stage.store, stage.tenant, "r");
        const second = await act(runs, "key");
        await home.idle();
        expect([first.isRepeat ?? false, second.isRepeat]).toEqual([false, true]);
        if ("checkpointId" in first) {
          expect((second as ResumeOutcome).checkpointId).toBe((first as unknown as ResumeOutcome).checkpointId);
        }
        expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(rows);
        expect(await countOf(runs, event)).toBe(1);
      })(),
    );

    test.each(names)("does its %s once where many come at once, from several executors", (name) =>
      on(async (stage) => {
        const { home, runs } = await gated(stage);
        const other = stage.runtime({ skills, store: await stage.open(), executor: "other" });
        const { arrange, act, event } = operation(name);
        await arrange?.(runs);
        const calls = Array.from({ length: 8 }, (_, n) => act((n % 2 === 0 ? home : other).for(stage.tenant), "key"));
        const answers = await Promise.all(calls);
        await Promise.all([home.idle(), other.idle()]);
        expect(answers.filter(({ isRepeat }) => isRepeat !== true)).toHaveLength(1);
        expect(await countOf(runs, event)).toBe(1);
      })(),
    );

    test.each(names)("is a conflict where its %s asks for something else, and changes nothing", (name) =>
      on(async (stage) => {
        const { home, runs } = await gated(stage);
        const { arrange, act, otherwise } = operation(name);
        await arrange?.(runs);
        await act(runs, "key");
        await home.idle();
        const rows = await rowsOf(stage.store, stage.tenant, "r");
        expect(await refusalOf(otherwise(runs, "key"))).toMatchObject({ code: "idempotency_conflict" });
        expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(rows);
      })(),
    );

    test.each(names)("does its %s once where the answer of its commit is lost", (name) =>
      on(async (stage) => {
        const { runs } = await gated(stage);
        const { arrange, act, event } = operation(name);
        await arrange?.(runs);
        const forgetful = stage.runtime({ skills, store: lostAnswerStore(stage.store, () => true), executor: "lossy" });
        const first = await act(forgetful.for(stage.tenant), "key");
        await forgetful.idle();
        expect([first.isRepeat ?? false, (await act(runs, "key")).isRepeat]).toEqual([false, true]);
        expect(await countOf(runs, event)).toBe(1);
      })(),
    );

    test(
      "is a conflict of two runs that claim the key at the same time",
      on(async ({ runs, store, runtime, tenant }) => {
        for (const runId of ["a", "b"]) await runs.create({ skillId: "signaled", runId });
        let looks = 0;
        // The second call looks for the claim just before the first one commits it.
        const early: Store = {
          ...store,
          getClaim: async (...args) => (looks++ === 0 ? undefined : store.getClaim(...args)),
        };
        await runs.signal("a", { name: "go", idempotencyKey: "key" });
        const late = runtime({ store: early, executor: "late" }).for(tenant);
        const rows = await rowsOf(store, tenant, "b");
        expect(await refusalOf(late.signal("b", { name: "go", idempotencyKey: "key" }))).toMatchObject({
          code: "idempotency_conflict",
        });
        expect(await rowsOf(store, tenant, "b")).toEqual(rows);
      }),
    );

    test(
      "is one call where its first comes after its lease, its precondition and its end",
      on(async ({ runs, home, clock }) => {
        await runs.create({ skillId: "signaled", runId: "r" });
        const { revision } = await runs.get("r");
        const send = () => runs.signal("r", { name: "go", idempotencyKey: "key", expectedRevision: revision });
        await send();
        await runs.resume("r");
        await home.idle();
        await clock.advance(leaseMs);
        expect(await send()).toMatchObject({ status: "completed", isRepeat: true });
      }),
    );

    test(
      "is the operation's and the tenant's own, and lapses after 24 hours",
      on(async ({ runs, home, clock }) => {
        const neighbors = home.for("neighbor");
        await runs.create({ skillId: "signaled", runId: "r", idempotencyKey: "key" });
        await neighbors.create({ skillId: "signaled", runId: "r" });
        const send = (of: Runs, payload: number) => of.signal("r", { name: "x", payload, idempotencyKey: "key" });
        for (const of of [runs, neighbors]) expect(await send(of, 1)).not.toHaveProperty("isRepeat");
        await clock.advance(dayMs - 1);
        expect(await send(runs, 1)).toMatchObject({ isRepeat: true });
        await clock.advance(1);
        expect(await send(runs, 2)).not.toHaveProperty("isRepeat");
        expect(await countOf(runs, "signal.received")).toBe(2);
      }),
    );

    test.each(names)("of no length, or of more than 1,000 characters, is refused: %s", (name) =>
      on(async (stage) => {
        const { runs } = await gated(stage);
        for (const key of ["", "x".repeat(1_001), 7 as unknown as string]) {
          expect(await refusalOf(operation(name).otherwise(runs, key))).toMatchObject({
            code: "invalid_request",
            path: "idempotency_key",
          });
        }
      })(),
    );
  });

  describe("an approval that comes late, or twice", () => {
    const late: Readonly<Record<string, (runs: Runs, revision: number) => Promise<unknown>>> = {
      "that names its gate": (runs) => runs.approve("r", { stepId: "first" }),
      "that names the revision": (runs, expectedRevision) => runs.approve("r", { expectedRevision }),
      "that has a key": (runs) => runs.approve("r", { idempotencyKey: "key" }),
    };
    test.each(Object.keys(late))("%s opens no gate that was asked after the first was decided", (name) =>
      on(async (stage) => {
        const { runs } = await gated(stage);
        const { revision } = await runs.get("r");
        const approve = () => (late[name] as (typeof late)[string])(runs, revision);
        await approve();
        await atGate(runs, "second");
        const rows = await rowsOf(stage.store, stage.tenant, "r");
        const outcome = await approve().then(
          (answer) => (answer as ResumeOutcome).isRepeat,
          (error: { code: string }) => error.code,
        );
        expect(["invalid_request", "precondition_failed", true]).toContain(outcome);
        expect(await rowsOf(stage.store, stage.tenant, "r")).toEqual(rows);
        await atGate(runs, "second");
      })(),
    );
  });
}
