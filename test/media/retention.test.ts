import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import { initialState } from "../../src/codec/index.ts";
import { countingStore, intercepted, lostAnswerStore } from "../../src/conformance/faults.ts";
import {
  DurableError,
  defineCapability,
  defineGraphSkill,
  pruneRuns,
  type RunStatus,
  saveCheckpoint,
} from "../../src/index.ts";
import { exportRun } from "../../src/transfer.ts";
import { completed, deferred, leaseMs, onStage, refusalOf, type Stage, until } from "../support/stage.ts";
import { checkpointAfter, rowsOf } from "../support/stored.ts";

const on = onStage(harness);

const dayMs = 24 * 60 * 60 * 1000;

/** Sends a mail, once and for all. */
function mailer() {
  const sent: string[] = [];
  const capability = defineCapability(
    { id: "mail", version: "1", sideEffects: "external_action", replayPolicy: "use_recorded_result" },
    (_input, { runId }) => {
      sent.push(runId);
      return "sent";
    },
  );
  const steps = [
    { id: "mail", uses: "mail", output: "vars.mail" },
    { id: "after", uses: "work", input: "vars.mail", output: "outputs.after" },
  ];
  return { sent, capability, skill: defineGraphSkill({ id: "mailing", version: "1", steps }) };
}

/** Whatever the store has of a deleted run is a row without a status and without its content. */
async function expectErased({ store, tenant, runs }: Stage, runId: string, secret: string): Promise<void> {
  expect(await refusalOf(runs.get(runId))).toMatchObject({ code: "not_found", missing: "run" });
  const { rows } = await rowsOf(store, tenant, runId);
  const [{ run, entries, snapshots, claims } = {}] = rows;
  expect(run).toMatchObject({ runId });
  expect(run?.status ?? run?.skillId ?? run?.sourceRunId ?? run?.dueAt).toBeUndefined();
  expect([entries, snapshots]).toEqual([[], []]);
  expect(claims?.filter(({ lapsesAt }) => lapsesAt === undefined)).toEqual([]);
  expect(JSON.stringify(rows)).not.toContain(secret);
  const listed = await runs.list({ limit: 500 });
  expect(listed.items.map((one) => one.runId)).not.toContain(runId);
}

/** Runs that have ended so, an hour apart from each other, the oldest first. */
async function ended(
  { runs, clock, handlers, home }: Stage,
  statuses: readonly RunStatus[],
): Promise<readonly string[]> {
  const runIds: string[] = [];
  for (const [index, status] of statuses.entries()) {
    const runId = `${index} ${status}`;
    runIds.push(runId);
    handlers.set("try", () => {
      if (status === "failed") throw new Error("as it should");
      return "tried";
    });
    if (status === "completed" || status === "failed") {
      await runs.start({ skillId: "retrying", runId });
      await home.idle();
    } else await runs.create({ skillId: "retrying", runId });
    if (status === "canceled") await runs.cancel(runId);
    expect((await runs.get(runId)).status).toBe(status);
    await clock.advance(60 * 60 * 1000);
  }
  return runIds;
}

// Deletion and retention, as tests over the stores of one medium.

describe("delete", () => {
  test(
    "takes the history, the states, the effects and the row's content, and leaves its id",
    on(async (stage) => {
      const { runs, runtime, tenant, capabilities, skills } = stage;
      const { capability, skill } = mailer();
      const home = runtime({
        capabilities: [...capabilities, capability],
        skills: [...skills, skill],
        executor: "mailer",
      });
      const given = { inputs: { text: "a secret" }, metadata: { owner: "a secret" }, traceId: "a secret" };
      const mailing = home.for(tenant);
      await mailing.start({ skillId: "mailing", runId: "r", idempotencyKey: "a secret", ...given });
      await home.idle();
      expect((await runs.get("r")).status).toBe("completed");
      await runs.delete("r");
      await expectErased(stage, "r", "a secret");
      expect(await runs.count()).toBe(0);
    }),
  );

  test(
    "finds nothing where there is a tombstone, a damaged one too",
    on(async ({ runs, store, tenant }) => {
      const row = { tenant, runId: "r", revision: 1, createdAt: 1 };
      for (const [index, body] of ["{", "[]", '{"format":1,"nonce":"n"}'].entries()) {
        const runId = `r ${index}`;
        expect(await store.commit({ run: { ...row, runId, body }, now: 1 })).toEqual({ kind: "committed" });
        await expect(runs.delete(runId)).rejects.toMatchObject({ code: "not_found", missing: "run" });
      }
    }),
  );

  test(
    "keeps the id taken, for a birth of any kind",
    on(async (stage) => {
      const { runs, store, tenant } = stage;
      await completed(stage, "chain", "source");
      await completed(stage, "chain", "r");
      await runs.delete("r");
      const before = await rowsOf(store, tenant, "r");
      for (const birth of [
        () => runs.create({ skillId: "chain", runId: "r" }),
        () => runs.start({ skillId: "chain", runId: "r" }),
        () => runs.fork("source", { newRunId: "r" }),
        () => runs.replay("source", { newRunId: "r" }),
      ]) {
        expect(await refusalOf(birth())).toMatchObject({ code: "conflict" });
      }
      expect(await rowsOf(store, tenant, "r")).toEqual(before);
    }),
  );

  test(
    "of a run that was never there, is gone already, or is another tenant's is not_found and changes nothing",
    on(async (stage) => {
      const { home, runs, store, tenant } = stage;
      await completed(stage, "chain", "r");
      const others = home.for("other");
      const before = await rowsOf(store, tenant, "r");
      const missing = { code: "not_found", missing: "run" };
      expect(await refusalOf(others.delete("r"))).toMatchObject(missing);
      expect(await refusalOf(runs.delete("never"))).toMatchObject(missing);
      expect(await rowsOf(store, tenant, "r")).toEqual(before);
      await runs.delete("r");
      const erased = await rowsOf(store, tenant, "r");
      expect(await refusalOf(runs.delete("r"))).toMatchObject(missing);
      expect(await rowsOf(store, tenant, "r")).toEqual(erased);
    }),
  );

  test(
    "waits until a run is no longer executed: canceled, parked, or without its executor",
    on(async (stage) => {
      const { runs, runtime, clock, handlers, tenant, calls } = stage;
      const gate = deferred();
      handlers.set("one", () => gate.promise);
      await runs.start({ skillId: "chain", runId: "r" });
      await until("the step is under way", () => calls.length === 1);
      await clock.advance(1_000);
      expect(await refusalOf(runs.delete("r"))).toMatchObject({ code: "conflict", retryAfterMs: leaseMs - 1_000 });
      await runs.cancel("r");
      await runs.delete("r");
      gate.resolve();

      const dying = runtime({ executor: "dying" });
      await dying.for(tenant).start({ skillId: "chain", runId: "lost" });
      await dying.stop();
      expect(await refusalOf(runs.delete("lost"))).toMatchObject({ code: "conflict" });
      await clock.advance(leaseMs);
      await runs.delete("lost");

      await runs.start({ skillId: "signaled", runId: "parked" });
      await stage.home.idle();
      await runs.delete("parked");
      await runs.create({ skillId: "chain", runId: "pending" });
      await runs.delete("pending");
      for (const runId of ["r", "lost", "parked", "pending"]) await expectErased(stage, runId, "one done");
      expect(await stage.home.drain()).toEqual({ taken: 0, passedOver: 0 });
    }),
  );

  test(
    "is not undone by a step that returns late, nor by a heartbeat",
    on(async (stage) => {
      const { runs, runtime, clock, handlers, tenant, open } = stage;
      const gate = deferred();
      let aborted = false;
      handlers.set("one", async (_, { signal }) => {
        signal.addEventListener("abort", () => {
          aborted = true;
        });
        await gate.promise;
      });
      // An executor that stood still while its lease lapsed: its clock stopped.
      const frozenAt = clock.now();
      const frozen = runtime({
        executor: "frozen",
        store: await open(),
        clock: { now: () => frozenAt, sleep: (_, signal) => aborting(signal) },
      });
      await frozen.for(tenant).start({ skillId: "chain", runId: "r" });
      await until("the step is under way", () => stage.calls.length === 1);
      await clock.advance(leaseMs);
      await runs.delete("r");
      const erased = await rowsOf(stage.store, tenant, "r");
      gate.resolve();
      await frozen.idle();
      expect(await rowsOf(stage.store, tenant, "r")).toEqual(erased);
      expect(aborted).toBe(true);
      expect(stage.calls.length).toBe(1);
    }),
  );

  test(
    "is not undone by any call that comes after it",
    on(async (stage) => {
      const { runs, store, tenant } = stage;
      await runs.create({ skillId: "gated", runId: "r" });
      const { items: checkpoints } = await runs.listCheckpoints("r");
      const checkpointId = checkpoints[0]?.checkpointId ?? "";
      await runs.delete("r");
      const erased = await rowsOf(store, tenant, "r");
      for (const call of [
        () => runs.resume("r"),
        () => runs.resume("r", { checkpointId }),
        () => runs.replay("r"),
        () => runs.fork("r"),
        () => runs.approve("r"),
        () => runs.deny("r"),
        () => runs.cancel("r"),
        () => runs.signal("r", { name: "go" }),
        () => saveCheckpoint(runs, "r", { checkpointId, kind: "k", state: initialState("gated", {}) }),
        () => runs.loadCheckpoint("r", checkpointId),
        () => runs.listCheckpoints("r"),
        () => runs.history("r"),
        () => runs.events("r"),
        () => exportRun(runs, "r").next(),
      ]) {
        expect(await refusalOf(Promise.resolve(call()))).toMatchObject({ code: "not_found", missing: "run" });
      }
      expect(await rowsOf(store, tenant, "r")).toEqual(erased);
    }),
  );

  test(
    "leaves forks and replays with all they stand on",
    on(async (stage) => {
      const { runs, runtime, tenant, capabilities, skills } = stage;
      const { sent, capability, skill } = mailer();
      const home = runtime({
        capabilities: [...capabilities, capability],
        skills: [...skills, skill],
        executor: "mailer",
      });
      const mailing = home.for(tenant);
      await mailing.start({ skillId: "mailing", runId: "source", inputs: { text: "a" } });
      await home.idle();
      const checkpointId = await checkpointAfter(runs, "source", "mail");
      await mailing.fork("source", { checkpointId, newRunId: "fork" });
      await mailing.fork("source", { checkpointId, newRunId: "edited", edit: { vars: { mail: "edited" } } });
      await mailing.replay("source", { newRunId: "replay" });
      await home.idle();
      const start = (await runs.listCheckpoints("source")).items[0]?.checkpointId ?? "";
      await mailing.replay("source", { checkpointId: start, newRunId: "replayed from the start" });
      await home.idle();
      const copied = await mailing.loadCheckpoint("fork", checkpointId);
      await mailing.delete("source");
      expect(await mailing.loadCheckpoint("fork", checkpointId)).toEqual(copied);
      for (const runId of ["fork", "edited"]) {
        await mailing.resume(runId);
        await home.idle();
        expect(await runs.get(runId)).toMatchObject({ status: "completed", metadata: { source_run_id: "source" } });
      }
      // What descends from them stands on them, and the mail that the source sent is not sent again.
      await mailing.replay("replayed from the start", { newRunId: "again", checkpointId: start });
      await home.idle();
      expect(await runs.get("again")).toMatchObject({ status: "completed", result: { after: "after done" } });
      expect(sent).toEqual(["source"]);
    }),
  );

  test(
    "leaves idempotency keys taken until they lapse",
    on(async (stage) => {
      const { runs, home, clock } = stage;
      const request = { skillId: "chain", idempotencyKey: "key" };
      const { run } = await runs.start(request);
      await home.idle();
      await runs.delete(run.runId);
      expect(await refusalOf(runs.start(request))).toMatchObject({ code: "not_found", missing: "run" });
      expect(await refusalOf(runs.start({ ...request, inputs: { other: 1 } }))).toMatchObject({ code: "not_found" });
      await clock.advance(dayMs);
      const next = await runs.start(request);
      expect(next.isRepeat).toBe(false);
      expect(next.run.runId).not.toBe(run.runId);
      await home.idle();
      expect((await runs.start(request)).isRepeat).toBe(true);
    }),
  );

  test(
    "whose answer was lost is known to have happened",
    on(async (stage) => {
      const { runtime, store, tenant } = stage;
      await completed(stage, "chain", "r");
      const losing = lostAnswerStore(store, ({ commit }) => commit?.erase === true);
      await runtime({ store: losing, executor: "losing" }).for(tenant).delete("r");
      await expectErased(stage, "r", "one done");
    }),
  );

  test.each(["birth", "cancel"])(
    "of a run whose %s has lost its answer leaves the outcome of that call unknown",
    async (call) => {
      await on(async ({ runs, runtime, store, tenant }) => {
        const erasing = intercepted(store, async ({ method }, proceed) => {
          const answer = await proceed();
          if (method !== "commit") return answer;
          await runs.delete("r");
          throw new DurableError("store_failed", "the answer is lost");
        });
        const losing = runtime({ store: erasing, executor: "losing" }).for(tenant);
        const given = { skillId: "chain", runId: "r" };
        if (call === "cancel") await runs.create(given);
        const answer = call === "cancel" ? losing.cancel("r") : losing.create(given);
        // It was done: neither `conflict` nor `not_found` would be true.
        expect(await refusalOf(answer)).toMatchObject({ code: "store_failed" });
      })();
    },
  );

  test(
    "takes a run whose row or whose states can no longer be read",
    on(async (stage) => {
      const { runs, store, tenant } = stage;
      await completed(stage, "chain", "r");
      const row = await store.getRun(tenant, "r");
      if (row === undefined) throw new Error("there is no row");
      await store.commit({ run: { ...row, revision: row.revision + 1, body: '{"format":1,"no' }, now: 1 });
      expect(await refusalOf(runs.get("r"))).toMatchObject({ code: "corrupt_data" });
      await runs.delete("r");
      await expectErased(stage, "r", "one done");
    }),
  );

  test(
    "by eight at once happens once",
    on(async (stage) => {
      const { runs, runtime, open, tenant } = stage;
      await completed(stage, "chain", "r");
      const racers = await Promise.all(
        Array.from({ length: 8 }, async (_, index) =>
          runtime({ store: await open(), executor: `racer ${index}` }).for(tenant),
        ),
      );
      const outcomes = await Promise.allSettled(racers.map((racer) => racer.delete("r")));
      for (const outcome of outcomes) {
        if (outcome.status === "rejected") expect(outcome.reason).toMatchObject({ code: "not_found", missing: "run" });
      }
      expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      await expectErased(stage, "r", "one done");
      expect((await stage.store.getRun(tenant, "r"))?.revision).toBeLessThan(20);
      expect(await runs.count()).toBe(0);
    }),
  );
});

describe("prune", () => {
  const three: readonly RunStatus[] = ["completed", "failed", "canceled"];

  test(
    "deletes what has ended and was created before that time, and nothing else",
    on(async (stage) => {
      const { runs, clock, home } = stage;
      await home.for("other").create({ skillId: "chain", runId: "theirs" });
      await home.for("other").cancel("theirs");
      const runIds = await ended(stage, [...three, "pending", ...three]);
      const olderThan = new Date((await runs.get(runIds[5] ?? "")).createdAt);
      expect(await pruneRuns(runs, { olderThan })).toEqual({ deleted: 4, isMore: false });
      const left = await runs.list({ order: "ascending" });
      expect(left.items.map(({ runId }) => runId)).toEqual([runIds[3], runIds[5], runIds[6]]);
      expect(await pruneRuns(runs, { olderThan })).toEqual({ deleted: 0, isMore: false });
      expect(await pruneRuns(runs, { olderThan: new Date(clock.now()) })).toEqual({ deleted: 2, isMore: false });
      expect(await home.for("other").count()).toBe(1);
      for (const runId of runIds.toSpliced(3, 1)) await expectErased(stage, runId, "tried");
    }),
  );

  test(
    "stops after a run where the platform allows little more work, and says that others are left",
    on(async (stage) => {
      const { store, clock, tenant, runs } = stage;
      await ended(stage, three);
      const olderThan = new Date(clock.now());
      const poor = stage.runtime({ store, isSpent: () => true }).for(tenant);
      for (const left of [2, 1]) {
        expect(await pruneRuns(poor, { olderThan })).toEqual({ deleted: 1, isMore: true });
        expect(await runs.count()).toBe(left);
      }
      expect(await pruneRuns(poor, { olderThan })).toEqual({ deleted: 1, isMore: false });
    }),
  );

  test(
    "deletes runs of the given statuses, and rejects statuses in which a run has not ended",
    on(async (stage) => {
      const { runs, clock } = stage;
      const runIds = await ended(stage, three);
      const olderThan = new Date(clock.now());
      expect(await pruneRuns(runs, { olderThan, status: ["failed", "failed"] })).toEqual({
        deleted: 1,
        isMore: false,
      });
      expect(await pruneRuns(runs, { olderThan, status: [] })).toEqual({ deleted: 0, isMore: false });
      expect((await runs.list({ order: "ascending" })).items.map(({ runId }) => runId)).toEqual([runIds[0], runIds[2]]);
      for (const status of ["pending", "running", "waiting_for_human", "waiting_for_signal", "replaying"] as const) {
        const refusal = await refusalOf(pruneRuns(runs, { olderThan, status: ["completed", status] }));
        expect(refusal).toMatchObject({ code: "invalid_request", path: "status" });
      }
      expect(await runs.count()).toBe(2);
    }),
  );

  test.each([
    ["olderThan", { olderThan: new Date(Number.NaN) }],
    ["keep", { keep: -1 }],
    ["keep", { keep: 0.5 }],
    ["keep", { keep: Number.POSITIVE_INFINITY }],
    ["limit", { limit: 0 }],
    ["limit", { limit: -1 }],
    ["limit", { limit: Number.NaN }],
  ])("refuses a senseless %s", (path, over) =>
    on(async (stage) => {
      await ended(stage, ["canceled"]);
      const request = { olderThan: new Date(stage.clock.now()), ...over };
      expect(await refusalOf(pruneRuns(stage.runs, request))).toMatchObject({ code: "invalid_request", path });
      expect(await stage.runs.count()).toBe(1);
    })(),
  );

  test(
    "keeps the newest that have ended, whatever their status",
    on(async (stage) => {
      const { runs, clock } = stage;
      const runIds = await ended(stage, [...three, ...three, "pending"]);
      const olderThan = new Date(clock.now());
      expect(await pruneRuns(runs, { olderThan, keep: 6 })).toEqual({ deleted: 0, isMore: false });
      expect(await pruneRuns(runs, { olderThan, keep: 2, status: ["completed", "failed"] })).toEqual({
        deleted: 3,
        isMore: false,
      });
      const left = (await runs.list({ order: "ascending" })).items.map(({ runId }) => runId);
      expect(left).toEqual([2, 4, 5, 6].map((index) => runIds[index]));
    }),
  );

  test(
    "keeps the newest also if one of them ends while it is looked for",
    on(async (stage) => {
      const { runs, store, tenant, runtime, clock } = stage;
      const [, second = ""] = await ended(stage, ["failed", "pending", "failed"]);
      const meddling = intercepted(store, async (call, proceed) => {
        const answer = await proceed();
        // The newest have been read by then.
        if (call.method === "listRuns" && call.nth === 3) await runs.cancel(second);
        return answer;
      });
      const pruner = runtime({ store: meddling, executor: "pruner" }).for(tenant);
      const olderThan = new Date(clock.now());
      expect(await pruneRuns(pruner, { olderThan, keep: 3 })).toEqual({ deleted: 0, isMore: false });
      expect(await runs.count({ status: "canceled" })).toBe(1);
      expect(await runs.count()).toBe(3);
    }),
  );

  test(
    "deletes no more than its limit at once, the oldest first, and says whether there is more",
    on(async (stage) => {
      const { runs, store, tenant, runtime, clock } = stage;
      const runIds = await ended(
        stage,
        Array.from({ length: 10 }, (_, index) => three[index % 3] ?? "failed"),
      );
      const counting = countingStore(store);
      const pruner = runtime({ store: counting, executor: "pruner" }).for(tenant);
      const request = { olderThan: new Date(clock.now()), limit: 4 };
      expect(await pruneRuns(pruner, request)).toEqual({ deleted: 4, isMore: true });
      expect(counting.counts.calls.commit).toBe(4);
      expect((await runs.list({ order: "ascending" })).items.map(({ runId }) => runId)).toEqual(runIds.slice(4));
      expect(await pruneRuns(pruner, request)).toEqual({ deleted: 4, isMore: true });
      expect(await pruneRuns(pruner, request)).toEqual({ deleted: 2, isMore: false });
      expect(await runs.count()).toBe(0);
    }),
  );

  test(
    "reads none of the runs that have not ended, and takes more than one page",
    on(async (stage) => {
      const { runs, store, tenant, runtime, clock } = stage;
      for (let index = 0; index < 120; index++) {
        await runs.create({ skillId: "chain", runId: `pending ${index}` });
      }
      await clock.advance(1);
      for (let index = 0; index < 120; index++) {
        await runs.create({ skillId: "chain", runId: `canceled ${index}` });
        await runs.cancel(`canceled ${index}`);
      }
      const counting = countingStore(store);
      const pruner = runtime({ store: counting, executor: "pruner" }).for(tenant);
      const request = { olderThan: new Date(clock.now() + 1), limit: 500, keep: 5 };
      expect(await pruneRuns(pruner, request)).toEqual({ deleted: 115, isMore: false });
      expect(counting.counts.calls.listRuns).toBeLessThanOrEqual(9);
      expect(await runs.count()).toBe(125);
    }),
  );

  test(
    "spares a run that goes on, or is deleted, between being listed and being deleted",
    on(async (stage) => {
      const { runs, store, tenant, runtime, clock, home } = stage;
      const [resumed = "", deleted = "", other = ""] = await ended(stage, ["failed", "failed", "failed"]);
      await runs.create({ skillId: "signaled", runId: "parked" });
      await runs.cancel("parked");
      await clock.advance(1);
      const meddling = intercepted(store, async (call, proceed) => {
        const answer = await proceed();
        if (call.method === "listRuns" && call.nth === 1) {
          stage.handlers.set("try", () => "tried");
          await runs.resume(resumed);
          await runs.resume("parked");
          await home.idle();
          await runs.delete(deleted);
        }
        return answer;
      });
      const pruner = runtime({ store: meddling, executor: "pruner" }).for(tenant);
      const request = { olderThan: new Date(clock.now()), status: ["failed", "canceled"] as const };
      expect(await pruneRuns(pruner, request)).toEqual({ deleted: 1, isMore: false });
      expect((await runs.get(resumed)).status).toBe("completed");
      expect((await runs.get("parked")).status).toBe("waiting_for_signal");
      await expectErased(stage, other, "as it should");
    }),
  );
});

function aborting(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve()));
}
