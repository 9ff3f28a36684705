import { describe, expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, DurableError } from "../../src/index.ts";
import { newKey } from "../../worker/http/auth/keys.ts";
import { memoryKeys } from "../../worker/http/auth/memory-keys.ts";
import { type Access, type AppOptions, accessLine, apiKeys, createApp } from "../../worker/http/index.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";

const runtime = createRuntime({
  serves: false,
  store: memoryStore(),
  skills: httpSkills,
  capabilities: httpCapabilities,
});
const callerOf = apiKeys([["k", "alpha"]]);

const appWith = (options: Partial<AppOptions<object>>) =>
  createApp({ authenticate: ({ request }) => callerOf(request), runs: (tenant) => runtime.for(tenant), ...options });

const request = (path: string, init: RequestInit = {}) =>
  new Request(`http://orca.test${path}`, { ...init, headers: { "x-api-key": "k", ...init.headers } });

describe("pages of other origins", () => {
  const ours = "https://app.example.com";
  const preflight = (origin: string | undefined, headers: Readonly<Record<string, string>> = {}) =>
    new Request("http://orca.test/v1/runs", {
      method: "OPTIONS",
      headers: { ...(origin === undefined ? {} : { origin }), "access-control-request-method": "POST", ...headers },
    });

  test("on the list may send a preflight without a key, and learn what they may send", async () => {
    const response = await appWith({ corsOrigins: () => [ours] }).fetch(preflight(ours));
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
    expect(response.headers.get("access-control-allow-origin")).toBe(ours);
    expect(response.headers.get("access-control-allow-methods")).toBe("GET, HEAD, POST, DELETE");
    const allowed = response.headers.get("access-control-allow-headers")?.split(", ");
    for (const header of ["x-api-key", "authorization", "content-type", "idempotency-key", "if-match"]) {
      expect(allowed).toContain(header);
    }
    expect(response.headers.get("vary")).toBe("origin");
    expect(response.headers.get("access-control-allow-credentials")).toBeNull();
  });

  test("on the list can read every answer, and the headers that they need", async () => {
    const app = appWith({ corsOrigins: () => ["https://other.example.com", ours] });
    for (const [path, headers, status] of [
      ["/v1/runs", {}, 200],
      ["/v1/runs", { "x-api-key": "" }, 401],
      ["/v1/runs", { "x-api-key": "wrong" }, 403],
      ["/v1/runs/nowhere", {}, 404],
      ["/v1/runs?limit=0", {}, 400],
      ["/v1/health", {}, 200],
    ] as const) {
      const response = await app.fetch(request(path, { headers: { origin: ours, ...headers } }));
      expect(response.status).toBe(status);
      expect(response.headers.get("access-control-allow-origin")).toBe(ours);
      const exposed = response.headers.get("access-control-expose-headers")?.split(", ");
      expect(exposed).toEqual(expect.arrayContaining(["etag", "x-trace-id", "retry-after", "traceparent"]));
      expect(response.headers.get("vary")).toBe("origin");
    }
  });

  test.each([
    "https://app.example.com.evil.test",
    "https://evil.test",
    "http://app.example.com",
    "https://app.example.com:8443",
    "null",
    "HTTPS://APP.EXAMPLE.COM",
  ])("such as %s, which are not on the list, get no CORS headers", async (origin) => {
    const app = appWith({ corsOrigins: () => [ours] });
    for (const asked of [preflight(origin), request("/v1/runs", { headers: { origin } })]) {
      const { headers } = await app.fetch(asked);
      expect([...headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
      expect(headers.get("vary")).toBe("origin");
    }
    expect((await app.fetch(preflight(origin))).status).toBe(401);
  });

  test("get no CORS headers without a list, and neither does a request without an origin", async () => {
    const silent = appWith({});
    const open = appWith({ corsOrigins: () => [ours] });
    for (const response of [
      await silent.fetch(preflight(ours)),
      await silent.fetch(request("/v1/runs", { headers: { origin: ours } })),
      await open.fetch(preflight(undefined)),
      await open.fetch(request("/v1/runs")),
    ]) {
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control-"))).toEqual([]);
    }
    expect((await silent.fetch(preflight(ours))).status).toBe(401);
  });

  test("may all call if the list is *", async () => {
    const app = appWith({ corsOrigins: () => ["*"] });
    for (const response of [
      await app.fetch(preflight("https://any.test")),
      await app.fetch(request("/v1/runs", { headers: { origin: "null" } })),
    ]) {
      expect(response.headers.get("access-control-allow-origin")).toBe("*");
      expect(response.headers.get("vary")).toBeNull();
    }
  });

  test("need no key for a preflight alone: any other OPTIONS needs one", async () => {
    const app = appWith({ corsOrigins: () => [ours] });
    const bare = { method: "OPTIONS", headers: { origin: ours } };
    expect((await app.fetch(new Request("http://orca.test/v1/runs", bare))).status).toBe(401);
    expect((await app.fetch(request("/v1/runs", bare))).status).toBe(405);
  });
});

describe("a limit of calls", () => {
  test("answers 429 with the seconds to wait, before anything is read", async () => {
    const seen: unknown[] = [];
    const app = appWith({
      admit(caller, { request }) {
        seen.push([caller, new URL(request.url).pathname]);
        throw new DurableError("rate_limited", "too many requests", { retryAfterMs: 9_500 });
      },
      runs() {
        throw new Error("not called");
      },
    });
    const response = await app.fetch(request("/v1/runs", { method: "POST", body: "{" }));
    expect(response.status).toBe(429);
    expect(response.headers.get("retry-after")).toBe("10");
    expect(await response.json()).toMatchObject({ error: { code: "rate_limited", status: 429 } });
    expect(seen).toEqual([[{ tenant: "alpha", role: "admin" }, "/v1/runs"]]);
    expect((await app.fetch(request("/v1/runs", { headers: { "x-api-key": "wrong" } }))).status).toBe(403);
    expect((await app.fetch(request("/v1/health"))).status).toBe(200);
    expect(seen).toHaveLength(1);
  });
});

describe("the access log", () => {
  const logged = async (asked: Request, options: Partial<AppOptions<object>> = {}) => {
    const seen: Access[] = [];
    const response = await appWith({ onAccess: (access) => seen.push(access), ...options }).fetch(asked);
    expect(seen).toHaveLength(1);
    return { response, access: seen[0] as Access };
  };

  test.each([
    ["GET", "/v1/runs?limit=3&status=failed", "/v1/runs", 200],
    ["HEAD", "/v1/runs/hunter2", "/v1/runs/:run_id", 404],
    ["POST", "/v1/runs/hunter2/resume", "/v1/runs/:run_id/resume", 404],
    ["POST", "/v1/runs/hunter2", undefined, 405],
    ["GET", "/hunter2", undefined, 404],
    ["GET", "/v1/health?hunter2", "/v1/health", 200],
  ])("names %s %s by its pattern", async (method, path, route, status) => {
    const { response, access } = await logged(request(path, { method }));
    expect(response.status).toBe(status);
    expect(access).toMatchObject({ method, status, traceId: response.headers.get("x-trace-id") });
    expect(access.route).toBe(route);
    expect(access.ms).toBeGreaterThanOrEqual(0);
    expect(JSON.stringify(access)).not.toContain("hunter2");
  });

  test("names the tenant and the public id of the key, and contains nothing that was sent", async () => {
    const keys = memoryKeys();
    const { key, record } = await newKey({ tenant: "beta", role: "execute", name: "n" }, 1);
    await keys.add(record);
    const issued = apiKeys([], keys);
    const body = JSON.stringify({ skill_id: "http.chain", inputs: { password: "hunter2" }, trace_id: "of the body" });
    const asked = request("/v1/runs?token=hunter2", { method: "POST", body, headers: { "x-api-key": key } });
    const { access } = await logged(asked, { authenticate: ({ request }) => issued(request) });
    expect(access).toEqual({
      method: "POST",
      route: "/v1/runs",
      status: 201,
      ms: expect.any(Number),
      traceId: "of the body",
      tenant: "beta",
      keyId: record.keyId,
    });
    const line = accessLine(access);
    expect(line).not.toMatch(/hunter2|\n/);
    expect(line).not.toContain(key.slice(22));
    expect(JSON.parse(line)).toEqual({
      method: "POST",
      route: "/v1/runs",
      status: 201,
      ms: access.ms,
      trace_id: "of the body",
      tenant: "beta",
      key_id: record.keyId,
    });
  });

  test("has rejected requests, without a tenant", async () => {
    const { access } = await logged(request("/v1/runs", { headers: { "x-api-key": "wrong" } }));
    expect(access).toMatchObject({ status: 403, route: "/v1/runs" });
    expect([access.tenant, access.keyId]).toEqual([undefined, undefined]);
    expect(JSON.parse(accessLine(access))).toMatchObject({ tenant: null, key_id: null });
  });

  test.each([new Error("secret"), "secret"])("has an internal error: %s", async (thrown) => {
    const runs = () => {
      throw thrown;
    };
    const { access } = await logged(request("/v1/runs"), { runs, onError() {} });
    expect(access).toMatchObject({ status: 500, tenant: "alpha" });
  });

  test("does not change the answer if it cannot be written", async () => {
    const told: unknown[] = [];
    const full = new Error("the disk is full");
    const onAccess = () => {
      throw full;
    };
    const app = appWith({ onAccess, onError: (error, context) => told.push([error, context?.traceId]) });
    const response = await app.fetch(request("/v1/runs", { headers: { "x-trace-id": "t" } }));
    expect(response.status).toBe(200);
    expect(told).toEqual([[full, "t"]]);
  });
});

test("HEAD cancels what would write the body", async () => {
  let canceled = false;
  const endless = new ReadableStream({
    cancel() {
      canceled = true;
    },
  });
  const app = appWith({}).get("/v1/endless", (c) => c.body(endless, 200, { "x-own": "kept" }));
  const response = await app.fetch(request("/v1/endless", { method: "HEAD" }));
  expect([response.status, response.headers.get("x-own"), await response.text()]).toEqual([200, "kept", ""]);
  expect(canceled).toBe(true);
});

test("a hook is called with the ids of the call", async () => {
  const seen: unknown[] = [];
  const app = appWith({
    authenticate({ traceId, traceparent }) {
      seen.push(traceId, traceparent);
      return { tenant: "alpha", role: "read" };
    },
  });
  const { headers } = await app.fetch(request("/v1/runs", { headers: { "x-trace-id": "t-7" } }));
  expect(seen).toEqual(["t-7", headers.get("traceparent")]);
});

test("a thrown value that is not an error is answered with the same headers as an error", async () => {
  const runs = () => {
    throw "secret";
  };
  const app = appWith({ runs, onError() {}, corsOrigins: () => ["https://a.test"] });
  const response = await app.fetch(request("/v1/runs", { headers: { origin: "https://a.test" } }));
  expect(response.status).toBe(500);
  for (const header of ["x-trace-id", "traceparent", "x-content-type-options", "access-control-allow-origin"]) {
    expect(response.headers.get(header), header).not.toBeNull();
  }
});
