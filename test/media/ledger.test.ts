import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { intercepted } from "../../src/conformance/faults.ts";
import { saveCheckpoint } from "../../src/index.ts";
import { codeOffice, gates, happened, postOffice, published, to, withFailing } from "../support/post-office.ts";
import { type Scene, scene, tenant } from "../support/scene.ts";

// What the ledger promises, on one medium.

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

describe(`a ledger of too many effects on ${medium}`, () => {
  played("is not inherited in part: the replay and the fork are refused, and nothing is born", async (scene) => {
    const { actor, store } = scene;
    const { run } = await published(scene, postOffice());
    const recorded = (count: number) => ({
      format: 1,
      step_id: `step ${count}`,
      uses: "mail",
      request_hash: "f".repeat(64),
      ordinal: 1,
      status: "recorded",
      output: null,
    });
    let count = 0;
    const endless = intercepted(store, async ({ method }, proceed) => {
      if (method !== "listClaims") return proceed();
      const page = Array.from({ length: 200 }, () => {
        const key = String(++count).padStart(8, "0");
        return { tenant, kind: "effect", key, runId: run.runId, body: JSON.stringify(recorded(count)) };
      });
      return page as never;
    });
    const { runs } = actor({ ...postOffice(), store: endless });
    const before = await runs.count();
    await expect(runs.replay(run.runId, { newRunId: "replay" })).rejects.toMatchObject({ code: "too_large" });
    expect(count).toBe(10_000);
    expect(await runs.count()).toBe(before);
  });
});

describe(`a recorded effect on ${medium}`, () => {
  played("is reported with the step that it completed", async (scene) => {
    const { run, runs } = await published(scene, postOffice());
    const events = (await runs.events(run.runId)).items;
    const recorded = events.filter(({ eventType }) => eventType === "side_effect.recorded");
    expect(recorded.map(({ payload }) => payload)).toEqual([
      { step_id: "mail", uses: "mail", request_hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
    expect(await happened(runs, run.runId, "mail")).toEqual(["step.started", "side_effect.recorded", "step.completed"]);
  });

  played("of another run is none, even under the key that this run would have", async (scene) => {
    const { actor, store } = scene;
    const { run } = await published(scene, postOffice());
    const [claim] = await store.listClaims(tenant, run.runId, { limit: 1 });
    if (claim === undefined) throw new Error("the run has no claim");
    const office = postOffice();
    // The medium says that another run entered what this one is about to ask for.
    let isFirst = true;
    const forged = intercepted(store, async ({ method }, proceed) => {
      if (method !== "getClaim" || !isFirst) return proceed();
      isFirst = false;
      return { ...claim, runId: "another" } as never;
    });
    const { start, runs } = actor({ ...office, store: forged });
    const { runId } = await start(to, "news");
    expect(office.sent).toHaveLength(1);
    expect((await runs.events(runId)).items.map(({ eventType }) => eventType)).not.toContain("side_effect.reused");
  });

  played("is not done again by a replay, from whichever checkpoint", async (scene) => {
    const office = postOffice();
    const { run, runs, settled } = await published(scene, office);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    for (const { checkpointId, stepId } of checkpoints.slice(0, -1)) {
      const { run: replay } = await runs.replay(run.runId, { checkpointId });
      expect(await settled(replay.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
      const isBefore = stepId === undefined || stepId === "draft";
      const reuse = ["side_effect.reused", "step.completed"];
      expect(await happened(runs, replay.runId, "mail")).toEqual(isBefore ? reuse : []);
    }
    expect(office.sent).toHaveLength(1);
  });

  played("is not done again by a replay of a replay, nor by one of a run that reused it", async (scene) => {
    const office = postOffice();
    const { run, runs, settled } = await published(scene, office);
    let source = run.runId as string;
    for (let generation = 0; generation < 3; generation++) {
      const { items: checkpoints } = await runs.listCheckpoints(source);
      const { run: replay } = await runs.replay(source, { checkpointId: checkpoints[0]?.checkpointId as string });
      expect(await settled(replay.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
      source = replay.runId;
    }
    expect(office.sent).toHaveLength(1);
  });

  played("is not done again by a resume from before it", async ({ actor }) => {
    const office = postOffice();
    const { start, runs, settled } = actor({ ...office, capabilities: withFailing("after", office) });
    const { runId } = await start(to, "news");
    const { items: checkpoints } = await runs.listCheckpoints(runId);
    await runs.resume(runId, { checkpointId: checkpoints[0]?.checkpointId as string });
    await settled(runId);
    expect(office.sent).toHaveLength(1);
    const mailed = await happened(runs, runId, "mail");
    expect(mailed.filter((type) => type.startsWith("side_effect"))).toEqual([
      "side_effect.recorded",
      "side_effect.reused",
    ]);
  });

  played("stays a replay's own when the source is deleted before it begins", async (scene) => {
    const office = postOffice();
    const { run, runs } = await published(scene, office);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    const checkpointId = checkpoints[0]?.checkpointId as string;
    // Born by a runtime that does not execute, so that it has everything yet to do.
    const { run: replay } = await scene.actor({ ...office, executes: false }).runs.replay(run.runId, { checkpointId });
    await runs.delete(run.runId);
    const last = scene.actor(office);
    expect(await last.later(0, replay.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
    expect(office.sent).toHaveLength(1);
    await expect(last.runs.replay(run.runId)).rejects.toMatchObject({ code: "not_found", missing: "run" });
  });

  played("stays a replay's own, and its replay's, when the source is deleted", async (scene) => {
    const office = postOffice();
    const { run, runs, settled } = await published(scene, office);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    const [first] = checkpoints;
    const { run: replay } = await runs.replay(run.runId, { checkpointId: first?.checkpointId as string });
    await settled(replay.runId);
    await runs.delete(run.runId);
    const { run: again } = await runs.replay(replay.runId, { checkpointId: first?.checkpointId as string });
    expect(await settled(again.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
    expect(office.sent).toHaveLength(1);
  });

  played("is one of its step: the same request by another step is another effect", async ({ actor }) => {
    const office = postOffice();
    const { start, runs, settled } = actor(office);
    const { runId } = await start(to, "two mails");
    expect(office.delivered()).toBe(2);
    const { items: checkpoints } = await runs.listCheckpoints(runId);
    const { run } = await runs.replay(runId, { checkpointId: checkpoints[0]?.checkpointId as string });
    expect(await settled(run.runId)).toMatchObject({ status: "completed" });
    expect(office.sent).toHaveLength(2);
  });

  played("is one of its request: with another input it is another effect, under another key", async ({ actor }) => {
    const office = postOffice();
    const { start, runs, settled } = actor(office);
    const { runId } = await start(to, "early news");
    const { items: checkpoints } = await runs.listCheckpoints(runId);
    const { state } = await runs.loadCheckpoint(runId, checkpoints[0]?.checkpointId as string);
    for (const name of ["bob", "ada"]) {
      const edited = { ...state, inputs: { to: name } };
      const { checkpointId } = await saveCheckpoint(runs, runId, { kind: "state_edited", state: edited });
      await runs.resume(runId, { checkpointId });
      expect(await settled(runId)).toMatchObject({ status: "waiting_for_signal" });
    }
    expect(office.sent.map(({ to }) => to)).toEqual(["ada", "bob"]);
    expect(office.delivered()).toBe(2);
  });

  played("of kind `write` is recorded too; a read is not, and is done again", async ({ actor }) => {
    for (const [sideEffects, calls] of [
      ["write", 1],
      ["read", 2],
      ["none", 2],
    ] as const) {
      const office = postOffice({ sideEffects });
      const { start, runs, settled } = actor(office);
      const { runId } = await start(to, "news");
      const { items: checkpoints } = await runs.listCheckpoints(runId);
      const { run } = await runs.replay(runId, { checkpointId: checkpoints[0]?.checkpointId as string });
      await settled(run.runId);
      expect([sideEffects, office.sent.length]).toEqual([sideEffects, calls]);
    }
  });

  played("of a code-first step is reused as well", async ({ actor }) => {
    const sent: string[] = [];
    const { start, runs, settled } = actor({
      body: async (step) => {
        await step.do("draft", async () => "text");
        const mail = (to: string) =>
          step.do("mail", { sideEffects: "external_action" }, async ({ idempotencyKey }) => {
            sent.push(idempotencyKey);
            return `sent to ${to}`;
          });
        return [await mail("ada"), await mail("bob")];
      },
    });
    const run = await start();
    expect(run.result).toEqual(["sent to ada", "sent to bob"]);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    const { run: replay } = await runs.replay(run.runId, { checkpointId: checkpoints[0]?.checkpointId as string });
    expect(await settled(replay.runId)).toMatchObject({ status: "completed", result: run.result });
    expect(sent).toHaveLength(2);
    expect(new Set(sent).size).toBe(2);
  });

  played("that is too large for the ledger fails its step with a typed error", async ({ actor }) => {
    const office = postOffice();
    office.afterwards = () => "x".repeat(300_000);
    const { start, runs, settled } = actor(office);
    const { runId, ...run } = await start(to, "news");
    expect(run).toMatchObject({ status: "failed", error: { code: "invalid_output", stepId: "mail" } });
    expect(run.error?.message).toContain("too large for the ledger");
    office.afterwards = () => "a reference";
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { mail: "a reference" } });
    expect(office.delivered()).toBe(1);
  });
});

describe(`policies on ${medium}`, () => {
  played("`reexecute` does it again, as a new entry under another key", async (scene) => {
    const office = postOffice({ replayPolicy: "reexecute" });
    const { run, runs, settled } = await published(scene, office);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    const before = checkpoints[0]?.checkpointId as string;
    const replays: string[] = [];
    for (let n = 0; n < 2; n++) {
      const { run: replay } = await runs.replay(run.runId, { checkpointId: before });
      expect(await settled(replay.runId)).toMatchObject({ status: "completed" });
      replays.push(replay.runId);
      expect(await happened(runs, replay.runId, "mail")).toContain("side_effect.recorded");
    }
    const { run: again } = await runs.replay(replays[0] as string, { checkpointId: before });
    await settled(again.runId);
    expect(office.sent).toHaveLength(4);
    expect(office.delivered()).toBe(4);
  });

  played("`reexecute` in the same run takes another key too", async ({ actor }) => {
    const office = postOffice({ replayPolicy: "reexecute" });
    const { start, runs, settled } = actor({ ...office, capabilities: withFailing("after", office) });
    const { runId } = await start(to, "news");
    const { items: checkpoints } = await runs.listCheckpoints(runId);
    for (let n = 0; n < 2; n++) {
      await runs.resume(runId, { checkpointId: checkpoints[0]?.checkpointId as string });
      await settled(runId);
    }
    expect(office.delivered()).toBe(3);
  });

  played("`require_human` waits, does it once it is approved, and never when it is denied", async (scene) => {
    const office = postOffice({ replayPolicy: "require_human" });
    const { run, runs, settled } = await published(scene, office);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    const before = checkpoints[0]?.checkpointId as string;
    const { run: replay } = await runs.replay(run.runId, { checkpointId: before });
    expect(await settled(replay.runId)).toMatchObject({
      status: "waiting_for_human",
      approvalRequest: { stepId: "mail", capabilityId: "mail", status: "pending" },
    });
    expect(await gates(runs, replay.runId)).toEqual([{ step_id: "mail", capability_id: "mail", reason: "replay" }]);
    expect(office.sent).toHaveLength(1);
    await runs.approve(replay.runId, { approver: "ada" });
    expect(await settled(replay.runId)).toMatchObject({ status: "completed" });
    expect(office.delivered()).toBe(2);

    const { run: other } = await runs.replay(run.runId, { checkpointId: before });
    await settled(other.runId);
    expect(await runs.deny(other.runId)).toMatchObject({ status: "canceled" });
    expect(office.sent).toHaveLength(2);
    // An approval of one replay is none of the next.
    const { run: next } = await runs.replay(replay.runId, { checkpointId: before });
    expect(await settled(next.runId)).toMatchObject({ status: "waiting_for_human" });
    expect(office.sent).toHaveLength(2);
  });

  for (const form of ["graph", "code-first"] as const) {
    played(`of a replay of a ${form} run hold where its source was deleted before it began`, async (scene) => {
      for (const replayPolicy of [undefined, "reexecute", "require_human"] as const) {
        const policy = replayPolicy === undefined ? {} : { replayPolicy };
        const office = form === "graph" ? postOffice(policy) : codeOffice(policy);
        const { run, runs } = await published(scene, office);
        const { items: checkpoints } = await runs.listCheckpoints(run.runId);
        // Born by a runtime that does not execute, so that it has everything yet to do.
        const { run: replay } = await scene
          .actor({ ...office, executes: false })
          .runs.replay(run.runId, { checkpointId: checkpoints[0]?.checkpointId as string });
        await runs.delete(run.runId);
        const last = scene.actor(office);
        const replayed = await last.later(0, replay.runId);
        if (replayPolicy === "require_human") {
          expect(replayed).toMatchObject({ status: "waiting_for_human", approvalRequest: { stepId: "mail" } });
          expect(office.sent).toHaveLength(1);
          await last.runs.approve(replay.runId);
        }
        expect(await last.settled(replay.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
        expect([replayPolicy, office.delivered()]).toEqual([replayPolicy, replayPolicy === undefined ? 1 : 2]);
        expect(office.sent).toHaveLength(office.delivered());
      }
    });
  }

  played("an approval of the capability in the source does not approve its repetition", async ({ actor }) => {
    const office = postOffice({ replayPolicy: "require_human", requiresConfirmation: true });
    const { start, runs, settled } = actor(office);
    const { runId } = await start(to, "news");
    await runs.approve(runId);
    expect(await settled(runId)).toMatchObject({ status: "completed" });
    const { items: checkpoints } = await runs.listCheckpoints(runId);
    const { run } = await runs.replay(runId, { checkpointId: checkpoints[0]?.checkpointId as string });
    expect(await settled(run.runId)).toMatchObject({ status: "waiting_for_human" });
    expect(await gates(runs, run.runId)).toMatchObject([{ reason: "replay" }]);
    expect(office.sent).toHaveLength(1);
  });
});

describe(`a fork on ${medium}`, () => {
  played("from before the effect has its own, under its own key", async (scene) => {
    const office = postOffice();
    const { run, runs, settled } = await published(scene, office);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    for (let n = 0; n < 2; n++) {
      const { run: fork } = await runs.fork(run.runId, { checkpointId: checkpoints[0]?.checkpointId as string });
      await runs.resume(fork.runId);
      expect(await settled(fork.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
    }
    expect(office.sent).toHaveLength(3);
    expect(office.delivered()).toBe(3);
  });

  played("from after the effect has it behind it, and so has its replay", async (scene) => {
    const office = postOffice();
    const { run, runs, settled } = await published(scene, office);
    const { items: checkpoints } = await runs.listCheckpoints(run.runId);
    const after = checkpoints.find(({ stepId }) => stepId === "mail")?.checkpointId as string;
    const { run: fork } = await runs.fork(run.runId, { checkpointId: after });
    await runs.resume(fork.runId);
    expect(await settled(fork.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
    const { run: replay } = await runs.replay(fork.runId, { checkpointId: after });
    expect(await settled(replay.runId)).toMatchObject({ status: "completed", result: { mail: "sent" } });
    expect(office.sent).toHaveLength(1);
  });
});
