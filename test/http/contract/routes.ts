import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { Client, type HttpHome, runPath } from "../../support/http-home.ts";

/** Each route as its callers use it. */
export function testRoutes(home: HttpHome): void {
  const client = new Client(home);

  describe("starting a run", () => {
    const forms = [
      ["/v1/skills/http.chain/execute/async", { inputs: { value: 7 } }],
      ["/v1/skills/http%2Echain/execute/async", { inputs: { value: 7 }, options: { any: "thing" } }],
      ["/v1/run_async", { skill_id: "http.chain", inputs: { value: 7 } }],
      ["/run_async", { skill_id: "http.chain", inputs: { value: 7 }, trace_id: null, options: null }],
    ] as const;
    test.each(forms)("POST %s answers 202, and the run is executed afterwards", async (path, body) => {
      const started = await client.expect(202, client.post(path, body));
      expect(started).toEqual({
        run_id: expect.stringMatching(/^run_/),
        skill_id: "http.chain",
        status: "running",
        trace_id: expect.any(String),
        checkpoint_head: expect.stringMatching(/^chk_/),
      });
      const run = await client.reached(started.run_id as string, "completed");
      expect(run).toMatchObject({ result: { value: 7 }, tenant_id: "alpha", skill_version: "1.0.0", error: null });
    });

    test("POST /v1/runs answers 201 with the run", async () => {
      const body = { skill_id: "http.chain", run_id: "named by us", inputs: { value: 1 }, metadata: { team: "a" } };
      const run = await client.expect(201, client.post("/v1/runs", body));
      expect(run).toMatchObject({ run_id: "named by us", status: "running", metadata: { team: "a" } });
      expect(await client.reached("named by us", "completed")).toMatchObject({ result: { value: 1 } });
    });

    test("start: false makes a pending run that executes nothing until it is resumed", async () => {
      const runId = await client.create("http.chain", { value: "later" });
      expect(await client.run(runId)).toMatchObject({ status: "pending", started_at: null, result: null });
      const [checkpoint, ...others] = await client.checkpoints(runId);
      expect(others).toEqual([]);
      expect(checkpoint).toMatchObject({ kind: "run_created", run_id: runId });
      await home.drain();
      expect(await client.run(runId)).toMatchObject({ status: "pending" });
      const resumed = await client.expect(200, client.post(runPath(runId, "resume")));
      expect(resumed).toMatchObject({
        run: { run_id: runId, status: "running" },
        resume: { accepted: true, mode: "checkpoint_resume", checkpoint_id: checkpoint?.checkpoint_id },
      });
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { value: "later" } });
    });

    const times: readonly (readonly [field: string, time: () => string | number])[] = [
      ["start_at", () => new Date(Date.now() + 3_600_000).toISOString()],
      ["delay", () => 3_600_000],
      ["delay", () => "1 hour"],
    ];
    test.each(times)("with %s the run is pending until then, or until it is resumed", async (field, time) => {
      const body = { skill_id: "http.chain", inputs: { value: field }, [field]: time() };
      const { run_id } = await client.expect(201, client.post("/v1/runs", body));
      const runId = run_id as string;
      await home.drain();
      expect(await client.run(runId)).toMatchObject({ status: "pending", started_at: null });
      await client.expect(200, client.post(runPath(runId, "resume")));
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { value: field } });
    });

    test("a start whose time is past begins at once", async () => {
      const body = { skill_id: "http.chain", inputs: { value: 1 }, start_at: "2020-02-29T23:59:59+01:00" };
      expect(await client.expect(201, client.post("/v1/runs", body))).toMatchObject({ status: "running" });
    });

    test.each([
      ["start_at", { start_at: "tomorrow" }],
      ["start_at", { start_at: "2026-11-30 09:00" }],
      ["start_at", { start_at: 1 }],
      ["delay", { delay: "soon" }],
      ["delay", { delay: -1 }],
      ["delay", { delay: 1, start_at: "2020-01-01T00:00:00Z" }],
    ] as const)("a start with a wrong %s is a 400 that names it: %j", async (path, time) => {
      const answer = await client.post("/v1/runs", { skill_id: "http.chain", ...time });
      expect([answer.status, answer.body.error]).toEqual([400, expect.objectContaining({ path })]);
    });

    test("POST /v1/runs keeps every field of the run", async () => {
      const told = { thread_id: "t", session_id: "s", environment: "test", trace_id: "our trace" };
      const body = { skill_id: "http.chain", skill_version: "1.0.0", start: false, ...told };
      expect(await client.expect(201, client.post("/v1/runs", body))).toMatchObject({
        ...told,
        skill_version: "1.0.0",
      });
    });

    test("values that JSON cannot say come back as they went", async () => {
      const value = {
        date: { $durable: ["date", "2026-03-26T12:00:00.123Z"] },
        big: { $durable: ["bigint", "123456789012345678901234567890"] },
        map: { $durable: ["map", [["a", { $durable: ["set", [1, { $durable: ["undefined"] }]] }]]] },
        bytes: { $durable: ["bytes", "Uint8Array", "AAEC"] },
        odd: [{ $durable: ["number", "-0"] }, { $durable: ["number", "NaN"] }],
        escaped: { $$durable: "data of mine" },
      };
      const runId = await client.settled("http.chain", { value });
      expect((await client.run(runId)).result).toEqual({ value });
    });

    test("a field may be called anything", async () => {
      const text = '{"inputs": {"value": {"__proto__": {"a": 1}, "constructor": 2, "": 3}, "__proto__": 4}}';
      const started = await client.expect(202, client.post("/v1/skills/http.chain/execute/async", text));
      const run = await client.reached(started.run_id as string, "completed");
      expect(JSON.stringify(run.result)).toBe('{"value":{"__proto__":{"a":1},"constructor":2,"":3}}');
    });

    test("metadata is kept field by field, so that what was read can be sent", async () => {
      const metadata = { $durable: "a name like any other", at: { $durable: ["date", "2026-03-26T12:00:00.000Z"] } };
      const only = { $durable: 1 };
      for (const sent of [metadata, only]) {
        const body = { skill_id: "http.chain", start: false, metadata: sent };
        expect((await client.expect(201, client.post("/v1/runs", body))).metadata).toEqual(sent);
      }
    });
  });

  describe("listing runs", () => {
    test("pages of runs, newest first, lead from one to the next", async () => {
      const paged = new Client(home, "paged");
      const created: string[] = [];
      for (let index = 0; index < 5; index++) created.push(await paged.create("http.chain"));
      const seen: string[] = [];
      let offset = 0;
      for (const length of [2, 2, 1]) {
        const page = await paged.expect(200, paged.get(`/v1/runs?limit=2&offset=${offset}`));
        const runs = page.runs as readonly JsonObject[];
        expect(runs).toHaveLength(length);
        seen.push(...runs.map((run) => run.run_id as string));
        const isLast = length === 1;
        expect(page.pagination).toEqual({
          offset,
          limit: 2,
          total: 5,
          has_more: !isLast,
          ...(isLast ? {} : { next_offset: offset + 2 }),
        });
        offset += 2;
      }
      // Two of one millisecond are in the order of their ids.
      expect([...seen].sort()).toEqual([...created].sort());
      const times = await Promise.all(seen.map(async (runId) => (await paged.run(runId)).created_at as string));
      expect(times).toEqual([...times].sort().reverse());
    });

    test("a page beyond the last is empty, and the default page is of a hundred", async () => {
      const listed = new Client(home, "listed");
      expect(await listed.expect(200, listed.get("/v1/runs?offset=1000000"))).toEqual({
        runs: [],
        pagination: { offset: 1000000, limit: 100, total: 0, has_more: false },
      });
    });

    test("a status filters both the page and the total", async () => {
      const listed = new Client(home, "listed");
      const pending = await listed.create("http.chain");
      await listed.settled("http.chain", { value: 1 });
      const page = await listed.expect(200, listed.get("/v1/runs?status=pending&limit=500"));
      expect(page).toMatchObject({ runs: [{ run_id: pending }], pagination: { total: 1, has_more: false } });
      const all = await listed.expect(200, listed.get("/v1/runs"));
      expect(all.pagination).toMatchObject({ total: 2, limit: 100, offset: 0 });
    });
  });

  describe("a run", () => {
    test("GET answers with every field of the contract", async () => {
      const run = await client.run(await client.settled("http.chain", { value: 1 }));
      const times = ["created_at", "started_at", "finished_at"];
      for (const time of times) expect(run[time]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      expect(run).toMatchObject({ current_step_id: "three", versions: {}, metadata: {}, approval_request: null });
    });

    test("a result too large for a list is in GET", async () => {
      const runId = await client.settled("http.large", { length: 100_000 });
      const { text } = (await client.run(runId)).result as { text: string };
      expect(text).toHaveLength(100_000);
    });

    test("HEAD answers as GET does, without a body", async () => {
      const runId = await client.create("http.chain");
      const request = new Request(`http://orca.test${runPath(runId)}`, {
        method: "HEAD",
        headers: { "x-api-key": "key-of-alpha" },
      });
      const response = await home.fetch(request);
      expect(response.status).toBe(200);
      expect(response.headers.get("x-trace-id")).not.toBeNull();
      expect(await response.text()).toBe("");
    });

    test("cancel with rollback answers with the run that undoes its steps, and is canceled then", async () => {
      const runId = await client.start("http.saga");
      await client.reached(runId, "waiting_for_human");
      const asked = await client.expect(200, client.post(`${runPath(runId, "cancel")}?rollback=true`));
      expect(asked).toMatchObject({ status: "running", approval_request: null, finished_at: null });
      await home.drain();
      const run = await client.reached(runId, "canceled");
      expect(run).toMatchObject({ error: null, finished_at: expect.stringMatching(/Z$/) });
      expect((await client.events(runId)).filter((type) => type.startsWith("run.")).slice(-2)).toEqual([
        "run.undoing",
        "run.canceled",
      ]);
      expect(await client.recorded(runId)).toEqual([
        "reserve",
        "charge",
        "rollback:",
        "rollback: charge",
        "rollback: reserve",
      ]);
      await client.refusal("invalid_transition", client.post(`${runPath(runId, "cancel")}?rollback=true`));
      await client.refusal("invalid_request", client.post(`${runPath(runId, "cancel")}?rollback=yes`));
    });

    test("cancel with rollback ends a run at once that has nothing to undo", async () => {
      const runId = await client.start("http.listening");
      await client.reached(runId, "waiting_for_signal");
      const run = await client.expect(200, client.post(`${runPath(runId, "cancel")}?rollback=true`));
      expect(run).toMatchObject({ status: "canceled" });
    });

    test("cancel ends a run that waits", async () => {
      const runId = await client.start("http.gated");
      await client.reached(runId, "waiting_for_human");
      expect(await client.expect(200, client.post(runPath(runId, "cancel")))).toMatchObject({ status: "canceled" });
      expect(await client.run(runId)).toMatchObject({ status: "canceled" });
    });

    test("cancel accepts a body, and ignores it", async () => {
      const runId = await client.create("http.chain");
      expect(await client.expect(200, client.post(runPath(runId, "cancel"), "{"))).toMatchObject({
        status: "canceled",
      });
    });

    test("history lists what happened, in order and in pages", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const whole = await client.expect(200, client.get(runPath(runId, "history")));
      const history = whole.history as readonly {
        revision: number;
        events: JsonObject[];
        checkpoint: JsonObject | null;
      }[];
      expect(whole).toMatchObject({ run_id: runId, pagination: { after: 0, limit: 100, has_more: false } });
      expect(history.map(({ revision }) => revision)).toEqual(
        history.map(({ revision }) => revision).sort((a, b) => a - b),
      );
      const checkpoints = history.flatMap(({ checkpoint }) => (checkpoint === null ? [] : [checkpoint]));
      expect(checkpoints).toEqual(await client.checkpoints(runId));
      const events = history.flatMap(({ events }) => events);
      expect(new Set(events.map(({ event_id }) => event_id)).size).toBe(events.length);
      expect(events[0]).toMatchObject({ event_type: "run.started", run_id: runId, event_version: 1 });
      expect(events.map(({ event_type }) => event_type)).toContain("run.completed");

      const paged: unknown[] = [];
      for (let after: number | undefined = 0; after !== undefined; ) {
        const page: JsonObject = await client.expect(
          200,
          client.get(`${runPath(runId, "history")}?limit=2&after=${after}`),
        );
        paged.push(...(page.history as readonly unknown[]));
        const { has_more, next_after } = page.pagination as { has_more: boolean; next_after?: number };
        expect(has_more).toBe(next_after !== undefined);
        after = next_after;
      }
      expect(paged).toEqual(history);
    });

    test("an id of odd characters is addressed by its escapes", async () => {
      for (const runId of [" spaces ", "a/b?c#d", "100%", "%41%2f", "+&=;:@$,!'()*~", "..."]) {
        const body = { skill_id: "http.chain", run_id: runId, start: false };
        expect(await client.expect(201, client.post("/v1/runs", body))).toMatchObject({ run_id: runId });
        expect(await client.run(runId)).toMatchObject({ run_id: runId });
        expect(await client.checkpoints(runId)).toMatchObject([{ run_id: runId }]);
      }
    });
  });

  describe("checkpoints", () => {
    test("a run lists its own, in their order, with its head", async () => {
      const runId = await client.settled("http.chain", { value: 1 });
      const body = await client.expect(200, client.get(runPath(runId, "checkpoints")));
      const checkpoints = body.checkpoints as readonly JsonObject[];
      const kinds = ["run_started", "step_completed", "step_completed", "step_completed", "run_finished"];
      expect(checkpoints.map(({ kind }) => kind)).toEqual(kinds);
      expect(checkpoints.map(({ step_id }) => step_id)).toEqual([null, "one", "two", "three", null]);
      expect(body).toMatchObject({
        run_id: runId,
        total: 5,
        checkpoint_head: checkpoints.at(-1)?.checkpoint_id,
      });
      expect((await client.run(runId)).checkpoint_head).toBe(body.checkpoint_head);
      for (const { checkpoint_id, state_snapshot_ref } of checkpoints) {
        expect(state_snapshot_ref).toBe(`checkpoint://${runId}/${checkpoint_id}`);
      }
    });

    test("one of them is read with its state", async () => {
      const runId = await client.settled("http.chain", { value: "x" });
      const record = (await client.checkpoints(runId))[2];
      const id = record?.checkpoint_id as string;
      const { state, ...rest } = await client.expect(200, client.get(runPath(runId, "checkpoints", id)));
      expect(rest).toEqual({ record });
      expect(state).toMatchObject({
        _checkpoint_version: 1,
        skill_id: "http.chain",
        inputs: { value: "x" },
        vars: { one: "x", two: "x" },
        outputs: {},
        state_version: "1.0.0",
      });
    });

    test("one that is saved from outside is the head, from which the run continues", async () => {
      const runId = await client.create("http.chain", { value: "ours" });
      const head = (await client.checkpoints(runId))[0]?.checkpoint_id as string;
      const { state } = (await client.expect(200, client.get(runPath(runId, "checkpoints", head)))) as {
        state: JsonObject;
      };
      const edited = { ...state, inputs: { value: "edited" } };
      const body = { checkpoint_id: "mine", kind: "edited", step_id: "x", pending_writes: ["vars.a"], state: edited };
      const record = await client.expect(201, client.post(runPath(runId, "checkpoints"), body));
      expect(record).toEqual({
        checkpoint_id: "mine",
        run_id: runId,
        step_id: "x",
        kind: "edited",
        created_at: expect.any(String),
        pending_writes: ["vars.a"],
        state_snapshot_ref: `checkpoint://${runId}/mine`,
      });
      expect(await client.run(runId)).toMatchObject({ status: "pending", checkpoint_head: "mine" });

      const again = await client.expect(201, client.post(runPath(runId, "checkpoints"), body));
      expect(again).toEqual(record);
      expect(await client.checkpoints(runId)).toHaveLength(2);
      await client.refusal("conflict", client.post(runPath(runId, "checkpoints"), { ...body, kind: "other" }));

      await client.expect(200, client.post(runPath(runId, "resume"), {}));
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { value: "edited" } });
    });

    test("without an id it gets one", async () => {
      const runId = await client.create("http.chain");
      const body = { kind: "note", state: { skill_id: "http.chain", inputs: {} } };
      const record = await client.expect(201, client.post(runPath(runId, "checkpoints"), body));
      expect(record).toMatchObject({
        checkpoint_id: expect.stringMatching(/^chk_/),
        step_id: null,
        pending_writes: [],
      });
    });
  });

  describe("resume, replay and fork", () => {
    test("a failed run is resumed, and its finished steps are not executed again", async () => {
      const runId = await client.start("http.failing-first");
      expect(await client.reached(runId, "failed")).toMatchObject({ error: { step_id: "try" } });
      const head = (await client.run(runId)).checkpoint_head;
      const { run, resume } = await client.expect(200, client.post(runPath(runId, "resume"), { checkpoint_id: null }));
      expect(resume).toEqual({ accepted: true, mode: "checkpoint_resume", checkpoint_id: head });
      expect(run).toMatchObject({ resume_from_checkpoint_id: head, status: "running" });
      const done = await client.reached(runId, "completed");
      expect(done.result).toEqual({ before: 1, tried: 2 });
      expect((await client.checkpoints(runId)).map(({ kind }) => kind)).toContain("run_resumed");
    });

    test("a resume from an older checkpoint executes again what came after it", async () => {
      const runId = await client.start("http.failing-first");
      await client.reached(runId, "failed");
      const [started] = await client.checkpoints(runId);
      const body = { checkpoint_id: started?.checkpoint_id };
      const { resume } = await client.expect(200, client.post(runPath(runId, "resume"), body));
      expect(resume).toMatchObject(body);
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { before: 2, tried: 2 } });
    });

    test("a replay is a new run with its lineage, and the source stays as it was", async () => {
      const source = await client.settled("http.chain", { value: "again" });
      const before = [await client.run(source), await client.events(source)];
      const [started] = await client.checkpoints(source);
      const id = started?.checkpoint_id;
      const { run, replay } = await client.expect(200, client.post(runPath(source, "replay"), { checkpoint_id: id }));
      expect(replay).toEqual({
        accepted: true,
        mode: "checkpoint_replay",
        checkpoint_id: id,
        source_run_id: source,
      });
      const { run_id: newId } = run as { run_id: string };
      expect(newId).toMatch(new RegExp(`^replay_${source}_[0-9a-f]{12}$`));
      expect(run).toMatchObject({
        status: "replaying",
        trace_id: (before[0] as JsonObject).trace_id,
        metadata: { source_run_id: source, source_checkpoint_id: id, replay_mode: "checkpoint_replay" },
      });
      expect(await client.reached(newId, "completed")).toMatchObject({ result: { value: "again" } });
      expect([await client.run(source), await client.events(source)]).toEqual(before);
    });

    test("a fork is a new pending run that waits to be resumed", async () => {
      const source = await client.settled("http.chain", { value: "branch" });
      const id = (await client.checkpoints(source))[1]?.checkpoint_id as string;
      const body = { checkpoint_id: id, run_id: `branch of ${source}` };
      const { run, fork } = await client.expect(200, client.post(runPath(source, "fork"), body));
      expect(fork).toEqual({ accepted: true, mode: "checkpoint_fork", checkpoint_id: id, source_run_id: source });
      expect(run).toMatchObject({
        run_id: `branch of ${source}`,
        status: "pending",
        checkpoint_head: id,
        metadata: { source_run_id: source, source_checkpoint_id: id, fork_mode: "checkpoint_fork" },
      });
      await client.expect(200, client.post(runPath(`branch of ${source}`, "resume")));
      expect(await client.reached(`branch of ${source}`, "completed")).toMatchObject({ result: { value: "branch" } });
    });

    test("without a checkpoint they stand on the head, and generated ids are unique", async () => {
      const source = await client.settled("http.chain");
      const head = (await client.run(source)).checkpoint_head;
      const ids = new Set<unknown>();
      for (const operation of ["replay", "fork", "replay", "fork"]) {
        const body = await client.expect(200, client.post(runPath(source, operation)));
        expect(body[operation]).toMatchObject({ checkpoint_id: head });
        ids.add((body.run as JsonObject).run_id);
      }
      expect(ids.size).toBe(4);
    });
  });

  describe("gates and signals", () => {
    test("approve opens the gate, records who did, and resumes", async () => {
      const runId = await client.start("http.gated");
      const waiting = await client.reached(runId, "waiting_for_human");
      expect(waiting.approval_request).toMatchObject({
        step_id: "send",
        capability_id: "http.send",
        status: "pending",
      });
      const head = waiting.checkpoint_head;
      const body = { approver: "Ada", notes: "go on" };
      const { run, resume } = await client.expect(200, client.post(runPath(runId, "approve"), body));
      expect(resume).toEqual({ accepted: true, mode: "checkpoint_resume", checkpoint_id: head });
      expect(run).toMatchObject({ approval_request: { ...body, status: "approved" } });
      const done = await client.reached(runId, "completed");
      expect(done).toMatchObject({
        result: { drafted: 1, sent: 1 },
        approval_request: { ...body, status: "approved" },
      });
    });

    test("a gate is identified by its step if there are several", async () => {
      const runId = await client.start("http.two-gates");
      await client.reached(runId, "waiting_for_human");
      await client.refusal("invalid_request", client.post(runPath(runId, "approve"), { step_id: "neither" }));
      await client.expect(200, client.post(runPath(runId, "approve"), { step_id: "publish" }));
      expect(await client.reached(runId, "waiting_for_human")).toMatchObject({ approval_request: { step_id: "send" } });
      await client.expect(200, client.post(runPath(runId, "approve")));
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { sent: 1, published: 1 } });
    });

    test.each([
      "Freigabe für Müller",
      "a/b?c#d",
      `"quoted" and 'so' \\`,
      "👩‍👩‍👧 approves\nin two lines",
      "\u0000",
      "cut off \ud83d",
      " ",
      "__proto__",
      "constructor",
      "ü".repeat(256),
      "x#2",
    ])("a gate is approved, and another denied, by the id of its step: %j", async (name) => {
      for (const operation of ["approve", "deny"]) {
        const runId = await client.start("http.named-gates", { names: [name] });
        const waiting = await client.reached(runId, "waiting_for_human");
        const { step_id } = waiting.approval_request as JsonObject;
        expect((step_id as string).startsWith(name)).toBe(true);
        await client.expect(200, client.post(runPath(runId, operation), { step_id }));
        const run = await client.reached(runId, "completed", "canceled");
        const status = operation === "approve" ? "approved" : "denied";
        expect(run.approval_request).toMatchObject({ step_id, status });
      }
    });

    test("a step that is called twice has two gates, of a name that has 256 characters too", async () => {
      const name = "ß".repeat(256);
      const runId = await client.start("http.named-gates", { names: [name, name] });
      for (const step_id of [name, `${name}#2`]) {
        expect(await client.reached(runId, "waiting_for_human")).toMatchObject({ approval_request: { step_id } });
        await client.expect(200, client.post(runPath(runId, "approve"), { step_id }));
        await home.drain();
      }
      expect(await client.reached(runId, "completed")).toMatchObject({ result: 2 });
    });

    test("a checkpoint is saved of a step of any name", async () => {
      const runId = await client.create("http.chain");
      const state = { skill_id: "http.chain", inputs: {} };
      for (const step_id of ["Freigabe für Müller", "a/b 😀", "ü".repeat(256)]) {
        const saved = client.post(runPath(runId, "checkpoints"), { kind: "note", step_id, state });
        expect(await client.expect(201, saved)).toMatchObject({ step_id });
      }
      expect((await client.checkpoints(runId)).map(({ step_id }) => step_id)).toContain("Freigabe für Müller");
    });

    test("deny cancels the run and says who denied it", async () => {
      const runId = await client.start("http.gated");
      await client.reached(runId, "waiting_for_human");
      const denied = await client.expect(200, client.post(runPath(runId, "deny"), { approver: "Ada", notes: "no" }));
      expect(denied).toMatchObject({
        status: "canceled",
        approval_request: { status: "denied", approver: "Ada", notes: "no" },
      });
    });

    test("a signal wakes the run that waits for it", async () => {
      const runId = await client.start("http.listening");
      await client.reached(runId, "waiting_for_signal");
      const payload = { at: { $durable: ["date", "2026-03-26T12:00:00.000Z"] }, n: [1, null] };
      await client.expect(200, client.post(runPath(runId, "signal"), { name: "other" }));
      expect(await client.run(runId)).toMatchObject({ status: "waiting_for_signal" });
      await client.expect(200, client.post(runPath(runId, "signal"), { name: "go", payload }));
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { heard: payload } });
    });

    test("a signal without a payload, sent before the run listens, is not lost", async () => {
      const runId = await client.create("http.listening");
      await client.expect(200, client.post(runPath(runId, "signal"), { name: "go" }));
      await client.expect(200, client.post(runPath(runId, "resume")));
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { heard: null } });
    });
  });

  describe("routes of older clients", () => {
    test.each(["/run_status", "/v1/run_status"])("GET %s shows a canceled run as failed", async (path) => {
      const done = await client.settled("http.chain", { value: 1 });
      expect(await client.expect(200, client.get(`${path}/${done}`))).toEqual(await client.run(done));
      const canceled = await client.create("http.chain");
      await client.expect(200, client.post(runPath(canceled, "cancel")));
      const shown = await client.expect(200, client.get(`${path}/${canceled}`));
      expect(shown).toEqual({ ...(await client.run(canceled)), status: "failed" });
    });

    test.each(["/run_cancel", "/v1/run_cancel"])("POST %s cancels, and shows the run as failed", async (path) => {
      const runId = await client.create("http.chain");
      expect(await client.expect(200, client.post(`${path}/${runId}`))).toMatchObject({ status: "failed" });
      expect(await client.run(runId)).toMatchObject({ status: "canceled" });
    });
  });
}
