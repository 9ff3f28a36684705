import { describe, expect, test } from "vitest";
import { Client, type HttpHome, runPath } from "../../support/http-home.ts";
import { sendsStreams } from "../../support/sends-streams.ts";

/** Bodies, queries and ids that say nothing usable: each is refused under the place where it goes wrong. */
export function testBodies(home: HttpHome): void {
  const client = new Client(home);
  const execute = "/v1/skills/http.chain/execute/async";
  const withBody = [
    execute,
    "/v1/run_async",
    "/run_async",
    "/v1/runs",
    ...["resume", "replay", "fork", "approve", "deny", "signal", "checkpoints"].map((name) => runPath("r", name)),
  ];

  const notBodies: readonly (readonly [body: string, message: string])[] = [
    ["{", "invalid JSON: unexpected end at line 1, column 2"],
    ['{"a": 1,\n "b": }', 'invalid JSON: unexpected "}" at line 2, column 7'],
    ["{'a': 1}", 'invalid JSON: unexpected "\'" at line 1, column 2'],
    ['{"a": 1} x', 'invalid JSON: unexpected "x" at line 1, column 10'],
    ['{"a": undefined}', 'invalid JSON: unexpected "u" at line 1, column 7'],
    ['{"a": "\u0001"}', "invalid JSON"],
    ["\uFEFF{", "invalid JSON"],
    ["[]", "the body: expected an object, not an array"],
    ["null", "the body: expected an object, not null"],
    ['"text"', "the body: expected an object, not a string"],
    ["17", "the body: expected an object, not a number"],
    ["true", "the body: expected an object, not a boolean"],
    ['{"inputs": {"n": 9007199254740993}}', "inputs.n: the integer 9007199254740993 cannot be represented exactly"],
    ['{"a": [0, {"b c": -12345678901234567890}]}', 'a[1]["b c"]: the integer'],
    ['{"a": 1e400}', "a: the number 1e400 is too large"],
    [`{"a": ${"[".repeat(600)}${"]".repeat(600)}}`, "nested deeper than 500 levels"],
    [`${'{"a":'.repeat(501)}1${"}".repeat(501)}`, "nested deeper than 500 levels"],
    ["[".repeat(100_000), "nested deeper than 500 levels"],
    [`${'{"x":"}","y":'.repeat(20_000)}1${"}".repeat(20_000)}`, "nested deeper than 500 levels"],
  ];
  describe.each(withBody)("POST %s", (path) => {
    test.each(notBodies)("rejects the body %.40s", async (body, message) => {
      expect((await client.refusal("invalid_request", client.post(path, body))).message).toContain(message);
    });
  });

  test.each([
    { $durable: ["error", { name: { toString: 1 } }] },
    { $durable: ["error", { message: [] }] },
    { $durable: ["map", [1]] },
  ])("a malformed tag in the inputs is a 400 that names it: %j", async (e) => {
    const { message } = await client.refusal("invalid_request", client.post(execute, { inputs: { e } }));
    expect(message).toContain("inputs.e: unknown or malformed $durable tag");
  });

  test("a body that is not UTF-8 is a 400", async () => {
    const request = new Request(`http://orca.test${execute}`, {
      method: "POST",
      headers: { "x-api-key": "key-of-alpha" },
      body: new Uint8Array([0x7b, 0xff, 0x7d]),
    });
    const response = await home.fetch(request);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { message: "the body: expected UTF-8" } });
  });

  test.each(["resume", "replay", "fork"])(
    "%s takes an empty body, white space, and a body of nulls",
    async (operation) => {
      for (const body of ["", " \n", "{}", { checkpoint_id: null, run_id: null, unknown: 1 }]) {
        const runId = await client.create("http.chain");
        expect((await client.post(runPath(runId, operation), body)).status).toBe(200);
      }
    },
  );

  const wrong: readonly (readonly [path: string, body: unknown, message: string])[] = [
    [execute, "", "inputs: is missing"],
    [execute, {}, "inputs: is missing"],
    [execute, { inputs: null }, "inputs: expected an object, not null"],
    [execute, { inputs: [] }, "inputs: expected an object, not an array"],
    [execute, { inputs: "x" }, "inputs: expected an object, not a string"],
    [execute, { inputs: {}, trace_id: 7 }, "trace_id: expected a string, not a number"],
    [execute, { inputs: {}, trace_id: "" }, "trace_id: expected 1 to 200 printable ASCII characters"],
    [execute, { inputs: {}, trace_id: "é" }, "trace_id: expected 1 to 200 printable ASCII characters"],
    [execute, { inputs: {}, options: [] }, "options: expected an object, not an array"],
    ["/v1/run_async", {}, "skill_id: is missing"],
    ["/run_async", { skill_id: 1 }, "skill_id: expected a string, not a number"],
    ["/run_async", { skill_id: "" }, "skill_id: expected 1 to 200 printable ASCII characters"],
    ["/run_async", { skill_id: "http.chain", inputs: 1 }, "inputs: expected an object, not a number"],
    ["/v1/runs", { skill_id: null }, "skill_id: expected a string, not null"],
    ["/v1/runs", { skill_id: "x".repeat(201) }, "skill_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", run_id: {} }, "run_id: expected a string, not an object"],
    ["/v1/runs", { skill_id: "http.chain", run_id: "" }, "run_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", run_id: "." }, "run_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", run_id: ".." }, "run_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", run_id: "a\u0000b" }, "run_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", run_id: "a\n" }, "run_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", run_id: "ﬀ" }, "run_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", run_id: "x".repeat(201) }, "run_id: expected 1 to 200"],
    ["/v1/runs", { skill_id: "http.chain", metadata: "x" }, "metadata: expected an object, not a string"],
    ["/v1/runs", { skill_id: "http.chain", start: "no" }, "start: expected a boolean, not a string"],
    [runPath("r", "resume"), { checkpoint_id: 1 }, "checkpoint_id: expected a string, not a number"],
    [runPath("r", "resume"), { checkpoint_id: "" }, "checkpoint_id: expected 1 to 200"],
    [runPath("r", "replay"), { checkpoint_id: ["c"] }, "checkpoint_id: expected a string, not an array"],
    [runPath("r", "replay"), { run_id: "\t" }, "run_id: expected 1 to 200"],
    [runPath("r", "fork"), { run_id: false }, "run_id: expected a string, not a boolean"],
    [runPath("r", "approve"), { approver: 1 }, "approver: expected a string, not a number"],
    [runPath("r", "approve"), { step_id: "" }, "step_id: expected 1 to 300 characters"],
    [runPath("r", "approve"), { step_id: "x".repeat(301) }, "step_id: expected 1 to 300 characters"],
    [runPath("r", "deny"), { step_id: 7 }, "step_id: expected a string, not a number"],
    [runPath("r", "checkpoints"), { kind: "k", step_id: "", state: {} }, "step_id: expected 1 to 300 characters"],
    [runPath("r", "deny"), { notes: {} }, "notes: expected a string, not an object"],
    [runPath("r", "signal"), {}, "name: is missing"],
    [runPath("r", "signal"), { name: "" }, "name: expected 1 to 200"],
    [runPath("r", "signal"), { name: "go", payload: { $durable: 1 } }, "payload: unknown or malformed $durable tag"],
    [
      runPath("r", "signal"),
      { name: "go", payload: [{ $durable: ["date", "?"] }] },
      "payload[0]: unknown or malformed",
    ],
    [runPath("r", "checkpoints"), {}, "kind: is missing"],
    [runPath("r", "checkpoints"), { kind: "" }, "kind: is empty"],
    [runPath("r", "checkpoints"), { kind: "k" }, "state: is missing"],
    [runPath("r", "checkpoints"), { kind: "k", state: 1 }, "state: expected an object, not a number"],
    [runPath("r", "checkpoints"), { kind: "k", state: {} }, "state.skill_id: is missing"],
    [runPath("r", "checkpoints"), { kind: "k", state: { skill_id: "s" } }, "state.inputs: is missing"],
    [
      runPath("r", "checkpoints"),
      { kind: "k", state: { skill_id: "s", inputs: {}, vars: [] } },
      "state.vars: expected a plain object, not an array",
    ],
    [
      runPath("r", "checkpoints"),
      { kind: "k", state: { skill_id: "s", inputs: {}, step_results: { "a b": { reads: [1] } } } },
      'state.step_results["a b"].reads[0]: expected a string, not 1',
    ],
    [
      runPath("r", "checkpoints"),
      { kind: "k", state: { skill_id: "s", inputs: { list: [0, { $durable: ["bigint", "x"] }] } } },
      "state.inputs.list[1]: unknown or malformed $durable tag",
    ],
    [
      runPath("r", "checkpoints"),
      { kind: "k", pending_writes: ["a", 1], state: { skill_id: "s", inputs: {} } },
      "pending_writes[1]: expected a string, not a number",
    ],
    [
      runPath("r", "checkpoints"),
      { kind: "k", pending_writes: "a", state: { skill_id: "s", inputs: {} } },
      "pending_writes: expected an array, not a string",
    ],
    [
      runPath("r", "checkpoints"),
      { kind: "k", checkpoint_id: "..", state: { skill_id: "s", inputs: {} } },
      "checkpoint_id: expected 1 to 200",
    ],
    [execute, { inputs: { items: [1, 2, 3, { $durable: ["regexp", "x"] }] } }, "inputs.items[3]: unknown or malformed"],
    [execute, { inputs: { when: { $durable: ["date", "yesterday"] } } }, "inputs.when: unknown or malformed"],
    [
      execute,
      { inputs: { "odd key": { $durable: ["bytes", "Uint8Array", "***"] } } },
      'inputs["odd key"]: unknown or malformed',
    ],
    [
      execute,
      { inputs: { a: { $durable: ["bytes", "Float64Array", "AAEC"] } } },
      "inputs.a: invalid Float64Array: 3 bytes",
    ],
    ["/v1/runs", { skill_id: "s", metadata: { a: { $durable: [] } } }, "metadata.a: unknown or malformed"],
    ["/v1/runs", { skill_id: "s", inputs: { a: { b: { $durable: null } } } }, "inputs.a.b: unknown or malformed"],
  ];
  test.each(wrong)("POST %s rejects %j", async (path, body, message) => {
    const error = await client.refusal("invalid_request", client.post(path, body));
    expect((error.message as string).slice(0, message.length)).toBe(message);
  });

  test("a state of another major version is rejected by its version", async () => {
    const runId = await client.create("http.chain");
    for (const [field, value] of [
      ["state_version", "2.0.0"],
      ["_checkpoint_version", 2],
    ]) {
      const state = { skill_id: "http.chain", inputs: {}, [field as string]: value };
      const call = client.post(runPath(runId, "checkpoints"), { kind: "k", state });
      expect((await client.refusal("unsupported_version", call)).message).toContain(`state.${field}`);
    }
    expect(await client.checkpoints(runId)).toHaveLength(1);
  });

  test("a state of another skill is rejected", async () => {
    const runId = await client.create("http.chain");
    const body = { kind: "k", state: { skill_id: "http.gated", inputs: {} } };
    const error = await client.refusal("invalid_request", client.post(runPath(runId, "checkpoints"), body));
    expect(error.message).toContain("state.skill_id");
  });

  test.each([
    ["/v1/runs?limit=0", "limit: expected a whole number from 1 to 500"],
    ["/v1/runs?limit=501", "limit: expected"],
    ["/v1/runs?limit=", "limit: expected"],
    ["/v1/runs?limit=ten", "limit: expected"],
    ["/v1/runs?limit=1.5", "limit: expected"],
    ["/v1/runs?limit=-1", "limit: expected"],
    ["/v1/runs?limit=1e2", "limit: expected"],
    ["/v1/runs?limit=0x10", "limit: expected"],
    ["/v1/runs?limit=%20100", "limit: expected"],
    ["/v1/runs?limit=99999999999999999999", "limit: expected"],
    ["/v1/runs?offset=-1", "offset: expected a whole number from 0 to 9007199254740991"],
    ["/v1/runs?offset=9007199254740992", "offset: expected"],
    ["/v1/runs?offset=x", "offset: expected"],
    ["/v1/runs?status=", "status: expected one of pending, running"],
    ["/v1/runs?status=finished", "status: expected one of pending, running"],
    ["/v1/runs?status=Pending", "status: expected one of pending, running"],
    ["/v1/runs?status=' OR 1=1 --", "status: expected one of pending, running"],
    [`${runPath("r", "history")}?after=-1`, "after: expected a whole number from 0"],
    [`${runPath("r", "history")}?limit=1000`, "limit: expected a whole number from 1 to 500"],
  ])("GET %s is a 400", async (path, message) => {
    const refused = await client.refusal("invalid_request", client.get(path));
    expect(refused.message).toContain(message);
    // What a query holds is text in any case.
    expect(refused.message).not.toContain("not a string");
  });

  test("the largest offset is an empty page", async () => {
    const page = await client.expect(200, client.get("/v1/runs?offset=9007199254740991&limit=500"));
    expect(page.runs).toEqual([]);
  });

  const hostile: readonly (readonly [name: string, segment: string])[] = [
    ["201 characters", "x".repeat(201)],
    ["10,000 characters", "x".repeat(10_000)],
    ["a control character", "a%00b"],
    ["a line break", "a%0Ab"],
    ["a character beyond ASCII", "caf%C3%A9"],
    ["a character beyond ASCII, raw", "café"],
    ["a direction mark", "%E2%80%AE"],
    ["bytes that are not UTF-8", "%FF%FE"],
    ["a cut escape", "100%"],
    ["half an escape", "%4"],
    ["no escape at all", "%zz"],
  ];
  test.each(hostile)("an id of %s in a path is a 400", async (_name, segment) => {
    for (const path of [
      `/v1/runs/${segment}`,
      `/v1/runs/${segment}/history`,
      `/v1/runs/${segment}/checkpoints`,
      `/v1/runs/${segment}/checkpoints/c`,
      `/v1/run_status/${segment}`,
      `/run_status/${segment}`,
    ]) {
      await client.refusal("invalid_request", client.get(path));
    }
    for (const path of [
      ...["cancel", "resume", "replay", "fork", "approve", "deny"].map((name) => `/v1/runs/${segment}/${name}`),
      `/run_cancel/${segment}`,
    ]) {
      await client.refusal("invalid_request", client.post(path));
    }
    await client.refusal("invalid_request", client.post(`/v1/skills/${segment}/execute/async`, { inputs: {} }));
    const runId = await client.create("http.chain");
    await client.refusal("invalid_request", client.get(`${runPath(runId, "checkpoints")}/${segment}`));
  });

  test.each(["__proto__", "constructor", "' OR '1'='1", "%25", "a%2F..%2Fb", "..%2F..%2Fetc%2Fpasswd", "*", "$"])(
    "an id such as %s is only an id",
    async (segment) => {
      await client.refusal("not_found", client.get(`/v1/runs/${segment}`));
      await client.refusal("not_found", client.post(`/v1/runs/${segment}/resume`));
      await client.refusal("not_found", client.post(`/v1/skills/${segment}/execute/async`, { inputs: {} }));
    },
  );

  describe("a body that is too large", () => {
    const limit = 10 * 1024 * 1024;
    const padding = " ".repeat(limit);

    test.each(withBody)("POST %s is a 413 that names the limit", async (path) => {
      const error = await client.refusal("too_large", client.post(path, `${padding}{}`));
      expect(error.message).toBe("the body: expected at most 10485760 bytes");
    });

    test("is rejected before it is read, even without a content length", async (context) => {
      context.skip(!sendsStreams, "this browser sends no stream as a body");
      let sent = 0;
      const chunk = new TextEncoder().encode(" ".repeat(64 * 1024));
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (sent > 50 * limit) return controller.close();
          sent += chunk.length;
          controller.enqueue(chunk);
        },
      });
      const init = { method: "POST", headers: { "x-api-key": "key-of-alpha" }, body, duplex: "half" };
      const response = await home.fetch(new Request(`http://orca.test${execute}`, init));
      expect(response.status).toBe(413);
      expect(sent).toBeLessThan(2 * limit);
    });

    test.each(withBody)("POST %s is a 413 if it has too many values, even short ones", async (path) => {
      const error = await client.refusal("too_large", client.post(path, `{"a": [${"[],".repeat(300_000)}0]}`));
      expect(error.message).toContain("too many values: 300003, at most 250000 are allowed");
    });

    test("is counted in bytes, and a body of just the limit is taken", async () => {
      const around = '{"inputs": {"value": 1}}';
      const fits = around + " ".repeat(limit - around.length);
      await client.expect(202, client.post(execute, fits));
      // Every "é" is two bytes: fewer characters than the limit, and more bytes.
      await client.refusal("too_large", client.post(execute, `{"inputs": {"value": "${"é".repeat(limit / 2)}"}}`));
    });

    test("parts of a run's row are bounded too", async () => {
      const large = "x".repeat(300_000);
      const call = client.post("/v1/runs", { skill_id: "http.chain", metadata: { large } });
      await client.refusal("too_large", call);
      const runId = await client.create("http.listening");
      const error = await client.refusal(
        "too_large",
        client.post(runPath(runId, "signal"), { name: "n", payload: large }),
      );
      expect(error.message).toContain("payload");
      const half = "x".repeat(40_000);
      await client.expect(200, client.post(runPath(runId, "signal"), { name: "n", payload: half }));
      const full = await client.post(runPath(runId, "signal"), { name: "n", payload: half });
      expect(full.body.error).toMatchObject({ code: "inbox_full", status: 409 });
      expect(full.headers.get("retry-after")).toBe("1");
    });
  });
}
