import { describe, expect, test, vi } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { httpStatus } from "../../src/codec/index.ts";
import { createRuntime, DurableError, type ErrorCode } from "../../src/index.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import { apiReference } from "../../worker/http/reference.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";

const runtime = createRuntime({
  serves: false,
  store: memoryStore(),
  skills: httpSkills,
  capabilities: httpCapabilities,
});
const runs = (tenant: string) => runtime.for(tenant);
const get = (path: string, headers: Record<string, string> = {}) => new Request(`http://orca.test${path}`, { headers });
const post = (path: string, body: unknown) =>
  new Request(`http://orca.test${path}`, { method: "POST", body: JSON.stringify(body) });

/** An app whose every call fails like that, and what it reported. */
function failing(thrown: unknown) {
  const told: unknown[] = [];
  const app = createApp({
    authenticate: () => {
      throw thrown;
    },
    runs,
    onError: (error) => told.push(error),
  });
  return { app, told };
}

describe("a failure", () => {
  test.each([
    ["an error", new TypeError("the password is hunter2")],
    [
      "an error that looks like ours, and is not",
      Object.assign(new Error("secret"), { name: "DurableError", code: "x" }),
    ],
    [
      "an error whose code is a word of JavaScript",
      Object.assign(new Error("secret"), { name: "DurableError", code: "toString" }),
    ],
    ["a text", "secret"],
    ["nothing", undefined],
    ["an object", { message: "secret", stack: "at secret.ts:1:1" }],
  ])("that is not a DurableError is a 500 without its text: %s", async (_name, thrown) => {
    const { app, told } = failing(thrown);
    const response = await app.fetch(get("/v1/runs", { "x-trace-id": "t-1" }));
    expect(response.status).toBe(500);
    expect(response.headers.get("x-trace-id")).toBe("t-1");
    expect(await response.json()).toEqual({
      error: {
        code: "internal_error",
        message: "internal error; the server logs the cause under this trace id",
        type: "DurableError",
        status: 500,
      },
      trace_id: "t-1",
    });
    expect(told).toEqual([thrown]);
  });

  test.each(Object.keys(httpStatus) as ErrorCode[])("of the code %s has its status", async (code) => {
    const { app, told } = failing(
      new DurableError(code, "the message", { hint: "the hint", cause: new Error("secret") }),
    );
    const response = await app.fetch(get("/v1/runs"));
    expect(response.status).toBe(httpStatus[code]);
    const { error } = (await response.json()) as { error: unknown };
    expect(error).toEqual({
      code,
      message: "the message",
      type: "DurableError",
      status: httpStatus[code],
      hint: "the hint",
    });
    expect(told).toHaveLength(httpStatus[code] >= 500 ? 1 : 0);
  });

  test.each([
    [1, "1"],
    [1_000, "1"],
    [1_001, "2"],
    [29_500, "30"],
    [0, "0"],
    [-5, "0"],
    [undefined, null],
  ])("that may pass in %s ms says so in whole seconds: %s", async (retryAfterMs, seconds) => {
    const options = retryAfterMs === undefined ? {} : { retryAfterMs };
    const { app } = failing(new DurableError("conflict", "m", options));
    expect((await app.fetch(get("/v1/runs"))).headers.get("retry-after")).toBe(seconds);
  });

  test("of the store is a 503", async () => {
    const store = memoryStore();
    await store.close();
    const app = createApp({
      authenticate: () => ({ tenant: "alpha", role: "admin" }),
      runs: (tenant) => createRuntime({ serves: false, store }).for(tenant),
      onError: () => {},
    });
    const response = await app.fetch(get("/v1/runs/x"));
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: "store_failed" } });
  });
});

describe("the app", () => {
  test("passes on the platform's bindings and its waitUntil", async () => {
    const awaited: Promise<unknown>[] = [];
    const bindings = { secret: "s" };
    const app = createApp<typeof bindings>({
      authenticate: ({ env, request }) => {
        expect(env).toBe(bindings);
        return { tenant: request.headers.get("x-user") ?? "stranger", role: "execute" };
      },
      runs: (tenant, { background }) => {
        const shared = { skills: httpSkills, capabilities: httpCapabilities, background };
        const options = { store: memoryStore(), serves: false, ...shared };
        return createRuntime(options).for(tenant);
      },
    });
    const context = {
      waitUntil: (work: Promise<unknown>) => awaited.push(work),
      passThroughOnException: () => {},
      props: {},
    };
    const request = new Request("http://orca.test/run_async", {
      method: "POST",
      headers: { "x-user": "ada" },
      body: JSON.stringify({ skill_id: "http.chain" }),
    });
    const response = await app.fetch(request, bindings, context);
    expect(response.status).toBe(202);
    expect(awaited).toHaveLength(1);
    await Promise.all(awaited);
  });

  test("accepts bodies up to maxBodyBytes", async () => {
    const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs, maxBodyBytes: 60 });
    const small = await app.fetch(post("/run_async", { skill_id: "http.chain", inputs: { a: 1 } }));
    expect(small.status).toBe(202);
    const large = await app.fetch(post("/run_async", { skill_id: "http.chain", inputs: { a: "x".repeat(60) } }));
    expect(large.status).toBe(413);
    expect(await large.json()).toMatchObject({ error: { message: "the body: expected at most 60 bytes" } });
  });
});

describe("an error in onError itself", () => {
  test("is printed with the failure, and the answer is what it would have been", async () => {
    const printed = vi.spyOn(console, "error").mockImplementation(() => {});
    const failure = new TypeError("the request failed");
    const broken = new Error("the log is full");
    const app = createApp({
      authenticate: () => {
        throw failure;
      },
      runs,
      onError: () => {
        throw broken;
      },
    });
    const response = await app.fetch(get("/v1/runs", { "x-trace-id": "t-1" }));
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { code: "internal_error" }, trace_id: "t-1" });
    expect(printed.mock.calls).toEqual([
      ["trace t-1:", broken],
      ["trace t-1:", failure],
    ]);
    printed.mockRestore();
  });
});

describe("the app's options", () => {
  const untyped = (value: unknown) => value as number;
  const noNumbers = [Number.NaN, "1000", null, {}, 0, -1].map(untyped);

  test.each(["maxBodyBytes", "maxImportBytes"])("reject an invalid %s by name, and accept a valid one", (name) => {
    const appWith = (value: number) =>
      createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs, [name]: value });
    for (const value of noNumbers) {
      expect(() => appWith(value), String(value)).toThrow(
        expect.objectContaining({ code: "invalid_request", path: name }),
      );
    }
    for (const value of [1, 10_000_000, Number.POSITIVE_INFINITY]) appWith(value);
  });

  test("reject an invalid maxBodyValues by name", () => {
    const appWith = (maxBodyValues: number) =>
      createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs, maxBodyValues });
    for (const value of [...noNumbers, 1.5, Number.POSITIVE_INFINITY]) {
      const refused = { code: "invalid_request", path: "maxBodyValues" };
      expect(() => appWith(value), String(value)).toThrow(expect.objectContaining(refused));
    }
    appWith(1);
  });

  test.each(["pollMs", "maxPollMs", "heartbeatMs", "maxMs"])("reject an invalid stream.%s by name", (name) => {
    const appWith = (value: number) =>
      createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs, stream: { [name]: value } });
    for (const value of [...noNumbers, Number.POSITIVE_INFINITY]) {
      const path = `stream.${name}`;
      expect(() => appWith(value), String(value)).toThrow(expect.objectContaining({ code: "invalid_request", path }));
    }
    for (const value of [0.5, 60_000]) appWith(value);
  });
});

test("accepts bodies of up to maxBodyValues values", async () => {
  const app = createApp({ authenticate: () => ({ tenant: "alpha", role: "admin" }), runs, maxBodyValues: 6 });
  // The body, the id, the inputs, an array and what is in it.
  const start = (items: readonly number[]) =>
    app.fetch(post("/run_async", { skill_id: "http.chain", inputs: { items } }));
  expect((await start([1, 2])).status).toBe(202);
  const refused = await start([1, 2, 3]);
  expect(refused.status).toBe(413);
  expect(await refused.json()).toMatchObject({
    error: { code: "too_large", message: expect.stringContaining("too many values: 7, at most 6 are allowed") },
  });
});

describe("API keys", () => {
  test("none at all: only the health and the document are served", async () => {
    const authenticate = apiKeys([]);
    const app = createApp({
      authenticate: ({ request }) => authenticate(request),
      runs,
      reference: apiReference,
      onError: () => {},
    });
    for (const headers of [{}, { "x-api-key": "" }, { "x-api-key": "undefined" }]) {
      const response = await app.fetch(get("/v1/runs", headers));
      expect(response.status).toBe(500);
      expect(await response.json()).toMatchObject({
        error: { code: "internal_error", message: "no API key is configured, so the service rejects every call" },
      });
    }
    expect((await app.fetch(get("/v1/health"))).status).toBe(200);
    expect((await app.fetch(get("/openapi.json"))).status).toBe(200);
  });

  test("each lead to their tenant", async () => {
    const callerOf = apiKeys([
      ["key a", "a"],
      ["key b", "b"],
      ["__proto__", "c"],
    ]);
    for (const [key, tenant] of [
      ["key a", "a"],
      ["key b", "b"],
      ["__proto__", "c"],
    ] as const) {
      expect(await callerOf(get("/", { "x-api-key": key }))).toEqual({ tenant, role: "admin" });
    }
    await expect(callerOf(get("/", { "x-api-key": "constructor" }))).rejects.toMatchObject({ code: "forbidden" });
  });
});

describe("GET /", () => {
  const options = { authenticate: () => ({ tenant: "t", role: "admin" }) as const, runs };

  test("leads to the inspector, below the path of the app, and needs no key", async () => {
    const inspector = { html: "<p>inspector</p>", script: "", style: "" };
    const app = createApp({ ...options, inspector, authenticate: () => Promise.reject(new Error("asked for a key")) });
    const answer = await app.fetch(get("/"));
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "inspector"]);
    const place = new URL(answer.headers.get("location") ?? "", "http://orca.test/");
    expect(await (await app.fetch(new Request(place))).text()).toBe(inspector.html);
  });

  test("without an inspector says what the service is, and where its document is", async () => {
    const home = async (app: ReturnType<typeof createApp>) => (await app.fetch(get("/"))).json();
    expect(await home(createApp(options))).toEqual({ service: "orca-durable", health: "/v1/health", document: null });
    const documented = createApp({ ...options, reference: apiReference });
    expect(await home(documented)).toMatchObject({ document: "/openapi.json" });
    expect((await documented.fetch(get("/openapi.json"))).status).toBe(200);
  });
});
