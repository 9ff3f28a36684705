import { describe, expect, expectTypeOf, test } from "vitest";
import {
  type CheckpointRecord,
  createRuntime,
  defineSkill,
  type RunEvent,
  type RunStatus,
  type RunsApi,
  type Skill,
  saveCheckpoint,
} from "../../../src/index.ts";
import { rollbacks } from "../../../src/steps.ts";
import type { Store } from "../../../src/store.ts";
import type { NewCheckpointRequest } from "../../../src/types.ts";
import { type RunList, watchRun, watchRuns } from "../../../src/watch.ts";
import { createClient } from "../../../worker/client/index.ts";
import { createApp } from "../../../worker/http/index.ts";

const echo = defineSkill<{ readonly value: unknown }, unknown>({
  id: "api.echo",
  version: "1",
  run: async (step, { value }) => step.do("say", async () => value),
});

const dated = defineSkill({
  id: "api.dated",
  version: "2",
  description: "The day after.",
  run: async (step, { day }: { readonly day: Date }) => {
    return { next: await step.do("add", async () => new Date(day.getTime() + 86_400_000)) };
  },
});

const gated = defineSkill({
  id: "api.gated",
  version: "1",
  run: async (step) => (await step.waitForApproval("ask")).approver ?? null,
});

const listening = defineSkill({
  id: "api.listening",
  version: "1",
  run: async (step) => (await step.waitForEvent<unknown>("hear", { type: "go" })).payload,
});

const failing = defineSkill({
  id: "api.failing",
  version: "1",
  run: async (step) =>
    step.do("break", { retries: { limit: 0, delay: 1 } }, async () => {
      throw new TypeError("it broke");
    }),
});

const saga = defineSkill({
  id: "api.saga",
  version: "1",
  uses: [rollbacks],
  run: async (step) => {
    await step.do("reserve", async () => 1, { rollback: async () => {} });
    await step.waitForApproval("ask");
  },
});

const apiSkills: readonly Skill[] = [saga, echo, dated, gated, listening, failing];

/** The cases for the runs of a runtime over this store, and for the client of a service over it. */
export function testBothSides(medium: string, store: Store): void {
  const runtime = createRuntime({ serves: false, store, skills: apiSkills, onError: () => {} });
  const app = createApp({
    stream: { pollMs: 20, maxPollMs: 100 },
    authenticate: () => ({ tenant: "served-api", role: "admin" }),
    runs: (tenant) => runtime.for(tenant),
  });
  const client = createClient("http://orca.test", { fetch: (request) => app.fetch(request) });
  const drain = () => runtime.drain();
  testRunsApi(`the runs of a runtime over ${medium}`, runtime.for("local-api"), saveCheckpoint, drain);
  testRunsApi(
    `the client of a service over ${medium}`,
    client,
    (_, runId, request) => client.saveCheckpoint(runId, request),
    drain,
  );
}

const values: Readonly<Record<string, unknown>> = {
  "a date": new Date("2026-02-03T04:05:06.789Z"),
  "a map": new Map<unknown, unknown>([
    ["a", 1],
    [new Date(0), new Set([1n])],
  ]),
  "a set": new Set(["a", undefined]),
  "a bigint": 12_345_678_901_234_567_890n,
  "what is undefined": { there: undefined },
  "odd numbers": [Number.NaN, Number.POSITIVE_INFINITY, -0],
  bytes: new Uint8Array([0, 1, 255]),
  "an error": new RangeError("too far", { cause: new Error("why") }),
  "what looks like a tag": { $durable: ["date", "2026-02-03T04:05:06.789Z"] },
  "names of the wire": { run_id: "a", snake_case: { null_here: null }, camelCase: 1 },
};

const refusal = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    (answer) => ({ answer }),
    (error: unknown) => error,
  );

type Save<R> = (runs: R, runId: string, request: NewCheckpointRequest) => Promise<CheckpointRecord>;

/** One contract, wherever the runs are. `runs` has the skills of {@link apiSkills}, and executes what it starts; `drain` executes what is due. */
function testRunsApi<R extends RunsApi>(name: string, runs: R, save: Save<R>, drain: () => Promise<unknown>): void {
  const waiting = async (skill: Skill, status: string): Promise<string> => {
    const { run } = await runs.start({ skillId: skill.id });
    for (const end = Date.now() + 100_000; Date.now() < end; ) {
      if ((await runs.get(run.runId)).status === status) return run.runId;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`run ${run.runId} is never ${status}`);
  };

  describe(name, () => {
    test.each(Object.keys(values))("%s is itself in inputs, result, state, events and metadata", async (what) => {
      const value = values[what];
      const { run, isRepeat } = await runs.start(echo, { value }, { metadata: { value } });
      expect(isRepeat).toBe(false);
      expect(await runs.result(echo, run.runId)).toEqual(value);
      const read = await runs.get(run.runId);
      expect(read.metadata).toEqual({ value });
      const { state } = await runs.loadCheckpoint(run.runId, read.checkpointHead ?? "");
      expect(state.inputs).toEqual({ value });
      expect(state.stepResults.say?.producedOutput).toEqual(value);
      const { items } = await runs.list({ limit: 1 });
      expect(items).toEqual([read]);
    });

    test("a result has the type of its skill, and a date in it is a date", async () => {
      const { run } = await runs.start(dated, { day: new Date(0) });
      const { next } = await runs.result(dated, run.runId);
      expectTypeOf(next).toEqualTypeOf<Date>();
      expect(next).toEqual(new Date(86_400_000));
      // @ts-expect-error: a day is a date
      void (() => runs.start(dated, { day: "today" }));
      expect(await refusal(runs.result(echo, run.runId))).toMatchObject({ code: "invalid_request", path: "skill" });
    });

    test("a start that is to come is pending until it is resumed", async () => {
      for (const time of [{ startAt: new Date(Date.now() + 3_600_000) }, { delay: "1 hour" as const }]) {
        const { run } = await runs.start(echo, { value: 1 }, time);
        expect(run).toMatchObject({ status: "pending" });
        await runs.resume(run.runId);
        expect(await runs.result(echo, run.runId)).toBe(1);
      }
      expect((await runs.start(echo, { value: 1 }, { startAt: Date.now() - 1 })).run.status).toBe("running");
      expect(await refusal(runs.start(echo, { value: 1 }, { startAt: new Date(Number.NaN) }))).toMatchObject({
        code: "invalid_request",
        path: "startAt",
      });
    });

    test("a run that fails or is canceled has no result, and settled returns it", async () => {
      const failed = (await runs.start({ skillId: failing.id })).run.runId;
      expect(await refusal(runs.result(failed))).toMatchObject({
        code: "run_failed",
        details: { runId: failed, stepId: "break" },
      });
      expect((await runs.settled(failed)).error).toMatchObject({ code: "step_failed", stepId: "break" });
      const canceled = await waiting(gated, "waiting_for_human");
      expect((await runs.cancel(canceled)).status).toBe("canceled");
      expect(await refusal(runs.result(gated, canceled))).toMatchObject({ code: "run_canceled" });
    });

    test("a wait ends with its signal, and the run goes on", async () => {
      const runId = await waiting(gated, "waiting_for_human");
      const reason = new Error("enough");
      const controller = new AbortController();
      const wait = refusal(runs.settled(runId, { signal: controller.signal }));
      setTimeout(() => controller.abort(reason), 30);
      expect(await wait).toBe(reason);
      expect((await runs.get(runId)).status).toBe("waiting_for_human");
    });

    test("pages of runs lead through all of them, in either order", async () => {
      const ids: string[] = [];
      for (let n = 0; n < 5; n++) ids.push((await runs.create({ skillId: "api.paged" })).run.runId);
      const filter = { skillId: "api.paged", status: "pending" } as const;
      expect(await runs.count(filter)).toBe(5);
      for (const order of ["ascending", "descending"] as const) {
        const seen: string[] = [];
        for (let after: string | undefined; ; ) {
          const page = await runs.list({ ...filter, order, limit: 2, ...(after === undefined ? {} : { after }) });
          expect(page.items.length).toBeLessThanOrEqual(2);
          seen.push(...page.items.map(({ runId }) => runId));
          after = page.next;
          if (after === undefined) break;
        }
        expect(seen.toSorted()).toEqual(ids.toSorted());
        expect(seen).toEqual((await runs.list({ ...filter, order })).items.map(({ runId }) => runId));
        const skipped = await runs.list({ ...filter, order, offset: 1, limit: 2 });
        expect(skipped.items.map(({ runId }) => runId)).toEqual(seen.slice(1, 3));
        const rest = await runs.list({ ...filter, order, after: skipped.next ?? "" });
        expect(rest.items.map(({ runId }) => runId)).toEqual(seen.slice(3));
      }
      expect(await refusal(runs.list({ limit: 501 }))).toMatchObject({ code: "invalid_request", path: "limit" });
    });

    test("pages of checkpoints, history and events add up to the whole", async () => {
      const { run } = await runs.start(dated, { day: new Date(0) });
      await runs.settled(run.runId);
      const { runId } = run;
      const whole = {
        checkpoints: await runs.listCheckpoints(runId),
        history: await runs.history(runId),
        events: await runs.events(runId),
      };
      expect([whole.checkpoints.next, whole.history.next, whole.events.next]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
      expect(whole.checkpoints.total).toBe(whole.checkpoints.items.length);
      expect(whole.checkpoints.head).toBe(whole.checkpoints.items.at(-1)?.checkpointId);
      expect(whole.history.items.flatMap(({ events }) => events)).toEqual(whole.events.items);
      const checkpoints: unknown[] = [];
      for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
        const page = await runs.listCheckpoints(runId, { limit: 1, ...(after === undefined ? {} : { after }) });
        expect(page).toMatchObject({ total: whole.checkpoints.total, head: whole.checkpoints.head });
        checkpoints.push(...page.items);
        after = page.next;
      }
      expect(checkpoints).toEqual(whole.checkpoints.items);
      const history: unknown[] = [];
      for (let after: number | undefined = 0; after !== undefined; ) {
        const page = await runs.history(runId, { limit: 1, after });
        history.push(...page.items);
        after = page.next;
      }
      expect(history).toEqual(whole.history.items);
      const events: unknown[] = [];
      for (let after: string | undefined = "0-0"; after !== undefined; ) {
        const page = await runs.events(runId, { limit: 2, after });
        events.push(...page.items);
        after = page.next;
      }
      expect(events).toEqual(whole.events.items);
    });

    test("a watch yields each event once and returns the status", async () => {
      const { run } = await runs.start(echo, { value: new Date(0) });
      const seen: RunEvent[] = [];
      const watch = runs.watch(run.runId);
      for (;;) {
        const { done, value } = await watch.next();
        if (done) {
          expect(value).toBe("completed");
          break;
        }
        seen.push(value);
      }
      const { items } = await runs.events(run.runId);
      expect(seen).toEqual(items);
      const later: RunEvent[] = [];
      for await (const event of runs.watch(run.runId, { after: items[1]?.eventId ?? "" })) later.push(event);
      expect(later).toEqual(items.slice(2));
    });

    test("a watch of runs has the list, each change, and what left it", async () => {
      const stopping = new AbortController();
      const lists: RunList[] = [];
      const watching = (async () => {
        const filter = { status: "waiting_for_human", skillId: gated.id, limit: 500 } as const;
        for await (const list of watchRuns(runs, filter, { signal: stopping.signal, pollMs: 50 })) lists.push(list);
      })();
      const runId = await waiting(gated, "waiting_for_human");
      const has = () => lists.at(-1)?.items.some((run) => run.runId === runId) === true;
      await expect.poll(has).toBe(true);
      expect(lists.at(-1)?.items.find((run) => run.runId === runId)).toEqual(await runs.get(runId));
      await runs.deny(runId);
      await expect.poll(has).toBe(false);
      stopping.abort();
      await watching;
    });

    test("a watch of one run has it as it is, and after each change", async () => {
      const runId = await waiting(gated, "waiting_for_human");
      const statuses: (RunStatus | undefined)[] = [];
      for await (const { run } of watchRun(runs, runId, { pollMs: 50 })) {
        if (statuses.push(run?.status) === 1) await runs.deny(runId);
        if (run?.status === "canceled") break;
      }
      expect([statuses[0], statuses.at(-1)]).toEqual(["waiting_for_human", "canceled"]);
      await expect(watchRun(runs, "api-none").next()).rejects.toMatchObject({ code: "not_found" });
    });

    test("a call with another expected revision changes nothing", async () => {
      const runId = await waiting(gated, "waiting_for_human");
      const before = await runs.get(runId);
      const { state } = await runs.loadCheckpoint(runId, before.checkpointHead ?? "");
      for (const expectedRevision of [before.revision - 1, [], [0, 1_000]]) {
        for (const call of [
          () => runs.cancel(runId, { expectedRevision }),
          () => runs.delete(runId, { expectedRevision }),
          () => runs.resume(runId, { expectedRevision }),
          () => runs.replay(runId, { expectedRevision }),
          () => runs.fork(runId, { expectedRevision }),
          () => runs.approve(runId, { expectedRevision }),
          () => runs.deny(runId, { expectedRevision }),
          () => runs.signal(runId, { name: "go", expectedRevision }),
          () => save(runs, runId, { kind: "mine", state, expectedRevision }),
        ]) {
          expect(await refusal(call())).toMatchObject({ code: "precondition_failed" });
        }
      }
      expect(await runs.get(runId)).toEqual(before);
      expect(await runs.count({ sourceRunId: runId })).toBe(0);
      const { run } = await runs.approve(runId, { approver: "Ada", expectedRevision: [before.revision] });
      expect(run.approvalRequest).toMatchObject({ stepId: "ask", status: "approved", approver: "Ada" });
      expect(await runs.result(gated, runId)).toBe("Ada");
    });

    test("a second call under one idempotency key is a repeat", async () => {
      const key = { idempotencyKey: `of ${name}` };
      const first = await runs.start(echo, { value: new Date(5) }, key);
      const again = await runs.start(echo, { value: new Date(5) }, key);
      expect([again.run.runId, again.isRepeat]).toEqual([first.run.runId, true]);
      expect(await refusal(runs.start(echo, { value: new Date(6) }, key))).toMatchObject({
        code: "idempotency_conflict",
      });
      await runs.settled(first.run.runId);
      const fork = await runs.fork(first.run.runId, key);
      expect(await runs.fork(first.run.runId, key)).toMatchObject({ run: { runId: fork.run.runId }, isRepeat: true });
      const listener = await waiting(listening, "waiting_for_signal");
      const sent = { name: "go", payload: new Map([["at", new Date(7)]]), idempotencyKey: `signal of ${name}` };
      expect((await runs.signal(listener, sent)).isRepeat).toBeUndefined();
      expect((await runs.signal(listener, sent)).isRepeat).toBe(true);
      expect(await runs.result(listening, listener)).toEqual(sent.payload);
    });

    test("a cancel with rollback undoes first, and is rejected for what is no flag", async () => {
      const runId = await waiting(saga, "waiting_for_human");
      expect((await runs.cancel(runId, { rollback: true })).status).toBe("running");
      await drain();
      expect(await runs.settled(runId)).toMatchObject({ status: "canceled" });
      expect(await refusal(runs.cancel(runId, { rollback: "yes" as never }))).toMatchObject({
        code: "invalid_request",
      });
    });

    test("a denied gate cancels its run", async () => {
      const runId = await waiting(gated, "waiting_for_human");
      const run = await runs.deny(runId, { notes: "no" });
      expect(run).toMatchObject({ status: "canceled", approvalRequest: { status: "denied", notes: "no" } });
      expect("isRepeat" in run).toBe(false);
    });

    test("replays and forks keep values, and an edit is live", async () => {
      const { run } = await runs.start(dated, { day: new Date(0) });
      await runs.settled(run.runId);
      const [first] = (await runs.listCheckpoints(run.runId)).items;
      const checkpointId = first?.checkpointId ?? "";
      const replay = await runs.replay(run.runId, { checkpointId });
      expect(replay).toMatchObject({ checkpointId, sourceRunId: run.runId, isRepeat: false });
      expect(await runs.result(dated, replay.run.runId)).toEqual({ next: new Date(86_400_000) });
      const newRunId = `fork of ${run.runId}`.slice(0, 200);
      const fork = await runs.fork(run.runId, { checkpointId, newRunId, edit: { inputs: { day: new Date(1) } } });
      expect(fork.run).toMatchObject({ runId: newRunId, status: "pending" });
      const resumed = await runs.resume(newRunId, { expectedRevision: (await runs.get(newRunId)).revision });
      expect(resumed.run.runId).toBe(newRunId);
      expect(await runs.result(dated, newRunId)).toEqual({ next: new Date(86_400_001) });
      expect(await runs.count({ sourceRunId: run.runId })).toBe(2);
    });

    test("a checkpoint that is saved is loaded as it was", async () => {
      const { run } = await runs.create(dated, { day: new Date(0) });
      const { head = "" } = await runs.listCheckpoints(run.runId);
      const { state } = await runs.loadCheckpoint(run.runId, head);
      const edited = { ...state, vars: { seen: new Map([[1n, new Set([undefined])]]) } };
      const request = { checkpointId: "mine", kind: "note", stepId: "s", pendingWrites: ["vars.seen"], state: edited };
      const record = await save(runs, run.runId, request);
      expect(record).toEqual({
        checkpointId: "mine",
        runId: run.runId,
        kind: "note",
        stepId: "s",
        pendingWrites: ["vars.seen"],
        createdAt: expect.any(String),
      });
      expect(await runs.loadCheckpoint(run.runId, "mine")).toEqual({ record, state: edited });
      expect(await save(runs, run.runId, request)).toEqual(record);
    });

    test("what is missing, and what is wrong, is named", async () => {
      const { runId } = (await runs.create({ skillId: "api.paged" })).run;
      const cases: readonly (readonly [call: () => Promise<unknown>, error: object])[] = [
        [() => runs.get("nothing here"), { code: "not_found", missing: "run" }],
        [() => runs.loadCheckpoint(runId, "none"), { code: "not_found", missing: "checkpoint" }],
        [() => runs.start({ skillId: "api.unknown" }), { code: "not_found", missing: "skill" }],
        [() => runs.approve(runId), { code: "invalid_transition" }],
        [() => runs.start(echo, { value: () => 1 }), { code: "invalid_request", path: "inputs.value" }],
        [() => runs.signal(runId, { name: "go", payload: Symbol("s") }), { code: "invalid_request", path: "payload" }],
        [() => runs.history(runId, { limit: 0 }), { code: "invalid_request", path: "limit" }],
        [() => runs.events(runId, { after: "nowhere" }), { code: "invalid_request", path: "after" }],
        [() => runs.create({ skillId: "api.paged", runId }), { code: "conflict" }],
      ];
      for (const [call, error] of cases) {
        const found = await refusal(call());
        expect(found).toBeInstanceOf(Error);
        expect(found).toMatchObject({ name: "DurableError", ...error });
      }
    });

    test("skills are listed by id", async () => {
      const skills = await runs.skills();
      expect(skills.find(({ skillId }) => skillId === "api.dated")).toEqual({
        skillId: "api.dated",
        versions: ["2"],
        description: "The day after.",
        form: "code",
      });
    });

    test("a deleted run is gone", async () => {
      const { runId } = (await runs.create({ skillId: "api.paged" })).run;
      expect(await runs.delete(runId)).toBeUndefined();
      expect(await refusal(runs.get(runId))).toMatchObject({ code: "not_found", missing: "run" });
    });
  });
}
