import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { defineCapability, defineGraphSkill, type WorkflowBody } from "../../src/index.ts";
import { type Actor, leaseMs, type Scene, until } from "../support/scene.ts";
import { countEvents, inRealTime, pause, playedOn, recordedSteps, untilRecorded } from "../support/standing.ts";

// That gates are asked at once and decided at any time, and that silence calls nothing, on one medium.

const played = playedOn(harness);

/** A run whose step is in flight until `finish` is called, with gates of these names asked beside it. */
const besideGates = async ({ actor }: Scene, names: readonly string[]) => {
  const work = Promise.withResolvers<string>();
  let signal: AbortSignal | undefined;
  const player: Actor = actor({
    body: async (step) => {
      const [done, ...approvals] = await Promise.all([
        step.do("work", async (context) => {
          signal = context.signal;
          return work.promise;
        }),
        ...names.map((name) => step.waitForApproval(name).then(({ approver }) => approver)),
      ]);
      return [done, ...approvals];
    },
  });
  const runId = await player.begin();
  // The run shows the first gate only, and each is asked by a commit of its own.
  await until(async () => (await countEvents(player.runs, runId, "step.waiting")) === names.length);
  expect(await player.runs.get(runId)).toMatchObject({ approvalRequest: { stepId: names[0] } });
  return { ...player, runId, finish: () => work.resolve("done"), isAborted: () => signal?.aborted };
};

describe(`a gate beside a step in flight on ${medium}`, () => {
  played("is shown, and approved while the step runs", async (scene) => {
    const { runs, runId, finish, settled } = await besideGates(scene, ["gate"]);
    expect(await runs.get(runId)).toMatchObject({
      status: "running",
      approvalRequest: { stepId: "gate", status: "pending" },
    });
    await runs.approve(runId, { approver: "ada" });
    await untilRecorded(runs, runId, "gate");
    expect(await recordedSteps(runs, runId)).toEqual(["gate"]);
    finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["done", "ada"] });
  });

  played("is approved by its name, whatever text that is, and of two the named one", async (scene) => {
    const { runs, runId, finish, settled } = await besideGates(scene, ["legal", "Freigabe für Müller"]);
    await runs.approve(runId, { approver: "ada", stepId: "Freigabe für Müller" });
    await until(async () => (await runs.get(runId)).approvalRequest?.stepId === "legal");
    expect(await runs.get(runId)).toMatchObject({ approvalRequest: { status: "pending" } });
    await runs.approve(runId, { approver: "bob" });
    finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["done", "bob", "ada"] });
  });

  played("two queue: the first one is shown, then the other", async (scene) => {
    const { runs, runId, finish, settled } = await besideGates(scene, ["a", "b"]);
    await runs.approve(runId, { approver: "first" });
    await until(async () => (await runs.get(runId)).approvalRequest?.stepId === "b");
    await runs.approve(runId, { approver: "second" });
    finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["done", "first", "second"] });
  });

  played("that was approved stays approved if the run is resumed after its executor died", async (scene) => {
    const { runs, runId, die } = await besideGates(scene, ["gate"]);
    await die();
    await runs.approve(runId, { approver: "ada" });
    scene.clock.advance(2 * leaseMs);
    const heir = scene.actor({
      body: async (step) => {
        const [, { approver }] = await Promise.all([step.do("work", async () => "done"), step.waitForApproval("gate")]);
        return approver;
      },
    });
    await heir.runs.resume(runId);
    expect(await heir.settled(runId)).toMatchObject({ status: "completed", result: "ada" });
  });

  played("that was approved is not approved again", async (scene) => {
    const { runs, runId, finish, settled } = await besideGates(scene, ["gate"]);
    await runs.approve(runId, { approver: "ada" });
    await expect(runs.approve(runId, { approver: "bob" })).rejects.toMatchObject({ code: "invalid_transition" });
    finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["done", "ada"] });
  });

  played("a late approval that names it never opens the gate that came after it", async (scene) => {
    const { runs, runId, finish, settled } = await besideGates(scene, ["a", "b"]);
    await runs.approve(runId, { stepId: "a" });
    await untilRecorded(runs, runId, "a");
    await expect(runs.approve(runId, { stepId: "a" })).rejects.toMatchObject({ code: "invalid_request" });
    expect(await runs.get(runId)).toMatchObject({ approvalRequest: { stepId: "b", status: "pending" } });
    finish();
    expect(await settled(runId)).toMatchObject({ status: "waiting_for_human", approvalRequest: { stepId: "b" } });
  });

  played("that is denied cancels the run, and aborts the step", async (scene) => {
    const { runs, runId, settled, isAborted } = await besideGates(scene, ["gate"]);
    expect(await runs.deny(runId, { approver: "ada" })).toMatchObject({
      status: "canceled",
      approvalRequest: { stepId: "gate", status: "denied", approver: "ada" },
    });
    await until(() => isAborted() === true);
    expect(await settled(runId)).toMatchObject({ status: "canceled" });
    expect(await recordedSteps(runs, runId)).toEqual([]);
  });

  played("that was approved stays so where the executor dies then", async ({ actor }) => {
    let calls = 0;
    const body: WorkflowBody = async (step) => {
      const [, { approver }] = await Promise.all([
        step.do("work", async () => {
          if (++calls === 1) await new Promise(() => {});
        }),
        step.waitForApproval("gate"),
      ]);
      return approver;
    };
    const first = actor({ body });
    const runId = await first.begin();
    await until(async () => calls === 1 && (await first.runs.get(runId)).approvalRequest !== undefined);
    await first.die();
    const clerk = actor({ body, executes: false });
    await clerk.runs.approve(runId, { approver: "ada" });
    const second = actor({ body });
    expect(await second.later(leaseMs, runId)).toMatchObject({ status: "completed", result: "ada" });
  });

  for (const isConfirmation of [false, true]) {
    played(
      `that was approved ${isConfirmation ? "for an action " : ""}stays so if the pass has no time left and hands the run over`,
      async ({ actor }) => {
        const work = Promise.withResolvers<string>();
        const pay = defineCapability({ id: "pay", version: "1", requiresConfirmation: true }, () => "paid");
        let isSpent = false;
        const { begin, runs, runtime, later } = actor({
          capabilities: [pay],
          isSpent: () => isSpent,
          body: async (step) => {
            const gate = isConfirmation ? step.use("gate", pay, {}) : step.waitForApproval("gate");
            return Promise.all([gate.then(() => "opened"), step.do("work", () => work.promise)]);
          },
        });
        const runId = await begin();
        await until(async () => (await runs.get(runId)).approvalRequest !== undefined);
        isSpent = true;
        await runs.approve(runId, { approver: "ada" });
        work.resolve("done");
        await runtime.idle();
        expect(await countEvents(runs, runId, "run.handed_over")).toBe(1);
        expect(await runs.get(runId)).toMatchObject({ approvalRequest: { status: "approved", approver: "ada" } });
        isSpent = false;
        expect(await later(0, runId)).toMatchObject({ status: "completed", result: ["opened", "done"] });
      },
    );
  }

  played("of a confirmation in a graph is approved while a sibling runs", async ({ actor }) => {
    const work = Promise.withResolvers<string>();
    const { begin, runs, settled } = actor({
      capabilities: [
        defineCapability({ id: "work", version: "1" }, () => work.promise),
        defineCapability({ id: "pay", version: "1", requiresConfirmation: true }, () => "paid"),
      ],
      skills: [
        defineGraphSkill({
          id: "graph",
          version: "1",
          steps: [
            { id: "work", uses: "work", dependsOn: [] },
            { id: "pay", uses: "pay", dependsOn: [], output: "outputs.pay" },
          ],
        }),
      ],
    });
    const runId = await begin({}, "graph");
    await until(async () => (await runs.get(runId)).approvalRequest?.stepId === "pay");
    await runs.approve(runId);
    await untilRecorded(runs, runId, "pay");
    work.resolve("done");
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { pay: "paid" } });
  });
});

describe(`a body that is quiet beside a gate on ${medium}`, () => {
  /** A body that works until the test says so, while its pass parks, and then calls a step. */
  const quiet = (calls: string[]) => {
    const work = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const body: WorkflowBody = async (step) => {
      const approval = step.waitForApproval("gate");
      await step.do("first", async () => calls.push("first"));
      await work.promise;
      const late = step.do("late", async () => {
        calls.push("late");
        return "late";
      });
      asked.resolve();
      return [(await approval).approver, await late];
    };
    return {
      body,
      async askLate() {
        work.resolve();
        await asked.promise;
        await pause(100);
      },
    };
  };

  played("calls nothing once the run is let go, and the step is taken after the approval", async ({ actor }) => {
    const calls: string[] = [];
    const { body, askLate } = quiet(calls);
    const { start, runs, settled } = actor({ ...inRealTime, body });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "waiting_for_human" });
    await askLate();
    expect(calls).toEqual(["first"]);
    await runs.approve(runId, { approver: "ada" });
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["ada", "late"] });
    expect(calls).toEqual(["first", "late"]);
  });

  played("nor once the run was canceled", async ({ actor }) => {
    const calls: string[] = [];
    const { body, askLate } = quiet(calls);
    const { start, runs } = actor({ ...inRealTime, body });
    const { runId } = await start();
    await runs.cancel(runId);
    await askLate();
    expect(calls).toEqual(["first"]);
    expect(await runs.get(runId)).toMatchObject({ status: "canceled" });
  });
});

describe(`a step that is asked for once the pass is over on ${medium}`, () => {
  played("calls nothing", async ({ actor }) => {
    const calls: string[] = [];
    const over = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const { start, runs } = actor({
      ...inRealTime,
      body: async (step) => {
        void over.promise.then(() => {
          void step.do("late", async () => calls.push("late"));
          void step.use("later", "note");
          asked.resolve();
        });
        return step.do("first", async () => "done");
      },
      capabilities: [defineCapability({ id: "note", version: "1" }, () => calls.push("later"))],
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "completed", result: "done" });
    over.resolve();
    await asked.promise;
    await pause(100);
    expect(calls).toEqual([]);
    expect(await recordedSteps(runs, runId)).toEqual(["first"]);
  });
});
