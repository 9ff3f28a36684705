import { describe, expect, test } from "vitest";
import {
  decodeState,
  encodeState,
  initialState,
  parseJson,
  readState,
  stateSnapshotRef,
  writeState,
} from "../../../src/codec/index.ts";
import { saveCheckpoint } from "../../../src/index.ts";
import { orcaFixtures } from "../../support/fixtures.ts";
import { completed, deferred, leaseMs, type OnStage, refusalOf, until } from "../../support/stage.ts";
import { kindsOf, rowsOf } from "../../support/stored.ts";

const state = (skillId = "chain") => initialState<unknown>(skillId, { text: "a" });

/** The state of a run of `chain` whose first two steps were done elsewhere. */
const halfway = () => ({
  ...state(),
  vars: { one: "from outside", two: "from outside too" },
  stepResults: Object.fromEntries(
    ["one", "two"].map((stepId) => [
      stepId,
      { stepId, uses: "work", status: "completed", resolvedInput: null, producedOutput: stepId, rawResult: null },
    ]),
  ),
});

export function checkpointCases(on: OnStage): void {
  describe("checkpoint round trip", () => {
    for (const { name, text } of orcaFixtures) {
      test(
        `the fixture ${name} comes back with every field equal`,
        on(async ({ runs }) => {
          const json = parseJson(text);
          const given = decodeState(readState(json));
          await runs.create({ skillId: given.skillId, runId: "r" });
          await saveCheckpoint(runs, "r", { checkpointId: "c", kind: "imported", state: given });
          const loaded = await runs.loadCheckpoint("r", "c");
          expect(JSON.stringify(writeState(encodeState(loaded.state)), null, 2)).toBe(text);
        }),
      );

      test(
        `the fixture ${name} is in a fork as it is in its source`,
        on(async ({ runs }) => {
          const given = decodeState(readState(parseJson(text)));
          await runs.create({ skillId: given.skillId, runId: "r" });
          await saveCheckpoint(runs, "r", { checkpointId: "c", kind: "imported", state: given });
          await runs.fork("r", { newRunId: "f" });
          const loaded = await runs.loadCheckpoint("f", "c");
          expect(JSON.stringify(writeState(encodeState(loaded.state)), null, 2)).toBe(text);
        }),
      );
    }

    test(
      "values that JSON cannot say come back equal, in every part of the state",
      on(async ({ runs }) => {
        const odd = {
          date: new Date(5),
          map: new Map<unknown, unknown>([[{ a: 1 }, new Set([1n])]]),
          bytes: Uint8Array.of(0, 255),
          numbers: [Number.NaN, -0, Number.NEGATIVE_INFINITY, undefined],
          tag: { $durable: ["undefined"] },
        };
        await runs.create({ skillId: "chain", runId: "r", inputs: odd, metadata: odd });
        const given = { ...state(), inputs: odd, vars: { odd }, extensions: { odd }, output: { result: odd } };
        await saveCheckpoint(runs, "r", { checkpointId: "c", kind: "k", state: given });
        expect((await runs.loadCheckpoint("r", "c")).state).toEqual(given);
        expect((await runs.get("r")).metadata).toEqual(odd);
        const created = await runs.loadCheckpoint("r", (await runs.listCheckpoints("r")).items[0]?.checkpointId ?? "");
        expect(created.state.inputs).toEqual(odd);
      }),
    );

    test(
      "a state of 5 MB comes back whole",
      on(async ({ runs }) => {
        const vars = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`v${n}`, `é🐋${n}`.repeat(160_000)]));
        await runs.create({ skillId: "chain", runId: "r" });
        await saveCheckpoint(runs, "r", { checkpointId: "c", kind: "k", state: { ...state(), vars } });
        expect((await runs.loadCheckpoint("r", "c")).state.vars).toEqual(vars);
      }),
    );

    test(
      "what is loaded is fresh: changing it changes nothing",
      on(async ({ runs }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const given = { ...state(), vars: { list: [1] } };
        await saveCheckpoint(runs, "r", { checkpointId: "c", kind: "k", state: given });
        given.vars.list.push(2);
        const first = await runs.loadCheckpoint("r", "c");
        (first.state.vars.list as number[]).push(3);
        expect((await runs.loadCheckpoint("r", "c")).state.vars).toEqual({ list: [1] });
      }),
    );

    test(
      "fields that a newer writer added are kept through a run that goes on",
      on(async ({ runs, home }) => {
        const json = { ...writeState(encodeState(halfway())), added_later: { a: [1] } };
        await runs.create({ skillId: "chain", runId: "r" });
        await saveCheckpoint(runs, "r", { kind: "imported", state: decodeState(readState(json)) });
        await runs.resume("r");
        await home.idle();
        const { items: checkpoints } = await runs.listCheckpoints("r");
        for (const { checkpointId } of checkpoints.slice(1)) {
          const loaded = await runs.loadCheckpoint("r", checkpointId);
          expect(writeState(encodeState(loaded.state))).toMatchObject({ added_later: { a: [1] } });
        }
        expect(checkpoints).toHaveLength(5);
      }),
    );
  });

  describe("save", () => {
    test(
      "makes the checkpoint the head, and leaves the status as it is",
      on(async ({ runs, clock }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        await clock.advance(1_000);
        const record = await saveCheckpoint(runs, "r", {
          checkpointId: "mine",
          stepId: "one",
          kind: "of my own kind",
          pendingWrites: ["vars.x", "outputs.y"],
          state: state(),
        });
        expect(record).toEqual({
          checkpointId: "mine",
          runId: "r",
          stepId: "one",
          kind: "of my own kind",
          createdAt: new Date(clock.now()).toISOString(),
          pendingWrites: ["vars.x", "outputs.y"],
        });
        expect(await runs.get("r")).toMatchObject({ status: "pending", checkpointHead: "mine" });
        expect((await runs.loadCheckpoint("r", "mine")).record).toEqual(record);
      }),
    );

    test(
      "makes an id of its own if the request has none",
      on(async ({ runs }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const first = await saveCheckpoint(runs, "r", { kind: "k", state: state() });
        const second = await saveCheckpoint(runs, "r", { kind: "k", state: state() });
        expect(first.checkpointId).toMatch(/^chk_/);
        expect(second.checkpointId).not.toBe(first.checkpointId);
      }),
    );

    test(
      "of the same again is accepted and changes nothing, whatever the head is",
      on(async ({ runs, store, tenant }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const request = { checkpointId: "c", stepId: "one", kind: "k", pendingWrites: ["vars.x"], state: state() };
        const record = await saveCheckpoint(runs, "r", request);
        await saveCheckpoint(runs, "r", { checkpointId: "later", kind: "k", state: state() });
        const before = await rowsOf(store, tenant, "r");
        expect(await saveCheckpoint(runs, "r", request)).toEqual(record);
        const reordered = JSON.parse(JSON.stringify(request.state), (_, value: unknown) =>
          typeof value === "object" && value !== null && !Array.isArray(value)
            ? Object.fromEntries(Object.entries(value).reverse())
            : value,
        ) as typeof request.state;
        expect(await saveCheckpoint(runs, "r", { ...request, state: reordered })).toEqual(record);
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
        expect((await runs.get("r")).checkpointHead).toBe("later");
      }),
    );

    test.each<[string, object]>([
      ["state", { state: { ...state(), vars: { x: 1 } } }],
      ["kind", { kind: "another" }],
      ["step", { stepId: "two" }],
      ["no step", { stepId: undefined }],
      ["pending writes", { pendingWrites: [] }],
    ])("of another %s under the same id is a conflict, and changes nothing", (_name, over) =>
      on(async ({ runs, store, tenant }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const request = { checkpointId: "c", stepId: "one", kind: "k", pendingWrites: ["vars.x"], state: state() };
        await saveCheckpoint(runs, "r", request);
        const before = await rowsOf(store, tenant, "r");
        const { stepId, ...rest } = { ...request, ...over };
        const call = saveCheckpoint(runs, "r", { ...rest, ...(stepId === undefined ? {} : { stepId }) });
        expect((await refusalOf(call)).code).toBe("conflict");
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
      })(),
    );

    test(
      "under one id in two runs makes two checkpoints",
      on(async ({ runs }) => {
        for (const runId of ["a", "b"]) {
          await runs.create({ skillId: "chain", runId });
          await saveCheckpoint(runs, runId, { checkpointId: "c", kind: runId, state: state() });
        }
        expect((await runs.loadCheckpoint("a", "c")).record.kind).toBe("a");
        expect((await runs.loadCheckpoint("b", "c")).record.kind).toBe("b");
      }),
    );

    test(
      "is a conflict under a live lease, which says when to come back, and changes nothing",
      on(async ({ runs, handlers, store, tenant, clock, calls }) => {
        const hold = deferred();
        handlers.set("one", () => hold.promise);
        await runs.start({ skillId: "chain", runId: "r" });
        await until("the step has begun", () => calls.length === 1);
        await clock.advance(1_000);
        const before = await rowsOf(store, tenant, "r");
        const call = saveCheckpoint(runs, "r", { kind: "k", state: state() });
        expect(await refusalOf(call)).toMatchObject({ code: "conflict", retryAfterMs: leaseMs - 1_000 });
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
        hold.resolve();
      }),
    );

    test(
      "is accepted again once the lease has lapsed, and the run goes on from it",
      on(async ({ runs, handlers, home, runtime, tenant, clock, calls, counts }) => {
        const hold = deferred();
        handlers.set("one", () => hold.promise);
        await runs.start({ skillId: "chain", runId: "r" });
        await until("the step has begun", () => calls.length === 1);
        await home.stop();
        await clock.advance(leaseMs);
        await saveCheckpoint(runs, "r", { checkpointId: "c", kind: "k", state: halfway() });
        expect(await runs.get("r")).toMatchObject({ status: "running", checkpointHead: "c" });
        const next = runtime();
        await next.drain({ tenant });
        expect((await runs.get("r")).status).toBe("completed");
        expect(counts()).toEqual({ one: 1, three: 1 });
      }),
    );

    test(
      "on a run that has ended is a conflict, but for the same again",
      on(async (stage) => {
        const { runs, store, tenant, home, handlers } = stage;
        await runs.create({ skillId: "pair", runId: "completed" });
        await runs.create({ skillId: "pair", runId: "canceled" });
        await runs.create({ skillId: "pair", runId: "failed" });
        const request = { checkpointId: "c", kind: "k", state: state("pair") };
        for (const runId of ["completed", "canceled", "failed"]) await saveCheckpoint(runs, runId, request);
        await runs.resume("completed");
        await home.idle();
        handlers.set("left", () => Promise.reject(new Error("boom")));
        await runs.resume("failed");
        await home.idle();
        await runs.cancel("canceled");
        for (const runId of ["completed", "canceled", "failed"]) {
          expect((await runs.get(runId)).status).toBe(runId);
          const before = await rowsOf(store, tenant, runId);
          expect((await saveCheckpoint(runs, runId, request)).checkpointId).toBe("c");
          for (const other of [
            { ...request, checkpointId: "d" },
            { ...request, kind: "l" },
          ]) {
            expect((await refusalOf(saveCheckpoint(runs, runId, other))).code).toBe("conflict");
          }
          expect(await rowsOf(store, tenant, runId)).toEqual(before);
        }
      }),
    );

    test(
      "of a run's own checkpoint again is the same again",
      on(async ({ runs, home, store, tenant }) => {
        await runs.start({ skillId: "pair", runId: "r" });
        await home.idle();
        const before = await rowsOf(store, tenant, "r");
        for (const { checkpointId } of (await runs.listCheckpoints("r")).items) {
          const { record, state } = await runs.loadCheckpoint("r", checkpointId);
          expect(await saveCheckpoint(runs, "r", { ...record, state })).toEqual(record);
        }
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
      }),
    );

    test(
      "of the same id from many at once writes one checkpoint",
      on(async ({ runs, home, runtime, open, tenant }) => {
        const other = runtime({ store: await open() });
        await runs.create({ skillId: "chain", runId: "r" });
        const request = { checkpointId: "c", kind: "k", state: state() };
        const saved = await Promise.all(
          Array.from({ length: 6 }, (_, n) => saveCheckpoint((n % 2 === 0 ? home : other).for(tenant), "r", request)),
        );
        expect(saved).toEqual(Array(6).fill(saved[0]));
        expect(await kindsOf(runs, "r")).toEqual(["run_created", "k"]);
      }),
    );

    test(
      "of many ids at once writes them all",
      on(async ({ runs }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const ids = Array.from({ length: 10 }, (_, n) => `c${n}`);
        await Promise.all(
          ids.map((checkpointId) => saveCheckpoint(runs, "r", { checkpointId, kind: "k", state: state() })),
        );
        const { items: checkpoints, head } = await runs.listCheckpoints("r");
        expect(
          checkpoints
            .slice(1)
            .map(({ checkpointId }) => checkpointId)
            .sort(),
        ).toEqual(ids);
        expect(head).toBe(checkpoints.at(-1)?.checkpointId);
      }),
    );

    test.each<[string, object, string]>([
      ["another skill's state", { state: state("pair") }, "state.skill_id"],
      ["no kind", { kind: "" }, "kind"],
      ["a value that cannot be kept", { state: { ...state(), vars: { f: () => 1 } } }, "state.vars.f"],
    ])("with %s is refused under its path, and changes nothing", (_name, over, path) =>
      on(async ({ runs, store, tenant }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const before = await rowsOf(store, tenant, "r");
        const call = saveCheckpoint(runs, "r", { kind: "k", state: state(), ...over });
        expect(await refusalOf(call)).toMatchObject({ code: "invalid_request", path });
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
      })(),
    );

    test(
      "from outside is what the run goes on with",
      on(async ({ runs, home, counts }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        await saveCheckpoint(runs, "r", { kind: "imported", state: halfway() });
        await runs.resume("r");
        await home.idle();
        expect(counts()).toEqual({ three: 1 });
        expect((await runs.get("r")).status).toBe("completed");
      }),
    );
  });

  describe("load", () => {
    test(
      "gives the record and the state of every boundary of a run",
      on(async (stage) => {
        const { runs } = stage;
        await completed(stage, "chain", "r", { text: "a" });
        const { items: checkpoints } = await runs.listCheckpoints("r");
        const loaded = await Promise.all(checkpoints.map((record) => runs.loadCheckpoint("r", record.checkpointId)));
        expect(loaded.map(({ record }) => record)).toEqual(checkpoints);
        expect(loaded.map(({ state }) => [state.status, Object.keys(state.stepResults)])).toEqual([
          ["running", []],
          ["running", ["one"]],
          ["running", ["one", "two"]],
          ["running", ["one", "two", "three"]],
          ["completed", ["one", "two", "three"]],
        ]);
        expect(loaded.map(({ state }) => [state.vars, state.outputs])).toEqual([
          [{}, {}],
          [{ one: "one done" }, {}],
          [{ one: "one done", two: "two done" }, {}],
          [{ one: "one done", two: "two done" }, { three: "three done" }],
          [{ one: "one done", two: "two done" }, { three: "three done" }],
        ]);
        expect(loaded.at(-1)?.state).toMatchObject({
          skillId: "chain",
          skillVersion: "1.0.0",
          stateVersion: "1.0.0",
          inputs: { text: "a" },
          writtenTargets: ["outputs.three", "vars.one", "vars.two"],
          output: { result: { three: "three done" } },
          iteration: 3,
          currentStep: "three",
        });
      }),
    );

    test(
      "a step's result says what it was given, what it gave, and how often it was tried",
      on(async (stage) => {
        const { runs, handlers } = stage;
        let tries = 0;
        handlers.set("try", () => {
          tries += 1;
          if (tries < 3) throw new Error(`try ${tries}`);
          return { n: tries };
        });
        const run = await completed(stage, "retrying", "r");
        const { state } = await runs.loadCheckpoint("r", run.checkpointHead ?? "");
        expect(state.stepResults.try).toMatchObject({
          stepId: "try",
          uses: "work",
          status: "completed",
          resolvedInput: {},
          producedOutput: { n: 3 },
          attemptsCount: 3,
          reads: [],
          writes: ["outputs.tried"],
        });
        expect(state.trace.steps).toHaveLength(1);
        expect(state.trace.metrics.stepCount).toBe(1);
      }),
    );

    test(
      "a checkpoint's record names its state, and the state is found under that name alone",
      on(async (stage) => {
        const { runs } = stage;
        await completed(stage, "pair", "r");
        for (const record of (await runs.listCheckpoints("r")).items) {
          expect(stateSnapshotRef(record)).toBe(`checkpoint://r/${record.checkpointId}`);
          const [, runId = "", checkpointId = ""] = /^checkpoint:\/\/(.+)\/(.+)$/.exec(stateSnapshotRef(record)) ?? [];
          expect((await runs.loadCheckpoint(runId, checkpointId)).record).toEqual(record);
        }
      }),
    );

    test(
      "a state that is damaged on the medium is corrupt data, not a missing or an empty one",
      on(async ({ runs, store, runtime, tenant, errors }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const head = (await runs.get("r")).checkpointHead ?? "";
        const damaged = runtime({
          store: {
            ...store,
            getSnapshots: async (...args) =>
              (await store.getSnapshots(...args)).map(({ revision, body }) => ({ revision, body: body.slice(0, -5) })),
          },
        }).for(tenant);
        for (const call of [
          damaged.loadCheckpoint("r", head),
          damaged.resume("r"),
          damaged.fork("r"),
          damaged.replay("r"),
        ]) {
          expect((await refusalOf(call)).code).toBe("corrupt_data");
        }
        expect((await runs.get("r")).status).toBe("pending");
        expect(errors).toEqual([]);
      }),
    );
  });

  describe("list checkpoints", () => {
    test(
      "shows one at every mandatory boundary, in the order in which they were written",
      on(async ({ runs, home }) => {
        await runs.start({ skillId: "gated", runId: "r" });
        await home.idle();
        await runs.approve("r");
        await home.idle();
        expect(await kindsOf(runs, "r")).toEqual([
          "run_started",
          "step_completed draft",
          "run_waiting_for_human",
          "run_resumed",
          "step_completed send",
          "step_completed file",
          "run_finished",
        ]);
        const { items: checkpoints, head } = await runs.listCheckpoints("r");
        expect(head).toBe(checkpoints.at(-1)?.checkpointId);
        expect(new Set(checkpoints.map(({ checkpointId }) => checkpointId)).size).toBe(7);
        expect(checkpoints[2]).toMatchObject({ stepId: "send", runId: "r", pendingWrites: [] });
      }),
    );

    test(
      "shows them in that order whatever the clock says",
      on(async ({ runs, home, tenant, runtime, clock }) => {
        await runs.create({ skillId: "pair", runId: "r" });
        await home.stop();
        const earlier = { now: () => clock.now() - 86_400_000, sleep: clock.sleep };
        const past = runtime({ clock: earlier });
        await past.for(tenant).resume("r");
        await past.idle();
        const { items: checkpoints } = await runs.listCheckpoints("r");
        expect(checkpoints.map(({ kind }) => kind)).toEqual([
          "run_created",
          "run_resumed",
          "step_completed",
          "step_completed",
          "step_completed",
          "run_finished",
        ]);
        expect((checkpoints[1]?.createdAt ?? "") < (checkpoints[0]?.createdAt ?? "")).toBe(true);
      }),
    );

    test(
      "shows them all, however many",
      on(async ({ runs, store, tenant }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const ids = Array.from({ length: 60 }, (_, n) => `c${n}`);
        for (const checkpointId of ids) await saveCheckpoint(runs, "r", { checkpointId, kind: "k", state: state() });
        const { items: checkpoints } = await runs.listCheckpoints("r");
        expect(checkpoints.map(({ checkpointId }) => checkpointId).slice(1)).toEqual(ids);
        expect((await store.listEntries(tenant, "r", { limit: 1_000, checkpointsOnly: true })).length).toBe(61);
      }),
    );

    test(
      "shows the run's own, and no other's",
      on(async ({ runs, home }) => {
        await runs.create({ skillId: "chain", runId: "a" });
        await runs.create({ skillId: "chain", runId: "b" });
        await home.for("neighbor").create({ skillId: "chain", runId: "a" });
        await saveCheckpoint(runs, "b", { checkpointId: "c", kind: "k", state: state() });
        expect((await runs.listCheckpoints("a")).items).toHaveLength(1);
        expect((await runs.listCheckpoints("b")).items).toHaveLength(2);
      }),
    );
  });
}
