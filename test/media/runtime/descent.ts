import { describe, expect, test } from "vitest";
import { writeTombstone } from "../../../src/codec/bodies.ts";
import { completed, deferred, type OnStage, refusalOf, type Stage, until } from "../../support/stage.ts";
import { checkpointAfter, checkpointOfKind, eventsOf, eventTypesOf, kindsOf, rowsOf } from "../../support/stored.ts";

const kinds = ["replay", "fork"] as const;

async function descend({ runs }: Stage, kind: "replay" | "fork", checkpointId?: string) {
  return runs[kind]("r", { newRunId: kind, ...(checkpointId === undefined ? {} : { checkpointId }) });
}

export function descentCases(on: OnStage): void {
  describe("replay", () => {
    test(
      "makes a new run that executes from the checkpoint's state, and skips what that has",
      on(async (stage) => {
        const { runs, home, counts } = stage;
        await completed(stage, "chain", "r", { text: "a" });
        const checkpointId = await checkpointAfter(runs, "r", "one");
        const outcome = await descend(stage, "replay", checkpointId);
        expect(outcome).toMatchObject({
          checkpointId,
          sourceRunId: "r",
          run: { runId: "replay", status: "replaying" },
        });
        await home.idle();
        expect(counts("replay")).toEqual({ two: 1, three: 1 });
        expect(await runs.get("replay")).toMatchObject({ status: "completed", result: { three: "three done" } });
        expect(await kindsOf(runs, "replay")).toEqual([
          "step_completed one",
          "run_started",
          "step_completed two",
          "step_completed three",
          "run_finished",
        ]);
      }),
    );

    test(
      "is replaying first, and then running",
      on(async (stage) => {
        const { runs, home, handlers, counts } = stage;
        await completed(stage, "pair", "r");
        const hold = deferred();
        handlers.set("left", () => hold.promise);
        const { run } = await descend(stage, "replay", await checkpointOfKind(runs, "r", "run_started"));
        expect(run.status).toBe("replaying");
        expect(run.startedAt).toBeDefined();
        await until("it executes", () => counts("replay").left === 1);
        expect((await runs.get("replay")).status).toBe("running");
        hold.resolve();
        await home.idle();
        expect((await eventTypesOf(runs, "replay")).slice(0, 2)).toEqual(["run.created", "run.started"]);
      }),
    );

    test(
      "of a finished head executes nothing, and has its result",
      on(async (stage) => {
        const { runs, home, counts } = stage;
        const source = await completed(stage, "pair", "r");
        expect((await descend(stage, "replay")).checkpointId).toBe(source.checkpointHead);
        await home.idle();
        expect(counts("replay")).toEqual({});
        expect(await runs.get("replay")).toMatchObject({ status: "completed", result: source.result });
      }),
    );

    test(
      "waits for a person again where its source was approved after the checkpoint, unless that is confirmed",
      on(async (stage) => {
        const { runs, home, counts } = stage;
        await runs.start({ skillId: "gated", runId: "r" });
        await home.idle();
        const waiting = await checkpointOfKind(runs, "r", "run_waiting_for_human");
        await runs.replay("r", { checkpointId: waiting, newRunId: "early" });
        await home.idle();
        expect((await runs.get("early")).status).toBe("waiting_for_human");
        await runs.approve("r");
        await home.idle();
        await runs.replay("r", { checkpointId: waiting, newRunId: "late" });
        await home.idle();
        expect((await runs.get("late")).status).toBe("completed");
        expect(counts()).toEqual({ draft: 1, send: 2, file: 2 });
      }),
    );

    test.each(["run_started", "one", "two", "three", "run_finished"])(
      "from the checkpoint of %s ends as its source did, step for step",
      (from) =>
        on(async (stage) => {
          const { runs, home, handlers, counts } = stage;
          handlers.set("one", (input) => ({ of: input, odd: new Map([[1, new Date(0)]]) }));
          const source = await completed(stage, "chain", "r", { text: "a" });
          const isStep = ["one", "two", "three"].includes(from);
          const checkpointId = await (isStep ? checkpointAfter : checkpointOfKind)(runs, "r", from);
          const done = Object.keys((await runs.loadCheckpoint("r", checkpointId)).state.stepResults);
          await descend(stage, "replay", checkpointId);
          await home.idle();
          const replayed = await runs.get("replay");
          expect(replayed.result).toEqual(source.result);
          const [a, b] = await Promise.all([
            runs.loadCheckpoint("r", source.checkpointHead ?? ""),
            runs.loadCheckpoint("replay", replayed.checkpointHead ?? ""),
          ]);
          expect(b.state).toEqual(a.state);
          const steps = ["one", "two", "three"];
          expect(Object.keys(counts("replay"))).toEqual(steps.filter((step) => !done.includes(step)));
        })(),
    );
  });

  describe("fork", () => {
    test(
      "makes a new pending run on the checkpoint, which executes nothing until it is resumed",
      on(async (stage) => {
        const { runs, home, counts, tenant } = stage;
        await completed(stage, "chain", "r", { text: "a" });
        const checkpointId = await checkpointAfter(runs, "r", "two");
        const outcome = await descend(stage, "fork", checkpointId);
        expect(outcome).toMatchObject({ checkpointId, sourceRunId: "r", run: { runId: "fork", status: "pending" } });
        expect(outcome.run.checkpointHead).toBe(checkpointId);
        expect(outcome.run.startedAt).toBeUndefined();
        await home.drain({ tenant });
        expect(counts("fork")).toEqual({});
        expect(await kindsOf(runs, "fork")).toEqual(["step_completed two"]);
        await runs.resume("fork");
        await home.idle();
        expect(counts("fork")).toEqual({ three: 1 });
        expect(await runs.get("fork")).toMatchObject({ status: "completed", result: { three: "three done" } });
      }),
    );

    test(
      "of a fork is a fork, as often as one likes",
      on(async (stage) => {
        const { runs, home, counts } = stage;
        await completed(stage, "chain", "r");
        await runs.fork("r", { newRunId: "f1", checkpointId: await checkpointAfter(runs, "r", "one") });
        await runs.fork("f1", { newRunId: "f2" });
        await runs.fork("f2", { newRunId: "f3" });
        await runs.resume("f3");
        await home.idle();
        expect(counts("f3")).toEqual({ two: 1, three: 1 });
        expect((await runs.get("f3")).metadata).toMatchObject({ source_run_id: "f2" });
        expect((await runs.get("f2")).status).toBe("pending");
      }),
    );

    test(
      "can be canceled before it is resumed",
      on(async (stage) => {
        await completed(stage, "pair", "r");
        await descend(stage, "fork");
        expect((await stage.runs.cancel("fork")).status).toBe("canceled");
        expect((await stage.runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "carries what a person confirmed",
      on(async (stage) => {
        const { runs, home, counts } = stage;
        await runs.start({ skillId: "gated", runId: "r" });
        await home.idle();
        await runs.approve("r");
        await home.idle();
        await descend(stage, "fork", await checkpointAfter(runs, "r", "draft"));
        await runs.resume("fork");
        await home.idle();
        expect(await runs.get("fork")).toMatchObject({ status: "completed" });
        expect(counts("fork")).toEqual({ send: 1, file: 1 });
      }),
    );

    test(
      "of a run that was not approved waits for its own approval",
      on(async (stage) => {
        const { runs, home } = stage;
        await runs.start({ skillId: "gated", runId: "r" });
        await home.idle();
        await descend(stage, "fork");
        await runs.approve("r");
        await runs.resume("fork");
        await home.idle();
        expect((await runs.get("fork")).status).toBe("waiting_for_human");
      }),
    );
  });

  describe.each(kinds)("lineage of a %s", (kind) => {
    test(
      "names its source, its checkpoint and its mode, and keeps the source's metadata and trace",
      on(async (stage) => {
        const { runs, home } = stage;
        const given = { traceId: "trace", threadId: "thread", sessionId: "session", environment: "test" };
        await runs.start({ skillId: "chain", runId: "r", inputs: { text: "a" }, metadata: { owner: "ann" }, ...given });
        await home.idle();
        const checkpointId = await checkpointAfter(runs, "r", "one");
        const { run } = await descend(stage, kind, checkpointId);
        expect(run).toMatchObject({
          ...given,
          skillId: "chain",
          skillVersion: "1.0.0",
          tenantId: stage.tenant,
          metadata: {
            owner: "ann",
            source_run_id: "r",
            source_checkpoint_id: checkpointId,
            [`${kind}_mode`]: `checkpoint_${kind}`,
          },
        });
        expect(Object.keys(run.metadata)).toHaveLength(4);
        await home.idle();
        expect((await runs.loadCheckpoint(run.runId, checkpointId)).state.inputs).toEqual({ text: "a" });
        expect((await runs.list({ sourceRunId: "r" })).items.map(({ runId }) => runId)).toEqual([kind]);
        const [born] = await eventsOf(runs, kind);
        expect(born).toMatchObject({
          eventType: "run.created",
          traceId: "trace",
          payload: { source_run_id: "r", source_checkpoint_id: checkpointId },
        });
      }),
    );

    test(
      "of a descendant names its own source and its own mode alone",
      on(async (stage) => {
        const { runs, home } = stage;
        await completed(stage, "pair", "source");
        await runs.replay("source", { newRunId: "r" });
        await home.idle();
        await descend(stage, kind);
        await runs.fork("source", { newRunId: "f" });
        await runs[kind]("f", { newRunId: "second" });
        await home.idle();
        const modes = async (runId: string) => {
          const { metadata } = await runs.get(runId);
          return [metadata.source_run_id, metadata.replay_mode, metadata.fork_mode];
        };
        const [replayMode, forkMode] = kind === "replay" ? ["checkpoint_replay"] : [undefined, "checkpoint_fork"];
        expect(await modes(kind)).toEqual(["r", replayMode, forkMode]);
        expect(await modes("second")).toEqual(["f", replayMode, forkMode]);
      }),
    );

    test(
      "has an id of its own every time, and a state of its own under the checkpoint's id",
      on(async (stage) => {
        const { runs, home } = stage;
        const source = await completed(stage, "pair", "r");
        const ids = [];
        for (let n = 0; n < 5; n++) ids.push((await runs[kind]("r")).run.runId);
        await home.idle();
        expect(new Set([...ids, "r"]).size).toBe(6);
        const head = source.checkpointHead ?? "";
        const original = await runs.loadCheckpoint("r", head);
        for (const runId of ids) {
          const copy = await runs.loadCheckpoint(runId, head);
          expect(copy).toEqual({ state: original.state, record: { ...original.record, runId } });
        }
      }),
    );

    test(
      "leaves its source byte for byte as it was",
      on(async (stage) => {
        const { runs, home, store, tenant } = stage;
        await completed(stage, "chain", "r", { text: "a" });
        const before = await rowsOf(store, tenant, "r");
        for (const { checkpointId } of (await runs.listCheckpoints("r")).items) {
          const { run } = await runs[kind]("r", { checkpointId });
          await home.idle();
          if (kind === "fork") await runs.resume(run.runId);
          await home.idle();
          expect((await runs.get(run.runId)).status).toBe("completed");
        }
        expect((await rowsOf(store, tenant, "r")).rows).toEqual(before.rows);
      }),
    );

    test(
      "leaves a source alone that is being executed",
      on(async (stage) => {
        const { runs, home, handlers, counts, store, tenant } = stage;
        const hold = deferred();
        handlers.set("left", (_, { runId }) => (runId === "r" ? hold.promise : "at once"));
        await runs.start({ skillId: "pair", runId: "r" });
        await until("the other step is done", async () => (await kindsOf(runs, "r")).length === 2);
        const before = await rowsOf(store, tenant, "r");
        await descend(stage, kind);
        if (kind === "fork") await runs.resume(kind);
        await until("the descendant is done", async () => (await runs.get(kind)).status === "completed");
        expect(counts(kind)).toEqual({ left: 1, join: 1 });
        expect((await rowsOf(store, tenant, "r")).rows).toEqual(before.rows);
        hold.resolve();
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );

    test(
      "shares nothing with its source: no signals, no waits, no lease",
      on(async (stage) => {
        const { runs, home } = stage;
        await runs.start({ skillId: "signaled", runId: "r" });
        await home.idle();
        await runs.signal("r", { name: "another", payload: 1 });
        await descend(stage, kind);
        if (kind === "fork") await runs.resume(kind);
        await home.idle();
        expect((await runs.get(kind)).status).toBe("waiting_for_signal");
        await runs.signal("r", { name: "go", payload: "for the source" });
        await home.idle();
        expect((await runs.get("r")).result).toEqual({ after: "after done" });
        expect((await runs.get(kind)).status).toBe("waiting_for_signal");
        await runs.signal(kind, { name: "go", payload: "for the other" });
        await home.idle();
        expect((await runs.get(kind)).status).toBe("completed");
      }),
    );

    test(
      "goes on when its source is deleted",
      on(async (stage) => {
        const { runs, home, store, tenant, clock, runtime } = stage;
        await completed(stage, "chain", "r", { text: "a" });
        const checkpointId = await checkpointAfter(runs, "r", "one");
        await runtime({ executes: false }).for(tenant)[kind]("r", { newRunId: kind, checkpointId });
        const row = await store.getRun(tenant, "r");
        const { createdAt, revision } = row ?? { createdAt: 0, revision: 0 };
        const run = { tenant, runId: "r", createdAt, revision: revision + 1, body: writeTombstone("nonce") };
        await store.commit({ run, now: clock.now(), erase: true });
        if (kind === "fork") await runs.resume(kind);
        else await home.drain({ tenant });
        await home.idle();
        expect((await refusalOf(runs.get("r"))).code).toBe("not_found");
        expect(await runs.get(kind)).toMatchObject({ status: "completed", result: { three: "three done" } });
        expect((await runs.loadCheckpoint(kind, checkpointId)).state.inputs).toEqual({ text: "a" });
      }),
    );

    test(
      "of an id that is taken is a conflict, and writes nothing",
      on(async (stage) => {
        const { runs, store, tenant } = stage;
        await completed(stage, "pair", "r");
        await runs.create({ skillId: "chain", runId: kind });
        const before = await rowsOf(store, tenant, "r", kind);
        expect((await refusalOf(descend(stage, kind))).code).toBe("conflict");
        expect((await refusalOf(runs[kind]("r", { newRunId: "r" }))).code).toBe("conflict");
        expect(await rowsOf(store, tenant, "r", kind)).toEqual(before);
      }),
    );

    test(
      "of many at once makes as many runs",
      on(async (stage) => {
        const { runs, home } = stage;
        await completed(stage, "pair", "r");
        const made = await Promise.all(Array.from({ length: 8 }, () => runs[kind]("r")));
        await home.idle();
        expect(new Set(made.map(({ run }) => run.runId)).size).toBe(8);
        expect(await runs.count({ sourceRunId: "r" })).toBe(8);
      }),
    );
  });
}
