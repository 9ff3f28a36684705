import { describe, expect, test } from "vitest";
import type { NewRun, Runs } from "../../../src/index.ts";
import { saveCheckpoint } from "../../../src/index.ts";
import type { Store } from "../../../src/store.ts";
import { type OnStage, refusalOf, untilStatus } from "../../support/stage.ts";
import { eventTypesOf, kindsOf, rowsOf } from "../../support/stored.ts";

const dayMs = 24 * 60 * 60 * 1000;

export function runCases(on: OnStage): void {
  describe("runs", () => {
    test(
      "a started run executes its steps in order and completes",
      on(async ({ runs, home, calls, clock, tenant }) => {
        const { run, isRepeat } = await runs.start({
          skillId: "gated",
          runId: "r",
          traceId: "trace",
          threadId: "thread",
          sessionId: "session",
          environment: "test",
          metadata: { owner: "ann" },
        });
        expect(isRepeat).toBe(false);
        expect(run).toMatchObject({
          runId: "r",
          skillId: "gated",
          skillVersion: "1.0.0",
          status: "running",
          tenantId: tenant,
          traceId: "trace",
          threadId: "thread",
          sessionId: "session",
          environment: "test",
          metadata: { owner: "ann" },
          createdAt: new Date(clock.now()).toISOString(),
          startedAt: new Date(clock.now()).toISOString(),
          result: null,
        });
        await home.idle();
        await runs.approve("r");
        await home.idle();
        expect(calls.map((call) => call.stepId)).toEqual(["draft", "send", "file"]);
        expect(await runs.get("r")).toMatchObject({ status: "completed", result: { sent: "send done" } });
      }),
    );

    test(
      "a step gets its mapped input, and its output goes where the graph says",
      on(async ({ runs, home, calls }) => {
        await runs.start({ skillId: "chain", runId: "r", inputs: { text: { deep: [1, new Date(0)] } } });
        await home.idle();
        expect(calls.map((call) => call.input)).toEqual([
          { given: { deep: [1, new Date(0)] } },
          { before: "one done", fixed: 2 },
          { before: "two done" },
        ]);
        expect((await runs.get("r")).result).toEqual({ three: "three done" });
      }),
    );

    test(
      "the newest version of a skill is taken where none is named",
      on(async ({ runs, home, counts }) => {
        await runs.start({ skillId: "versioned", runId: "newest" });
        await runs.start({ skillId: "versioned", runId: "named", skillVersion: "1.0.0" });
        await home.idle();
        expect((await runs.get("newest")).skillVersion).toBe("2.0.0");
        expect(counts("newest")).toEqual({ new: 1 });
        expect(counts("named")).toEqual({ old: 1 });
      }),
    );

    test(
      "a created run is pending, has a run_created checkpoint of its inputs as its head, and executes nothing",
      on(async ({ runs, home, calls, tenant }) => {
        const { run } = await runs.create({ skillId: "signaled", runId: "r", inputs: { text: "hello" } });
        expect(run.status).toBe("pending");
        expect(run.startedAt).toBeUndefined();
        await home.drain({ tenant });
        expect(calls).toEqual([]);
        const { items: checkpoints, head } = await runs.listCheckpoints("r");
        expect(checkpoints.map(({ kind }) => kind)).toEqual(["run_created"]);
        expect(head).toBe(checkpoints[0]?.checkpointId);
        expect((await runs.get("r")).checkpointHead).toBe(head);
        const { state } = await runs.loadCheckpoint("r", head ?? "");
        expect(state).toMatchObject({
          skillId: "signaled",
          inputs: { text: "hello" },
          status: "pending",
          stepResults: {},
        });
      }),
    );

    test(
      "a created run goes on when it is resumed",
      on(async ({ runs, home, calls }) => {
        await runs.create({ skillId: "pair", runId: "r" });
        expect((await runs.resume("r")).run.status).toBe("running");
        await home.idle();
        expect((await runs.get("r")).status).toBe("completed");
        expect(calls).toHaveLength(3);
        expect(await kindsOf(runs, "r")).toEqual([
          "run_created",
          "run_resumed",
          "step_completed left",
          "step_completed right",
          "step_completed join",
          "run_finished",
        ]);
      }),
    );

    test(
      "a step that fails and has no retry left fails the run, with the step's name",
      on(async ({ runs, home, handlers }) => {
        handlers.set("left", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "pair", runId: "r" });
        await home.idle();
        const run = await runs.get("r");
        expect(run).toMatchObject({
          status: "failed",
          error: { code: "step_failed", message: "boom", stepId: "left" },
        });
        expect(run.finishedAt).toBeDefined();
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state).toMatchObject({
          status: "failed",
          stepResults: { left: { status: "failed", errorMessage: "boom" } },
        });
      }),
    );

    test(
      "a step that may fail is degraded, one whose condition does not hold is skipped, and the rest goes on",
      on(async ({ runs, home, handlers, counts }) => {
        handlers.set("shaky", () => Promise.reject(new Error("boom")));
        await runs.start({ skillId: "degrading", runId: "r" });
        await home.idle();
        const run = await runs.get("r");
        expect(run.status).toBe("completed");
        expect(counts()).toEqual({ shaky: 1, after: 1 });
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(Object.values(state.stepResults).map(({ stepId, status }) => [stepId, status])).toEqual([
          ["shaky", "degraded"],
          ["unasked", "skipped"],
          ["after", "completed"],
        ]);
        expect(await kindsOf(runs, "r")).toEqual([
          "run_started",
          "step_completed shaky",
          "step_completed unasked",
          "step_completed after",
          "run_finished",
        ]);
      }),
    );

    test(
      "an id that is taken is a conflict, and what has it stays as it was",
      on(async ({ runs, store, tenant }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const before = await rowsOf(store, tenant, "r");
        for (const make of [runs.create.bind(runs), runs.start.bind(runs)]) {
          expect(await refusalOf(make({ skillId: "pair", runId: "r" }))).toMatchObject({ code: "conflict" });
        }
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
      }),
    );

    test(
      "a result too large for its row is read from the head, and is the same after a replay",
      on(async ({ runs, home, handlers }) => {
        const large = "é".repeat(300_000);
        handlers.set("join", () => large);
        await runs.start({ skillId: "pair", runId: "r" });
        await home.idle();
        expect((await runs.get("r")).result).toEqual({ join: large });
        expect((await runs.list()).items).toMatchObject([{ runId: "r", status: "completed", result: null }]);
        await runs.replay("r", { newRunId: "again" });
        await home.idle();
        expect((await runs.get("again")).result).toEqual({ join: large });
      }),
    );

    test(
      "what a run cannot keep is refused under its path, and nothing is written",
      on(async ({ runs, store, tenant }) => {
        const inputs = { list: [1, () => 1] };
        expect(await refusalOf(runs.start({ skillId: "chain", runId: "r", inputs }))).toMatchObject({
          code: "invalid_request",
          path: "inputs.list[1]",
        });
        expect(await refusalOf(runs.create({ skillId: "chain", runId: "r", metadata: inputs }))).toMatchObject({
          code: "invalid_request",
          path: "metadata.list[1]",
        });
        expect((await rowsOf(store, tenant, "r")).rows[0]?.run).toBeUndefined();
      }),
    );
  });

  describe("lists of runs", () => {
    const births = async (runs: Runs, advance: (ms: number) => Promise<void>, ...ids: string[]) => {
      for (const runId of ids) {
        await runs.create({ skillId: runId.startsWith("p") ? "pair" : "chain", runId });
        await advance(1);
      }
    };

    test(
      "are the newest first, or the oldest first, and go on after a place",
      on(async ({ runs, clock }) => {
        await births(runs, clock.advance, "c1", "p2", "c3", "p4");
        const ids = async (query: Parameters<Runs["list"]>[0]) =>
          (await runs.list(query)).items.map((run) => run.runId);
        expect(await ids({})).toEqual(["p4", "c3", "p2", "c1"]);
        expect(await ids({ order: "ascending" })).toEqual(["c1", "p2", "c3", "p4"]);
        const page = await runs.list({ limit: 2 });
        expect(page.items.map((run) => run.runId)).toEqual(["p4", "c3"]);
        expect(await ids({ limit: 2, ...(page.next && { after: page.next }) })).toEqual(["p2", "c1"]);
        expect((await runs.list({ limit: 4 })).next).toBeUndefined();
        expect(await ids({ offset: 1, limit: 2 })).toEqual(["c3", "p2"]);
      }),
    );

    test(
      "keep to their filter, and total counts the tenant's runs under it",
      on(async ({ runs, home, clock }) => {
        await births(runs, clock.advance, "c1", "p2", "c3");
        await runs.fork("c1", { newRunId: "f" });
        await runs.cancel("c3");
        await home.for("neighbor").create({ skillId: "chain", runId: "c1" });
        const table: [Parameters<Runs["count"]>[0], string[]][] = [
          [{}, ["f", "c3", "p2", "c1"]],
          [{ status: "pending" }, ["f", "p2", "c1"]],
          [{ status: "canceled" }, ["c3"]],
          [{ status: "failed" }, []],
          [{ skillId: "pair" }, ["p2"]],
          [{ sourceRunId: "c1" }, ["f"]],
          [{ skillId: "chain", status: "pending", sourceRunId: "c1" }, ["f"]],
        ];
        for (const [filter, expected] of table) {
          expect((await runs.list(filter)).items.map((run) => run.runId)).toEqual(expected);
          expect(await runs.count(filter)).toBe(expected.length);
        }
      }),
    );

    test(
      "refuse a limit or an offset that makes no sense",
      on(async ({ runs }) => {
        for (const query of [{ limit: 0 }, { limit: 501 }, { limit: 1.5 }, { limit: Number.NaN }]) {
          expect(await refusalOf(runs.list(query))).toMatchObject({ code: "invalid_request", path: "limit" });
        }
        for (const query of [{ offset: -1 }, { offset: 0.5 }]) {
          expect(await refusalOf(runs.list(query))).toMatchObject({ code: "invalid_request", path: "offset" });
        }
      }),
    );
  });

  describe("ids", () => {
    const refused: readonly (readonly [string, string])[] = [
      ["empty", ""],
      ["of 201 characters", "x".repeat(201)],
      ["beyond ASCII", "é"],
      ["with a line break", "a\nb"],
      ["with U+0000", "a\u0000"],
      ["with half a character", "\ud800"],
    ];
    test.each(refused)("%s are refused wherever they are given, with their place", (_name, id) =>
      on(async ({ runs, home }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const state = (await runs.loadCheckpoint("r", (await runs.get("r")).checkpointHead ?? "")).state;
        const table: [string, () => Promise<unknown>][] = [
          ["run_id", () => runs.create({ skillId: "chain", runId: id })],
          ["run_id", () => runs.start({ skillId: "chain", runId: id })],
          ["run_id", () => runs.get(id)],
          ["run_id", () => runs.fork("r", { newRunId: id })],
          ["run_id", () => runs.replay("r", { newRunId: id })],
          ["run_id", () => runs.cancel(id)],
          ["checkpoint_id", () => runs.loadCheckpoint("r", id)],
          ["checkpoint_id", () => runs.resume("r", { checkpointId: id })],
          ["checkpoint_id", () => saveCheckpoint(runs, "r", { checkpointId: id, kind: "k", state })],
          ["name", () => runs.signal("r", { name: id })],
          ["tenant", async () => home.for(id)],
        ];
        for (const [path, call] of table) {
          expect(await refusalOf(Promise.resolve().then(call))).toMatchObject({ code: "invalid_request", path });
        }
        expect(await runs.count()).toBe(1);
      })(),
    );

    test.each([
      ["of 200 characters", "x".repeat(200)],
      ["of one space", " "],
      ["with every sign of ASCII", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"],
      ["that looks like a path", "../../runs?x=1#y"],
      ["that looks like SQL", "'; DROP TABLE runs; --"],
      ["named __proto__", "__proto__"],
    ])("%s are taken as they are", (_name, id) =>
      on(async ({ home, store }) => {
        const runs = home.for(id);
        await runs.start({ skillId: "pair", runId: id });
        await home.idle();
        const state = (await runs.loadCheckpoint(id, (await runs.get(id)).checkpointHead ?? "")).state;
        await runs.fork(id, { newRunId: "fork" });
        await saveCheckpoint(runs, "fork", { checkpointId: id, kind: id, stepId: id, state });
        expect((await runs.loadCheckpoint("fork", id)).record).toMatchObject({
          checkpointId: id,
          kind: id,
          stepId: id,
        });
        expect((await runs.get("fork")).metadata.source_run_id).toBe(id);
        expect((await store.getRun(id, id))?.status).toBe("completed");
      })(),
    );

    test(
      "are made if the request has none, and no two are the same",
      on(async ({ runs }) => {
        const made = [];
        for (let n = 0; n < 20; n++) made.push((await runs.create({ skillId: "chain" })).run);
        const heads = made.map((run) => run.checkpointHead);
        expect(new Set([...made.map((run) => run.runId), ...heads]).size).toBe(40);
        for (const run of made) expect(run.runId).toMatch(/^run_[0-9a-f]+$/);
        for (const head of heads) expect(head).toMatch(/^chk_[0-9a-f]+$/);
      }),
    );

    test(
      "of replays and forks name their kind and their source, which is cut to fit",
      on(async ({ runs, home }) => {
        await runs.start({ skillId: "pair", runId: "r" });
        await home.idle();
        const long = "x".repeat(200);
        await runs.start({ skillId: "pair", runId: long });
        await home.idle();
        expect((await runs.fork("r")).run.runId).toMatch(/^fork_r_[0-9a-f]{12}$/);
        expect((await runs.replay("r")).run.runId).toMatch(/^replay_r_[0-9a-f]{12}$/);
        const { run } = await runs.fork(long);
        expect(run.runId).toMatch(/^fork_x+_[0-9a-f]{12}$/);
        expect(run.runId).toHaveLength(200);
        expect(run.metadata.source_run_id).toBe(long);
        await home.idle();
      }),
    );
  });

  describe("an idempotency key", () => {
    const request: NewRun = { skillId: "pair", inputs: { text: "a" }, idempotencyKey: "key" };

    test(
      "gives back the run of the first call, which is executed once",
      on(async ({ runs, home, counts }) => {
        const first = await runs.start(request);
        const second = await runs.start(request);
        await home.idle();
        const third = await runs.start(request);
        await home.idle();
        expect(first.isRepeat).toBe(false);
        expect([second.isRepeat, third.isRepeat]).toEqual([true, true]);
        expect([second.run.runId, third.run.runId]).toEqual([first.run.runId, first.run.runId]);
        expect(third.run.status).toBe("completed");
        expect(counts()).toEqual({ left: 1, right: 1, join: 1 });
        expect(await runs.count()).toBe(1);
      }),
    );

    test(
      "gives one run to many calls at once",
      on(async ({ runtime, open, home, tenant, counts }) => {
        const other = runtime({ store: await open(), executor: "other" });
        const calls = Array.from({ length: 8 }, (_, n) => (n % 2 === 0 ? home : other).for(tenant).start(request));
        const started = await Promise.all(calls);
        await Promise.all([home.idle(), other.idle()]);
        expect(new Set(started.map(({ run }) => run.runId)).size).toBe(1);
        expect(started.filter(({ isRepeat }) => !isRepeat)).toHaveLength(1);
        expect(counts()).toEqual({ left: 1, right: 1, join: 1 });
      }),
    );

    test(
      "gives one run to two calls at once that name its id too",
      on(async ({ runtime, store, runs, home, tenant, counts }) => {
        let looks = 0;
        // The second call looks for the claim just before the first one commits it.
        const early: Store = {
          ...store,
          getClaim: async (...args) => (looks++ === 0 ? undefined : store.getClaim(...args)),
        };
        const other = runtime({ store: early, executor: "other" });
        await runs.start({ ...request, runId: "r" });
        const second = await other.for(tenant).start({ ...request, runId: "r" });
        await Promise.all([home.idle(), other.idle()]);
        expect(second).toMatchObject({ run: { runId: "r" }, isRepeat: true });
        expect(counts()).toEqual({ left: 1, right: 1, join: 1 });
      }),
    );

    const otherContents: readonly (readonly [string, Partial<NewRun>])[] = [
      ["inputs", { inputs: { text: "b" } }],
      ["a skill", { skillId: "chain" }],
      ["a version", { skillVersion: "1.0.0" }],
      ["an id", { runId: "r" }],
      ["metadata", { metadata: { a: 1 } }],
    ];
    test.each(otherContents)("is a conflict with %s of another kind", (_name, over) =>
      on(async ({ runs, home }) => {
        await runs.start(request);
        expect((await refusalOf(runs.start({ ...request, ...over }))).code).toBe("idempotency_conflict");
        await home.idle();
        expect(await runs.count()).toBe(1);
      })(),
    );

    test(
      "is the tenant's own, and the operation's",
      on(async ({ runs, home }) => {
        const started = await runs.start(request);
        const created = await runs.create(request);
        const neighbors = await home.for("neighbor").start(request);
        await home.idle();
        expect([started, created, neighbors].map(({ isRepeat }) => isRepeat)).toEqual([false, false, false]);
        expect(new Set([started, created, neighbors].map(({ run }) => run.runId)).size).toBe(3);
        expect((await runs.create(request)).run.runId).toBe(created.run.runId);
      }),
    );

    test(
      "lapses after 24 hours, and not before",
      on(async ({ runs, home, clock }) => {
        const first = await runs.create(request);
        await clock.advance(dayMs - 1);
        expect((await runs.create(request)).run.runId).toBe(first.run.runId);
        await clock.advance(1);
        const later = await runs.create({ ...request, inputs: { text: "b" } });
        expect(later.isRepeat).toBe(false);
        expect(later.run.runId).not.toBe(first.run.runId);
        await home.idle();
      }),
    );

    test.each([["", "x".repeat(1_001)]])("of no length, or of more than 1,000 characters, is refused", (...keys) =>
      on(async ({ runs }) => {
        for (const idempotencyKey of keys) {
          expect(await refusalOf(runs.create({ ...request, idempotencyKey }))).toMatchObject({
            code: "invalid_request",
            path: "idempotency_key",
          });
        }
      })(),
    );

    test(
      "may be any text",
      on(async ({ runs }) => {
        for (const idempotencyKey of ["é \u0000 \ud800", "x".repeat(1_000), "'; --", "__proto__"]) {
          const first = await runs.create({ ...request, idempotencyKey });
          expect((await runs.create({ ...request, idempotencyKey })).run.runId).toBe(first.run.runId);
        }
        expect(await runs.count()).toBe(4);
      }),
    );
  });

  describe("tenants", () => {
    test(
      "have runs of the same id that know nothing of each other",
      on(async ({ home, runs, store, tenant }) => {
        const neighbors = home.for("neighbor");
        await runs.start({ skillId: "gated", runId: "r" });
        await neighbors.start({ skillId: "gated", runId: "r" });
        await home.idle();
        const before = await rowsOf(store, tenant, "r");
        await neighbors.approve("r");
        await home.idle();
        expect((await neighbors.get("r")).status).toBe("completed");
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
        expect((await runs.get("r")).status).toBe("waiting_for_human");
      }),
    );

    test(
      "are drained one by one, or all at once",
      on(async ({ home, runtime }) => {
        const outside = runtime({ executes: false });
        for (const tenant of ["a", "b", "c"]) await outside.for(tenant).start({ skillId: "pair", runId: "r" });
        expect((await home.drain({ tenant: "b" })).taken).toBe(1);
        const statuses = async () =>
          Promise.all(["a", "b", "c"].map(async (tenant) => (await home.for(tenant).get("r")).status));
        expect(await statuses()).toEqual(["running", "completed", "running"]);
        expect((await home.drain()).taken).toBe(2);
        expect(await statuses()).toEqual(["completed", "completed", "completed"]);
      }),
    );
  });

  describe("a runtime that does not execute", () => {
    test(
      "decides and commits, and leaves the executing to who drains",
      on(async ({ home, runtime, tenant, runs, calls }) => {
        const outside = runtime({ executes: false }).for(tenant);
        await outside.start({ skillId: "gated", runId: "r" });
        await outside.replay((await outside.start({ skillId: "pair", runId: "p" })).run.runId, { newRunId: "again" });
        expect(calls).toEqual([]);
        expect((await outside.get("again")).status).toBe("replaying");
        expect((await home.drain({ tenant })).taken).toBe(3);
        expect((await runs.get("again")).status).toBe("completed");
        expect((await outside.approve("r")).run.status).toBe("running");
        await home.drain({ tenant });
        expect((await untilStatus(runs, "r", "completed")).status).toBe("completed");
        expect(await eventTypesOf(runs, "r")).toContain("run.approved");
      }),
    );

    test(
      "refuses to drain",
      on(async ({ runtime }) => {
        expect((await refusalOf(runtime({ executes: false }).drain())).code).toBe("unsupported");
      }),
    );
  });
}
