import { describe, expect, test } from "vitest";
import { type Role, roles } from "../../../worker/http/auth/caller.ts";
import document from "../../../worker/http/contract/openapi.generated.json" with { type: "json" };
import { operations } from "../../../worker/http/contract/operations.ts";
import { Client, type HttpHome, keyOf, runPath } from "../../support/http-home.ts";

/** One way to sign in, with the role that it must have. */
interface Secured {
  readonly apiKey?: readonly string[];
}

/** Who may call, and the id under which a request is known. */
export function testAccess(home: HttpHome): void {
  const client = new Client(home);
  const request = (path: string, init: RequestInit = {}) => home.fetch(new Request(`http://orca.test${path}`, init));

  describe("a key", () => {
    const closed = operations
      .filter(({ isOpen }) => isOpen !== true)
      .map(({ method, path }) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/g, "x")] as const);

    test.each([...closed, ["GET", "/no/such/route"] as const, ["DELETE", "/v1/runs"] as const])(
      "is needed for %s %s, and must be the right one",
      async (method, path) => {
        const missing = await request(path, { method });
        expect(missing.status).toBe(401);
        expect(missing.headers.get("www-authenticate")).toBe("Bearer");
        expect(await missing.json()).toMatchObject({ error: { code: "unauthorized", type: "DurableError" } });
        const wrong = await request(path, { method, headers: { "x-api-key": "wrong" } });
        expect(wrong.status).toBe(403);
        expect(await wrong.json()).toMatchObject({ error: { code: "forbidden", status: 403 } });
      },
    );

    test.each([
      [{ "x-api-key": "" }, 401],
      [{ authorization: "" }, 401],
      [{ authorization: "Bearer" }, 401],
      [{ authorization: `Basic ${keyOf("alpha")}` }, 401],
      [{ authorization: "Bearer wrong" }, 403],
      [{ "x-api-key": `${keyOf("alpha")}x` }, 403],
      [{ "x-api-key": keyOf("alpha").toUpperCase() }, 403],
      [{ "x-api-key": "wrong", authorization: `Bearer ${keyOf("alpha")}` }, 403],
      [{ "x-api-key": keyOf("alpha"), authorization: "Bearer wrong" }, 200],
      [{ "x-api-key": "", authorization: "Bearer wrong" }, 403],
      [{ "x-api-key": " ", authorization: "Bearer" }, 401],
      [{ "x-api-key": "", authorization: `Bearer ${keyOf("alpha")}` }, 200],
      [{ "x-api-key": " \t", authorization: `Bearer ${keyOf("alpha")}` }, 200],
      [{ "x-api-key": keyOf("alpha"), authorization: "" }, 200],
      [{ "x-api-key": keyOf("alpha"), authorization: `Basic ${keyOf("alpha")}` }, 200],
      [{ "x-api-key": ` ${keyOf("alpha")} ` }, 200],
      [{ authorization: `Bearer ${keyOf("alpha")} ` }, 200],
      [{ "x-api-key": keyOf("alpha") }, 200],
      [{ authorization: `Bearer ${keyOf("alpha")}` }, 200],
      [{ authorization: `bearer  ${keyOf("alpha")}` }, 200],
    ])("sent as %j answers %d", async (headers, status) => {
      const sent = new Headers(
        Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
      );
      expect((await request("/v1/runs", { headers: sent })).status).toBe(status);
    });

    test("is not needed for what the document calls open", async () => {
      const open = operations.filter(({ isOpen }) => isOpen);
      expect(open.map(({ path }) => path)).toContain("/v1/health");
      for (const { path, status } of open) {
        for (const headers of [{}, { "x-api-key": "wrong" }] as Record<string, string>[]) {
          expect((await request(path, { headers })).status, path).toBe(status);
        }
      }
      expect(await (await request("/v1/health")).json()).toEqual({ status: "ok" });
      const document = await (await request("/openapi.json")).json();
      expect(document).toMatchObject({ openapi: "3.1.0", info: { title: "orca-durable" } });
    });
  });

  describe("a role", () => {
    const paths: { readonly [path: string]: { readonly [method: string]: { readonly security: readonly Secured[] } } } =
      document.paths;
    const closed = operations
      .filter(({ isOpen }) => isOpen !== true)
      .map(({ method, path }) => ({ method, path, needed: paths[path]?.[method]?.security[0]?.apiKey?.[0] as Role }));

    test("of an administrator is needed to delete, to import, and for keys", () => {
      const ofAdmins = closed.filter(({ needed }) => needed === "admin").map(({ method, path }) => `${method} ${path}`);
      expect(ofAdmins.sort()).toEqual([
        "delete /v1/keys/{key_id}",
        "delete /v1/runs/{run_id}",
        "delete /v1/schedules/{schedule_id}",
        "get /v1/keys",
        "post /v1/import",
        "post /v1/keys",
      ]);
    });

    // The stream of changes does not end; its own test reads it with each role.
    const ending = closed.filter(({ path }) => path !== "/v1/changes");
    test.each(ending)("$needed is needed for $method $path, and is enough", async ({ method, path, needed }) => {
      const real = path.replaceAll(/\{\w+\}/g, "nowhere");
      for (const role of roles) {
        const answer = await request(real, {
          method: method.toUpperCase(),
          headers: { "x-api-key": keyOf("beta", role) },
        });
        const text = await answer.text();
        const isEnough = roles.indexOf(role) >= roles.indexOf(needed);
        if (isEnough) expect([401, 403, 405], text).not.toContain(answer.status);
        else {
          expect(answer.status, `${role}: ${text}`).toBe(403);
          expect(JSON.parse(text)).toMatchObject({
            error: {
              code: "forbidden",
              message: `this call requires the role "${needed}"; the caller has the role "${role}"`,
            },
          });
        }
      }
    });

    test.each(roles)("%s is what whoami returns, with the tenant", async (role) => {
      const caller = new Client(home, "beta", role);
      expect(await caller.expect(200, caller.get("/v1/whoami"))).toEqual({ tenant: "beta", role });
    });

    test("that only reads looks at runs, and changes none", async () => {
      const runId = await client.create("http.chain");
      const before = await client.events(runId);
      const reader = new Client(home, "alpha", "read");
      expect((await reader.run(runId)).run_id).toBe(runId);
      await reader.expect(200, reader.get("/v1/runs"));
      for (const [path, body] of [
        ["/v1/runs", { skill_id: "http.chain" }],
        ["/run_async", { skill_id: "http.chain" }],
        [runPath(runId, "resume"), {}],
        [runPath(runId, "cancel"), {}],
        [runPath(runId, "signal"), { name: "go" }],
        [`/run_cancel/${runId}`, {}],
      ] as const) {
        await reader.refusal("forbidden", reader.post(path, body));
      }
      expect(await client.events(runId)).toEqual(before);
      expect((await client.run(runId)).status).toBe("pending");
    });

    test("does not hide that a route does not exist", async () => {
      const reader = new Client(home, "alpha", "read");
      await reader.refusal("not_found", reader.post("/v1/nothing"));
      await reader.refusal("method_not_allowed", reader.call("DELETE", "/v1/runs"));
    });
  });

  describe("HEAD", () => {
    test.each([
      "/v1/health",
      "/v1/runs?limit=1",
      "/v1/runs/nowhere",
      "/v1/runs?limit=0",
      "/nothing",
      "/v1/runs/x/resume",
    ])("%s is answered as GET is, without a body", async (path) => {
      const headers = { "x-api-key": keyOf("listed", "read"), "x-trace-id": "same" };
      const [got, head] = [await request(path, { headers }), await request(path, { method: "HEAD", headers })];
      expect(head.status).toBe(got.status);
      expect(await head.text()).toBe("");
      expect(head.headers.get("content-type")).toBe(got.headers.get("content-type"));
      expect(head.headers.get("allow")).toBe(got.headers.get("allow"));
      expect(head.headers.get("x-trace-id")).toBe("same");
    });

    test("needs a key if GET does", async () => {
      expect((await request("/v1/runs", { method: "HEAD" })).status).toBe(401);
    });
  });

  test("every answer forbids browsers to guess its type", async () => {
    for (const [path, status] of [
      ["/v1/health", 200],
      ["/v1/runs", 200],
      ["/v1/runs/nowhere", 404],
      ["/v1/runs/x/resume", 405],
      ["/v1/runs?limit=0", 400],
      ["/v1/runs/%ff", 400],
    ] as const) {
      const answer = await client.get(path);
      expect(answer.status).toBe(status);
      const { headers } = answer;
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("cache-control")).toMatch(/no-(store|cache)/);
    }
    expect((await request("/v1/runs")).headers.get("x-content-type-options")).toBe("nosniff");
  });

  describe("the trace id", () => {
    test("is echoed in the header, the body and the run", async () => {
      const headers = { "x-trace-id": "trace of ours" };
      const started = await client.post("/v1/skills/http.chain/execute/async", { inputs: {} }, { headers });
      expect(started.headers.get("x-trace-id")).toBe("trace of ours");
      expect(started.body.trace_id).toBe("trace of ours");
      const missing = await client.get("/v1/runs/nowhere", { headers });
      expect(missing.body.trace_id).toBe("trace of ours");
    });

    test("in the body is the run's, and the answer's if no header has one", async () => {
      const body = { inputs: {}, trace_id: "from the body" };
      const path = "/v1/skills/http.chain/execute/async";
      const alone = await client.post(path, body);
      expect([alone.body.trace_id, alone.headers.get("x-trace-id")]).toEqual(["from the body", "from the body"]);
      const both = await client.post(path, body, { headers: { "x-trace-id": "from the header" } });
      expect([both.body.trace_id, both.headers.get("x-trace-id")]).toEqual(["from the body", "from the header"]);
    });

    test.each(["", "x".repeat(201), "caf\u00e9"])("%j is not taken, and a new one made", async (given) => {
      const answer = await client.get("/v1/runs/nowhere", { headers: { "x-trace-id": given } });
      expect(answer.headers.get("x-trace-id")).toMatch(/^trace_[0-9a-f]{32}$/);
    });

    test("is in every answer", async () => {
      const paths = ["/v1/health", "/openapi.json", "/v1/runs", "/v1/runs/nowhere", "/nothing", "/v1/runs/%ff"];
      const ids = new Set<string | null>();
      for (const path of paths) ids.add((await client.get(path)).headers.get("x-trace-id"));
      expect(ids.size).toBe(paths.length);
      expect((await request("/v1/runs")).headers.get("x-trace-id")).toMatch(/^trace_/);
    });
  });

  describe("a traceparent", () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const sent = `00-${trace}-00f067aa0ba902b7-01`;
    const start = (headers: Readonly<Record<string, string>>) =>
      client.post("/v1/skills/http.chain/execute/async", { inputs: {} }, { headers });

    test("sets the trace id of the run, and continues with a span of the service", async () => {
      const { headers, body } = await start({ traceparent: sent });
      expect([headers.get("x-trace-id"), body.trace_id]).toEqual([trace, trace]);
      expect(headers.get("traceparent")).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
      expect(headers.get("traceparent")).not.toBe(sent);
      expect((await client.run(body.run_id as string)).trace_id).toBe(trace);
    });

    test("yields to an x-trace-id for the run, and still continues", async () => {
      const { headers, body } = await start({ traceparent: sent, "x-trace-id": "ours" });
      expect([headers.get("x-trace-id"), body.trace_id]).toEqual(["ours", "ours"]);
      expect(headers.get("traceparent")).toContain(trace);
    });

    test("that says more in a later version is read for what this one says", async () => {
      const { body, headers } = await start({ traceparent: `01-${trace}-00f067aa0ba902b7-02-what` });
      expect(body.trace_id).toBe(trace);
      expect(headers.get("traceparent")).toMatch(/^00-.+-00$/);
    });

    test.each([
      "",
      "00",
      `00-${trace}-00f067aa0ba902b7`,
      `00-${trace.toUpperCase()}-00f067aa0ba902b7-01`,
      `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
      `00-${trace}-${"0".repeat(16)}-01`,
      `ff-${trace}-00f067aa0ba902b7-01`,
      `00-${trace}-00f067aa0ba902b7-01-more`,
      `00-${trace}-00f067aa0ba902b7-01, ${sent}`,
    ])("%j is none, and another begins", async (traceparent) => {
      const { headers, body } = await start({ traceparent });
      expect(body.trace_id).toMatch(/^trace_[0-9a-f]{32}$/);
      expect(headers.get("traceparent")).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      expect(headers.get("traceparent")).toContain((body.trace_id as string).slice("trace_".length));
    });
  });
}
