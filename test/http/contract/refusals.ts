import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/codec/index.ts";
import { operations } from "../../../worker/http/contract/operations.ts";
import { type Answer, Client, type HttpHome, runPath } from "../../support/http-home.ts";

/** What routes refuse because of what is stored, and that nothing has changed after that. */
export function testRefusals(home: HttpHome): void {
  const client = new Client(home);
  const state = { skill_id: "http.chain", inputs: {} };

  /** Every route to a run: how to call it, given the path of the run. */
  const ofRun: readonly (readonly [name: string, call: (client: Client, runId: string) => Promise<Answer>])[] = [
    ["GET a run", (client, id) => client.get(runPath(id))],
    ["GET its history", (client, id) => client.get(runPath(id, "history"))],
    ["GET its checkpoints", (client, id) => client.get(runPath(id, "checkpoints"))],
    ["GET one checkpoint", (client, id) => client.get(runPath(id, "checkpoints", "c"))],
    ["POST a checkpoint", (client, id) => client.post(runPath(id, "checkpoints"), { kind: "k", state })],
    ["POST cancel", (client, id) => client.post(runPath(id, "cancel"))],
    ["POST resume", (client, id) => client.post(runPath(id, "resume"))],
    ["POST resume from a checkpoint", (client, id) => client.post(runPath(id, "resume"), { checkpoint_id: "c" })],
    ["POST replay", (client, id) => client.post(runPath(id, "replay"))],
    ["POST replay from a checkpoint", (client, id) => client.post(runPath(id, "replay"), { checkpoint_id: "c" })],
    ["POST fork", (client, id) => client.post(runPath(id, "fork"))],
    ["POST fork from a checkpoint", (client, id) => client.post(runPath(id, "fork"), { checkpoint_id: "c" })],
    ["POST approve", (client, id) => client.post(runPath(id, "approve"))],
    ["POST deny", (client, id) => client.post(runPath(id, "deny"))],
    ["POST signal", (client, id) => client.post(runPath(id, "signal"), { name: "go" })],
    ["GET its events", (client, id) => client.get(runPath(id, "events"))],
    ["GET the stream of its events", (client, id) => client.get(runPath(id, "stream"))],
    ["GET its output", (client, id) => client.get(`${runPath(id, "output")}?step=s`)],
    ["GET its trace", (client, id) => client.get(runPath(id, "trace"))],
    ["GET its lineage", (client, id) => client.get(runPath(id, "lineage"))],
    ["GET its children", (client, id) => client.get(runPath(id, "children"))],
    ["GET its export", (client, id) => client.get(runPath(id, "export"))],
    ["GET the difference of a checkpoint", (client, id) => client.get(runPath(id, "checkpoints", "c", "diff"))],
    ["DELETE a run", (client, id) => client.call("DELETE", runPath(id))],
    ["GET /run_status", (client, id) => client.get(`/run_status/${id}`)],
    ["GET /v1/run_status", (client, id) => client.get(`/v1/run_status/${id}`)],
    ["POST /run_cancel", (client, id) => client.post(`/run_cancel/${id}`)],
    ["POST /v1/run_cancel", (client, id) => client.post(`/v1/run_cancel/${id}`)],
  ];

  describe("what is missing", () => {
    test("is tested on every route to a run", async () => {
      const asked: string[] = [];
      const listening = new Client({
        ...home,
        fetch(request) {
          asked.push(`${request.method} ${new URL(request.url).pathname}`);
          return home.fetch(request);
        },
      });
      for (const [, call] of ofRun) await call(listening, "nowhere");
      for (const { method, path } of operations.filter(({ path }) => path.includes("{run_id}"))) {
        const pattern = new RegExp(`^${method.toUpperCase()} ${path.replaceAll(/\{\w+\}/g, "[^/]+")}$`);
        expect(asked).toContainEqual(expect.stringMatching(pattern));
      }
    });

    test.each(ofRun)("%s of a run that does not exist is a 404 that names the run", async (_name, call) => {
      const error = await client.refusal("not_found", call(client, "nowhere"));
      expect(error.message).toBe('there is no run "nowhere"');
      expect(error.type).toBe("DurableError");
    });

    test.each(ofRun)("%s of another tenant's run answers byte for byte as of a missing one", async (name, call) => {
      const other = new Client(home, "beta");
      const runId = `foreign to ${name}`.replaceAll("/", "_");
      const shape = async () => {
        const { status, headers, body } = await call(client, runId);
        const told = [...headers].filter(([header]) => !["x-trace-id", "traceparent", "date"].includes(header));
        return JSON.stringify([status, told, { ...body, trace_id: "" }]);
      };
      const missing = await shape();
      await other.expect(201, other.post("/v1/runs", { skill_id: "http.chain", run_id: runId, start: false }));
      const before = await other.events(runId);
      expect(await shape()).toBe(missing);
      expect((await other.run(runId)).status).toBe("pending");
      expect(await other.events(runId)).toEqual(before);
    });

    test.each(["resume", "replay", "fork"])(
      "%s from a checkpoint that is not in the run is a 404 that names it",
      async (operation) => {
        const runId = await client.start("http.failing-first");
        await client.reached(runId, "failed");
        const elsewhere = await client.settled("http.chain");
        const id = (await client.checkpoints(elsewhere))[0]?.checkpoint_id;
        for (const checkpoint_id of ["chk_nothing", id, "__proto__"]) {
          const error = await client.refusal("not_found", client.post(runPath(runId, operation), { checkpoint_id }));
          expect(error.message).toBe(`run "${runId}" has no checkpoint "${String(checkpoint_id)}"`);
        }
        expect((await client.run(runId)).status).toBe("failed");
      },
    );

    test("GET a checkpoint that is not in the run is a 404 that names it", async () => {
      const runId = await client.create("http.chain");
      const error = await client.refusal("not_found", client.get(runPath(runId, "checkpoints", "chk_nothing")));
      expect(error.message).toContain('no checkpoint "chk_nothing"');
    });

    test("a skill that is not registered is a 404 that names it; create, save and fork work", async () => {
      const unknown = "http.unregistered";
      for (const call of [
        client.post(`/v1/skills/${unknown}/execute/async`, { inputs: {} }),
        client.post("/run_async", { skill_id: unknown }),
        client.post("/v1/runs", { skill_id: unknown }),
        client.post("/v1/runs", { skill_id: "http.chain", skill_version: "9.9.9" }),
      ]) {
        expect((await client.refusal("not_found", call)).message).toMatch(/^skill "http\..+ is not registered here$/);
      }
      const runId = await client.create(unknown, { a: 1 });
      const saved = { kind: "k", state: { skill_id: unknown, inputs: { a: 2 } } };
      await client.expect(201, client.post(runPath(runId, "checkpoints"), saved));
      const { run } = await client.expect(200, client.post(runPath(runId, "fork")));
      expect(run).toMatchObject({ status: "pending", skill_id: unknown });
      for (const operation of ["resume", "replay"]) {
        const error = await client.refusal("not_found", client.post(runPath(runId, operation)));
        expect(error.message).toContain(unknown);
      }
      expect((await client.run(runId)).status).toBe("pending");
    });

    test("a route that does not exist is a 404, and so is a method that its path does not have", async () => {
      const error = await client.refusal("not_found", client.get("/v1/nothing/here"));
      expect(error.message).toBe("unknown path: /v1/nothing/here");
      for (const path of ["/v1", "/v1/runs/", "/v1/runs/x/y", "/v2/runs", "/V1/runs", "/v1/skills//execute/async"]) {
        await client.refusal("not_found", client.get(path));
      }
      for (const [method, path, allowed] of [
        ["DELETE", "/v1/runs", "GET, HEAD, POST"],
        ["PUT", "/v1/runs/x", "DELETE, GET, HEAD"],
        ["GET", "/v1/runs/x/resume", "POST"],
        ["POST", "/v1/health", "GET, HEAD"],
        ["GET", "/run_async", "POST"],
      ] as const) {
        const answer = await client.call(method, path);
        expect(answer.body.error, path).toMatchObject({
          code: "method_not_allowed",
          message: `${method} is not allowed on ${path}`,
        });
        expect(answer.headers.get("allow")).toBe(allowed);
      }
    });
  });

  describe("what the lifecycle forbids", () => {
    type Made = readonly [status: string, make: () => Promise<string>];
    const made: readonly Made[] = [
      ["pending", () => client.create("http.chain")],
      ["waiting_for_human", () => started("http.gated", "waiting_for_human")],
      ["waiting_for_signal", () => started("http.listening", "waiting_for_signal")],
      ["completed", () => client.settled("http.chain")],
      ["failed", () => started("http.failing-first", "failed")],
      [
        "canceled",
        async () => {
          const runId = await client.create("http.chain");
          await client.expect(200, client.post(runPath(runId, "cancel")));
          return runId;
        },
      ],
      ["running", () => started("http.sleeping", "running")],
    ];
    const forbidden: Readonly<Record<string, readonly string[]>> = {
      pending: ["approve", "deny"],
      waiting_for_human: [],
      waiting_for_signal: ["approve", "deny"],
      completed: ["resume", "approve", "deny", "cancel", "signal"],
      failed: ["approve", "deny", "cancel", "signal"],
      canceled: ["approve", "deny", "cancel", "signal"],
      running: ["approve", "deny"],
    };

    async function started(skillId: string, status: string): Promise<string> {
      const runId = await client.start(skillId);
      await client.reached(runId, status);
      return runId;
    }

    for (const [status, make] of made) {
      test.each(forbidden[status] ?? [])(`a ${status} run refuses to %s, and stays as it is`, async (operation) => {
        const runId = await make();
        if (status === "running") await slept(runId);
        const before = [await client.run(runId), await client.events(runId)];
        const body = operation === "signal" ? { name: "go" } : {};
        const error = await client.refusal("invalid_transition", client.post(runPath(runId, operation), body));
        expect(error.message).toContain(status);
        expect([await client.run(runId), await client.events(runId)]).toEqual(before);
      });
    }

    async function slept(runId: string): Promise<void> {
      while (!(await client.events(runId)).includes("step.sleeping")) await new Promise((done) => setTimeout(done, 10));
    }

    test("the older cancel route rejects what the newer one rejects", async () => {
      const runId = await client.settled("http.chain");
      for (const path of ["/run_cancel", "/v1/run_cancel"]) {
        await client.refusal("invalid_transition", client.post(`${path}/${runId}`));
      }
    });
  });

  describe("a conflict", () => {
    test("a run that is being executed is not resumed, and says when it may be", async () => {
      const runId = await client.start("http.held", { latch: "not resumed" });
      const answer = await client.post(runPath(runId, "resume"));
      expect(answer.body.error).toMatchObject({ code: "conflict", status: 409, hint: expect.any(String) });
      expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
      const save = await client.post(runPath(runId, "checkpoints"), {
        kind: "k",
        state: { skill_id: "http.held", inputs: {} },
      });
      expect(save.body.error).toMatchObject({ code: "conflict" });
      expect(save.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
      await client.release("not resumed");
      expect(await client.reached(runId, "completed")).toMatchObject({ result: { calls: 1 } });
    });

    test("a run that is being executed is canceled", async () => {
      const runId = await client.start("http.held", { latch: "never" });
      expect(await client.expect(200, client.post(runPath(runId, "cancel")))).toMatchObject({ status: "canceled" });
      expect(await client.run(runId)).toMatchObject({ status: "canceled", result: null });
    });

    test("a finished run accepts no checkpoint but an identical one", async () => {
      const runId = await client.settled("http.chain");
      const fresh = { kind: "k", state };
      const error = await client.refusal("conflict", client.post(runPath(runId, "checkpoints"), fresh));
      expect(error.message).toContain("completed");
      const record = (await client.checkpoints(runId))[0] as JsonObject;
      const { state: saved } = await client.expect(
        200,
        client.get(runPath(runId, "checkpoints", record.checkpoint_id as string)),
      );
      const { checkpoint_id, kind, step_id, pending_writes } = record;
      const same = { checkpoint_id, kind, step_id, pending_writes, state: saved };
      expect(await client.expect(201, client.post(runPath(runId, "checkpoints"), same))).toEqual(record);
    });

    test("the id of another run is a conflict", async () => {
      const runId = await client.create("http.chain");
      await client.refusal("conflict", client.post("/v1/runs", { skill_id: "http.chain", run_id: runId }));
      await client.refusal("conflict", client.post(runPath(runId, "fork"), { run_id: runId }));
      await client.refusal("conflict", client.post(runPath(runId, "replay"), { run_id: runId }));
      expect((await client.run(runId)).status).toBe("pending");
    });
  });

  describe("an idempotency key", () => {
    const headers = (key: string) => ({ headers: { "idempotency-key": key } });
    const forms = [
      ["/v1/skills/http.chain/execute/async", { inputs: { value: 1 } }],
      ["/v1/run_async", { skill_id: "http.chain", inputs: { value: 1 } }],
      ["/run_async", { skill_id: "http.chain", inputs: { value: 1 } }],
      ["/v1/runs", { skill_id: "http.chain", inputs: { value: 1 } }],
      ["/v1/runs", { skill_id: "http.chain", inputs: { value: 1 }, start: false }],
    ] as const;

    test.each(forms)("POST %s %j returns the first run", async (path, body) => {
      const key = `key of ${JSON.stringify([path, body])}`;
      const first = await client.post(path, body, headers(key));
      expect(first.body).not.toHaveProperty("idempotent_replay");
      const second = await client.post(path, body, headers(key));
      expect(second.status).toBe(first.status);
      expect(second.body).toMatchObject({ run_id: first.body.run_id, idempotent_replay: true });
    });

    test("with other content is a 409, and for another tenant a key of its own", async () => {
      const path = "/v1/skills/http.chain/execute/async";
      const first = await client.expect(202, client.post(path, { inputs: { value: 1 } }, headers("k-1")));
      await client.refusal("idempotency_conflict", client.post(path, { inputs: { value: 2 } }, headers("k-1")));
      const other = new Client(home, "beta");
      const theirs = await other.expect(202, other.post(path, { inputs: { value: 2 } }, headers("k-1")));
      expect(theirs.run_id).not.toBe(first.run_id);
      expect(theirs).not.toHaveProperty("idempotent_replay");
    });

    test("starts one run of twenty requests at once", async () => {
      const body = { inputs: { value: 1 } };
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => client.post("/v1/skills/http.chain/execute/async", body, headers("k-20"))),
      );
      expect(new Set(answers.map(({ body }) => body.run_id)).size).toBe(1);
      expect(answers.filter(({ body }) => body.idempotent_replay === true)).toHaveLength(19);
    });

    test.each(["", "x".repeat(1001)])("of no length or too much is a 400", async (key) => {
      const call = client.post("/v1/skills/http.chain/execute/async", { inputs: {} }, headers(key));
      expect((await client.refusal("invalid_request", call)).message).toContain("idempotency_key");
    });
  });

  test("no refusal changes anything", async () => {
    const own = new Client(home, "unchanged");
    const runId = await own.settled("http.chain");
    const look = async () => [
      await own.expect(200, own.get("/v1/runs?limit=500")),
      await own.expect(200, own.get(`${runPath(runId, "history")}?limit=500`)),
    ];
    const before = await look();
    for (const [, call] of ofRun) await call(own, "nowhere");
    for (const operation of ["resume", "approve", "deny", "cancel"]) await own.post(runPath(runId, operation));
    for (const operation of ["replay", "fork"]) await own.post(runPath(runId, operation), { checkpoint_id: "nothing" });
    await own.post(runPath(runId, "signal"), { name: "go" });
    await own.post("/v1/runs", { skill_id: "http.unregistered" });
    await own.post("/v1/runs", { skill_id: "http.chain", inputs: { a: { $durable: ["no such tag"] } } });
    await own.post("/v1/runs", "{");
    expect(await look()).toEqual(before);
  });
}
