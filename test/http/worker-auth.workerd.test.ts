import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { DurableError } from "../../src/index.ts";
import { d1Keys } from "../../worker/cloudflare/d1-keys.ts";
import { createWorker, type DurableWorker, type Env } from "../../worker/cloudflare/index.ts";
import { type KeyGrant, newKey } from "../../worker/http/auth/keys.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";

const skills = { skills: httpSkills, capabilities: httpCapabilities };
const worker = createWorker(skills);

type Asked = RequestInit & { readonly key?: string };

async function ask(
  path: string,
  { key, ...init }: Asked = {},
  bindings: Partial<Env> = {},
  asked: DurableWorker = worker,
) {
  const context = createExecutionContext();
  const headers = { ...(key === undefined ? {} : { "x-api-key": key }), ...init.headers };
  const request = new Request(`http://orca.test${path}`, { ...init, headers });
  const response = await asked.fetch(request, { DB: env.DB, ...bindings }, context);
  const text = await response.text();
  await waitOnExecutionContext(context);
  const body = (text === "" ? {} : JSON.parse(text)) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, body };
}

async function issued(grant: Partial<KeyGrant> = {}): Promise<string> {
  const { key, record } = await newKey({ tenant: "acme", role: "read", name: "n", ...grant }, Date.now());
  await d1Keys(env.DB).add(record);
  return key;
}

beforeEach(async () => {
  await env.DB.exec("DELETE FROM api_keys");
  vi.restoreAllMocks();
  vi.spyOn(console, "error").mockImplementation(() => {});
});

describe("the Worker and its keys", () => {
  test("rejects every call if no key exists, and accepts only issued keys once there is one", async () => {
    expect(await ask("/v1/runs")).toMatchObject({
      status: 500,
      body: { error: { message: "no API key is configured, so the service rejects every call" } },
    });
    for (const path of ["/v1/health", "/openapi.json", "/reference"]) {
      const open = await worker.fetch(new Request(`http://orca.test${path}`), { DB: env.DB }, createExecutionContext());
      expect(open.status, path).toBe(200);
    }
    const key = await issued();
    expect((await ask("/v1/runs")).status).toBe(401);
    expect((await ask("/v1/runs", { key: "undefined" })).status).toBe(403);
    expect((await ask("/v1/whoami", { key })).body).toEqual({ tenant: "acme", role: "read" });
  });

  test('takes API_KEY for the admin of the tenant "default", who issues others', async () => {
    const bindings = { API_KEY: "own" };
    expect((await ask("/v1/whoami", { key: "own" }, bindings)).body).toEqual({ tenant: "default", role: "admin" });
    const body = JSON.stringify({ name: "ci", role: "execute" });
    const made = await ask("/v1/keys", { method: "POST", body, key: "own" }, bindings);
    expect(made.status).toBe(201);
    const key = made.body.key as string;
    const started = await ask("/run_async", { method: "POST", body: '{"skill_id":"http.chain"}', key }, bindings);
    expect(started.status).toBe(202);
    expect((await ask(`/v1/runs/${String(started.body.run_id)}`, { key: "own" }, bindings)).body).toMatchObject({
      tenant_id: "default",
      status: "completed",
    });
    expect((await ask(`/v1/keys/${String(made.body.key_id)}`, { method: "DELETE", key: "own" }, bindings)).status).toBe(
      204,
    );
    expect((await ask("/v1/runs", { key }, bindings)).status).toBe(403);
  });

  test("keeps tenants apart", async () => {
    const [acme, other] = [await issued({ role: "execute" }), await issued({ tenant: "other", role: "execute" })];
    const body = JSON.stringify({ skill_id: "http.chain", run_id: "of acme" });
    expect((await ask("/v1/runs", { method: "POST", body, key: acme })).status).toBe(201);
    const path = "/v1/runs/of%20acme";
    expect((await ask(path, { key: acme })).body).toMatchObject({ tenant_id: "acme" });
    const shape = async (one: string) => {
      const { status, body } = await ask(one, { key: other, headers: { "x-trace-id": "t" } });
      return JSON.stringify([status, body]).replaceAll("of stranger", "of acme");
    };
    expect(await shape(path)).toBe(await shape("/v1/runs/of%20stranger"));
    expect((await ask("/v1/runs", { key: other })).body).toMatchObject({ runs: [] });
  });

  test("says what to do if the table of keys is missing, and still accepts API_KEY", async () => {
    const key = await issued();
    const DB = new Proxy(env.DB, {
      get(db, name: keyof typeof env.DB) {
        if (name === "prepare") return (sql: string) => db.prepare(sql.replace("api_keys", "no_such_table"));
        return (db[name] as (...args: unknown[]) => unknown).bind(db);
      },
    });
    const bindings = { DB, API_KEY: "own" };
    expect(await ask("/v1/runs", { key }, bindings)).toMatchObject({
      status: 503,
      body: { error: { code: "store_failed", hint: expect.stringContaining("migrations apply") } },
    });
    expect((await ask("/v1/runs", { key: "own" }, bindings)).status).toBe(200);
  });
});

describe("a custom login", () => {
  const own = createWorker({
    ...skills,
    authenticate({ request, env }) {
      const user = request.headers.get("x-user");
      if (user === null) throw new DurableError("unauthorized", "log in");
      return { tenant: `${env.API_KEY}:${user}`, role: "execute" };
    },
  });

  test("replaces keys", async () => {
    const bindings = { API_KEY: "own" };
    expect((await ask("/v1/whoami", { key: "own" }, bindings, own)).status).toBe(401);
    const headers = { "x-user": "ada" };
    expect((await ask("/v1/whoami", { headers }, bindings, own)).body).toEqual({ tenant: "own:ada", role: "execute" });
    expect((await ask("/v1/keys", { headers }, bindings, own)).status).toBe(403);
    expect((await ask("/v1/health", {}, {}, own)).status).toBe(200);
  });
});

describe("the limit of calls", () => {
  test("counts for each key, and answers 429 with the time to wait", async () => {
    const [busy, calm] = [await issued(), await issued()];
    const bindings = { RATE_LIMIT: env.TEST_RATE_LIMIT };
    // The binding lets three through in a minute; a minute may end meanwhile, but not twice.
    const statuses: number[] = [];
    let last = await ask("/v1/runs", { key: busy }, bindings);
    while (last.status === 200 && statuses.length < 8) {
      statuses.push(last.status);
      last = await ask("/v1/runs", { key: busy }, bindings);
    }
    expect(last).toMatchObject({ status: 429, body: { error: { code: "rate_limited" } } });
    expect(last.headers.get("retry-after")).toBe("60");
    expect(statuses.length).toBeGreaterThanOrEqual(3);
    expect((await ask("/v1/runs", { key: calm }, bindings)).status).toBe(200);
    expect((await ask("/v1/health", {}, bindings)).status).toBe(200);
  });

  test("counts by key if one was issued, and otherwise by tenant", async () => {
    const counted: string[] = [];
    const RATE_LIMIT = {
      async limit({ key }: { key: string }) {
        counted.push(key);
        return { success: true };
      },
    };
    const key = await issued();
    for (const one of [key, "own"]) await ask("/v1/runs", { key: one }, { RATE_LIMIT, API_KEY: "own" });
    expect(counted).toEqual([`key:${key.slice(5, 21)}`, "tenant:default"]);
  });

  test("counts by address before it checks the key, so that keys cannot be guessed at speed", async () => {
    const counted: string[] = [];
    const ADDRESS_RATE_LIMIT = {
      async limit({ key }: { key: string }) {
        counted.push(key);
        return { success: counted.length <= 2 };
      },
    };
    const DB = new Proxy(env.DB, {
      get() {
        throw new Error("the database is not asked");
      },
    });
    const headers = { "cf-connecting-ip": "192.0.2.7" };
    const bindings = { ADDRESS_RATE_LIMIT, API_KEY: "own" };
    expect((await ask("/v1/runs", { key: "wrong", headers }, bindings)).status).toBe(403);
    expect((await ask("/v1/runs", { headers }, bindings)).status).toBe(401);
    const key = `orca_${"0".repeat(16)}_${"0".repeat(64)}`;
    expect((await ask("/v1/runs", { key, headers }, { ...bindings, DB })).status).toBe(429);
    expect((await ask("/v1/health", { headers }, bindings)).status).toBe(200);
    expect(counted).toEqual(Array(3).fill("address:192.0.2.7"));
  });

  test.each([
    ["2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2"],
    ["2001:db8:1:2::9", "address:2001:db8:1:2"],
    ["2001:db8::9", "address:2001:db8:0:0"],
    ["2001:db8::3:4:5:6:7", "address:2001:db8:0:3"],
    ["::1", "address:0:0:0:0"],
  ])("counts the calls of %s with those of its network", async (address, expected) => {
    const counted: string[] = [];
    const ADDRESS_RATE_LIMIT = {
      async limit({ key }: { key: string }) {
        counted.push(key);
        return { success: true };
      },
    };
    await ask("/v1/runs", { headers: { "cf-connecting-ip": address } }, { ADDRESS_RATE_LIMIT, API_KEY: "own" });
    expect(counted).toEqual([expected]);
  });

  test("rejects no call if it fails, and logs the error with the trace id", async () => {
    const told: unknown[] = [];
    const own = createWorker({ ...skills, onError: (error, context) => told.push([error, context?.traceId]) });
    const broken = { limit: () => Promise.reject(new Error("no such namespace")) };
    const bindings = { API_KEY: "own", RATE_LIMIT: broken, ADDRESS_RATE_LIMIT: broken };
    const asked = { key: "own", headers: { "cf-connecting-ip": "192.0.2.7", "x-trace-id": "t-9" } };
    expect((await ask("/v1/runs", asked, bindings, own)).status).toBe(200);
    const failure = { code: "upstream_failure", cause: new Error("no such namespace") };
    expect(told).toMatchObject([
      [failure, "t-9"],
      [failure, "t-9"],
    ]);
    const logged = vi.spyOn(console, "error").mockImplementation(() => {});
    expect((await ask("/v1/runs", asked, bindings)).status).toBe(200);
    expect(logged.mock.calls.map(([first]) => first)).toEqual(["trace t-9:", "trace t-9:"]);
  });
});

describe("the variables of the Worker", () => {
  test.each([
    ["https://a.test", true],
    ["https://b.test, https://a.test", true],
    [" https://a.test ", true],
    ["*", true],
    ["", false],
    [undefined, false],
    ["https://a.test.evil.test", false],
  ])("CORS_ORIGINS %j allows https://a.test: %s", async (CORS_ORIGINS, isAllowed) => {
    const headers = { origin: "https://a.test", "access-control-request-method": "POST" };
    const bindings = { API_KEY: "own", ...(CORS_ORIGINS === undefined ? {} : { CORS_ORIGINS }) };
    const preflight = await ask("/v1/runs", { method: "OPTIONS", headers }, bindings);
    expect(preflight.status).toBe(isAllowed ? 204 : 401);
    const { headers: told } = await ask("/v1/runs", { key: "own", headers }, bindings);
    expect(told.has("access-control-allow-origin")).toBe(isAllowed);
  });

  test("ACCESS_LOG prints a line for each request, and only if it is 1", async () => {
    const print = vi.spyOn(console, "log").mockImplementation(() => {});
    const key = await issued();
    const headers = { "x-trace-id": "t-1" };
    await ask("/v1/runs?limit=7", { key, headers });
    await ask("/v1/runs?limit=7", { key, headers }, { ACCESS_LOG: "0" });
    expect(print).not.toHaveBeenCalled();
    await ask("/v1/runs?limit=7", { key, headers }, { ACCESS_LOG: "1" });
    expect(print).toHaveBeenCalledTimes(1);
    expect(JSON.parse(String(print.mock.calls[0]?.[0]))).toEqual({
      method: "GET",
      route: "/v1/runs",
      status: 200,
      ms: expect.any(Number),
      trace_id: "t-1",
      tenant: "acme",
      key_id: key.slice(5, 21),
    });
  });
});
