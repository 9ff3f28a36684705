import * as v from "valibot";
import { describe, expect, expectTypeOf, test } from "vitest";
import { harness, medium } from "#medium";
import { defineMigration, defineSkill } from "../../src/index.ts";
import { approvals } from "../../src/steps.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import { type Actor, type Scene, scene } from "../support/scene.ts";
import { countEvents, headOf } from "../support/standing.ts";

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

const amount = v.object({ amount: v.pipe(v.number(), v.minValue(1)) });

const refund = defineSkill({
  id: "refund",
  version: "1",
  uses: [approvals({ manager: amount })],
  async run(step, { order }: { order: string }) {
    const { data, approver } = await step.waitForApproval("manager", { show: { order, due: new Date(0) } });
    expectTypeOf(data).toEqualTypeOf<{ amount: number }>();
    return { order, refunded: data.amount, approver };
  },
});

const asking = defineSkill({
  id: "asking",
  version: "1",
  uses: [approvals()],
  async run(step) {
    const first = await step.waitForApproval("first", {});
    const second = await step.waitForApproval("second", { show: [1n] });
    return [first.data, second.data];
  },
});

const waiting = async (home: Actor) => (await home.start({ order: "7" }, "refund")).runId;

describe(`an approval with content on ${medium}`, () => {
  played("shows what is to be approved, and its data reaches the body", async ({ actor }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    const run = await home.runs.get(runId);
    expect(run).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "manager", status: "pending" },
    });
    expect(run.approvalRequest?.show).toEqual({ order: "7", due: new Date(0) });
    expect((await home.runs.list()).items[0]?.approvalRequest?.show).toEqual({ order: "7", due: new Date(0) });
    await home.runs.approve(runId, { approver: "ann", data: { amount: 12 } });
    expect(await home.settled(runId)).toMatchObject({
      status: "completed",
      result: { order: "7", refunded: 12, approver: "ann" },
      approvalRequest: { status: "approved", show: { order: "7" } },
    });
    const recorded = (await headOf(home.runs, runId)).stepResults.manager;
    expect(recorded).toMatchObject({ resolvedInput: { order: "7" }, producedOutput: { data: { amount: 12 } } });
  });

  played("rejects data that does not match, names the place, and the gate stays open", async ({ actor }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    const before = await home.runs.get(runId);
    const wrong = [
      [{ amount: "12" }, "data.amount"],
      [{ amount: 0 }, "data.amount"],
      [{}, "data.amount"],
      ["12", "data"],
      [undefined, "data"],
    ] as const;
    for (const [data, path] of wrong) {
      await expect(home.runs.approve(runId, { data })).rejects.toMatchObject({ code: "invalid_request", path });
    }
    await expect(home.runs.approve(runId, { data: () => {} })).rejects.toMatchObject({ path: "data" });
    expect(await home.runs.get(runId)).toEqual(before);
    expect(await countEvents(home.runs, runId, "run.approved")).toBe(0);
    await home.runs.approve(runId, { data: { amount: 1, more: "is dropped" } });
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: { refunded: 1 } });
  });

  played("of two at once, exactly one counts", async ({ actor }) => {
    const skill = defineSkill({
      id: "twice",
      version: "1",
      uses: [approvals({ ask: v.number() })],
      run: async (step) => {
        const first = await step.waitForApproval("ask", { show: "first" });
        const second = await step.waitForApproval("ask", { show: "second" });
        return [first.data, second.data];
      },
    });
    const homes = [actor({ skills: [skill] }), actor({ skills: [skill] })] as const;
    const { runId } = await homes[0].start({}, "twice");
    const answers = await Promise.allSettled(
      [1, 2, 3, 4].map((data) => homes[data % 2 === 0 ? 0 : 1].runs.approve(runId, { stepId: "ask", data })),
    );
    const counted = answers.flatMap(({ status }, index) => (status === "fulfilled" ? [index + 1] : []));
    expect(counted).toHaveLength(1);
    for (const { runtime } of homes) await runtime.idle();
    expect((await homes[0].runs.get(runId)).approvalRequest).toMatchObject({ stepId: "ask#2", show: "second" });
    await homes[0].runs.approve(runId, { stepId: "ask#2", data: 9 });
    expect(await homes[0].settled(runId)).toMatchObject({ result: [counted[0], 9] });
  });

  played("is kept by a crash between the approval and the step", async ({ actor }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    await home.die();
    const outside = actor({ skills: [refund], executes: false });
    await outside.runs.approve(runId, { data: { amount: 3 } });
    expect(await actor({ skills: [refund] }).later(1, runId)).toMatchObject({ result: { refunded: 3 } });
  });

  played("while other steps are in flight carries its data too", async ({ actor }) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const skill = defineSkill({
      id: "side",
      version: "1",
      uses: [approvals({ ask: v.string() })],
      run: async (step) => {
        const [, { data }] = await Promise.all([
          step.do("work", async () => held),
          step.waitForApproval("ask", { show: null }),
        ]);
        return data;
      },
    });
    const home = actor({ skills: [skill] });
    const runId = await home.begin({}, "side");
    await expect.poll(async () => (await home.runs.get(runId)).approvalRequest?.status).toBe("pending");
    await expect(home.runs.approve(runId, { data: 7 })).rejects.toMatchObject({ path: "data" });
    await home.runs.approve(runId, { data: "yes" });
    release();
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "yes" });
  });

  played("is replayed with its recorded answer, and asked again by a fork from before", async ({ actor }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    const { items } = await home.runs.listCheckpoints(runId);
    await home.runs.approve(runId, { data: { amount: 5 } });
    await home.runtime.idle();
    const { run: replay } = await home.runs.replay(runId);
    expect(await home.settled(replay.runId)).toMatchObject({ result: { refunded: 5 } });
    const { run: fork } = await home.runs.fork(runId, { checkpointId: items[0]?.checkpointId ?? "" });
    await home.runs.resume(fork.runId);
    expect(await home.settled(fork.runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { status: "pending", show: { order: "7" } },
    });
    await expect(home.runs.approve(fork.runId)).rejects.toMatchObject({ code: "invalid_request" });
  });

  played("is in an export, open or decided", async ({ actor, open }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    const lines: string[] = [];
    for await (const line of exportRun(home.runs, runId)) lines.push(line);
    const other = actor({ skills: [refund], store: await open() });
    const elsewhere = other.runtime.for("elsewhere");
    await importRun(elsewhere, lines);
    expect((await elsewhere.get(runId)).approvalRequest?.show).toEqual({ order: "7", due: new Date(0) });
    await elsewhere.approve(runId, { data: { amount: 8 } });
    await other.runtime.idle();
    expect(await elsewhere.get(runId)).toMatchObject({ result: { refunded: 8 } });
  });

  played("under an idempotency key is one answer, and another under the same key a conflict", async ({ actor }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    const once = { idempotencyKey: "once" };
    await home.runs.approve(runId, { ...once, data: { amount: 2 } });
    expect(await home.runs.approve(runId, { ...once, data: { amount: 2 } })).toMatchObject({ isRepeat: true });
    await expect(home.runs.approve(runId, { ...once, data: { amount: 3 } })).rejects.toMatchObject({
      code: "idempotency_conflict",
    });
    expect(await home.settled(runId)).toMatchObject({ result: { refunded: 2 } });
  });

  played("has any data if no schema is declared, and none is none", async ({ actor }) => {
    const home = actor({ skills: [asking] });
    const { runId } = await home.start({}, "asking");
    expect((await home.runs.get(runId)).approvalRequest).toMatchObject({ stepId: "first", show: null });
    await home.runs.approve(runId);
    await home.runtime.idle();
    await home.runs.approve(runId, { data: new Map([["a", 1]]) });
    expect(await home.settled(runId)).toMatchObject({ result: [undefined, new Map([["a", 1]])] });
  });

  played("is rejected at a gate that takes none, which stays open", async ({ actor }) => {
    const home = actor({ body: (step) => step.waitForApproval("sign") });
    const { runId } = await home.start();
    expect((await home.runs.get(runId)).approvalRequest).not.toHaveProperty("show");
    await expect(home.runs.approve(runId, { data: 1 })).rejects.toMatchObject({
      code: "invalid_request",
      message: "data: this gate takes no data",
    });
    await home.runs.approve(runId);
    expect(await home.settled(runId)).toMatchObject({ status: "completed" });
  });

  played("is checked by a later version, whose step has another name", async ({ actor }) => {
    const runId = await waiting(actor({ skills: [refund] }));
    const later = defineSkill({
      id: "refund",
      version: "2",
      uses: [approvals({ boss: amount })],
      migrations: [defineMigration({ from: "1", renames: { manager: "boss" } })],
      run: async (step) => (await step.waitForApproval("boss", { show: null })).data.amount,
    });
    const home = actor({ skills: [later] });
    await expect(home.runs.approve(runId, { data: { amount: "3" } })).rejects.toMatchObject({ path: "data.amount" });
    await home.runs.approve(runId, { data: { amount: 3 } });
    expect(await home.settled(runId)).toMatchObject({ status: "completed", result: 3 });
  });

  played("that is denied needs no data", async ({ actor }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    expect(await home.runs.deny(runId, { notes: "no" })).toMatchObject({ status: "canceled" });
  });

  played("by a server without the skill is a not_found, and the gate stays open", async ({ actor }) => {
    const home = actor({ skills: [refund] });
    const runId = await waiting(home);
    await expect(actor().runs.approve(runId, { data: { amount: 1 } })).rejects.toMatchObject({ missing: "skill" });
    expect(await home.runs.get(runId)).toMatchObject({ status: "waiting_for_human" });
  });

  played("shows a bounded value, and the body gets the error of a larger one", async ({ actor }) => {
    const large = defineSkill({
      id: "asking",
      version: "1",
      uses: [approvals()],
      async run(step) {
        const problems: unknown[] = [];
        for (const show of ["x".repeat(17_000), () => {}]) {
          await step.waitForApproval("ask", { show }).catch(({ code, path }) => problems.push([code, path]));
        }
        await step.waitForApproval("ask", { show: "x".repeat(16_000) });
        return problems;
      },
    });
    const home = actor({ skills: [large] });
    const { runId } = await home.start({}, "asking");
    expect((await home.runs.get(runId)).approvalRequest?.show).toHaveLength(16_000);
    await home.runs.approve(runId);
    expect(await home.settled(runId)).toMatchObject({
      result: [
        ["too_large", "ask.show"],
        ["invalid_request", "ask.show"],
      ],
    });
  });
});

test("schemas of approvals are checked when the skill is defined", () => {
  expect(() => approvals({ manager: {} as never })).toThrow(
    "approvals.manager: expected a schema of Standard Schema v1",
  );
  expect(() => approvals([] as never)).toThrow("approvals: expected a plain object");
});
