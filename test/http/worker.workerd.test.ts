import { createExecutionContext, createScheduledController, waitOnExecutionContext } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import type { D1Database, ExecutionContext } from "@cloudflare/workers-types";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { d1Store } from "../../adapters/d1/index.ts";
import { createRuntime, defineGraphSkill, defineSkill, type Runtime, type Skill } from "../../src/index.ts";
import { createWorker } from "../../worker/cloudflare/index.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";

const headers = { "x-api-key": "test-key" };
const url = (path: string) => `http://orca.test${path}`;

async function reached(runId: string, status: string): Promise<Record<string, unknown>> {
  for (const end = Date.now() + 100_000; Date.now() < end; ) {
    const response = await exports.default.fetch(url(`/v1/runs/${runId}`), { headers });
    const run = (await response.json()) as Record<string, unknown>;
    if (run.status === status) return run;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`run ${runId} is not ${status}`);
}

/** A runtime over the Worker's database that executes nothing. */
function clerk(skills: readonly Skill[] = httpSkills): Runtime {
  return createRuntime({
    serves: false,
    store: d1Store(env.DB),
    skills,
    capabilities: httpCapabilities,
    executes: false,
  });
}

// Failures that are the Worker's own are logged, and here they are meant.
beforeEach(() => {
  vi.spyOn(console, "error").mockImplementation(() => {});
});

describe("the deployed Worker", () => {
  test("serves the sample skill behind its key", async () => {
    const text =
      "Durable runs keep what they know. A durable run that dies goes on where it was. Bread is baked in the morning.";
    const body = JSON.stringify({ inputs: { text, max_length: 60 } });
    const path = "/v1/skills/text.simple-summarize/execute/async";
    const started = await exports.default.fetch(url(path), { method: "POST", headers, body });
    expect(started.status).toBe(202);
    const { run_id } = (await started.json()) as { run_id: string };
    const run = await reached(run_id, "completed");
    expect(run).toMatchObject({
      tenant_id: "default",
      result: { summary: "A durable run that dies goes on where it was." },
    });
    expect((await exports.default.fetch(url("/v1/runs"))).status).toBe(401);
    expect((await exports.default.fetch(url("/v1/health"))).status).toBe(200);
  });

  test("rejects inputs that do not match the skill's schema, and names the path", async () => {
    const body = JSON.stringify({ skill_id: "text.simple-summarize", inputs: { text: 7 } });
    const refused = await exports.default.fetch(url("/run_async"), { method: "POST", headers, body });
    expect(refused.status).toBe(400);
    const { error } = (await refused.json()) as { error: { message: string } };
    expect(error.message).toMatch(/^inputs\.text: /);
  });
});

describe("a custom Worker", () => {
  const worker = createWorker({ skills: httpSkills, capabilities: httpCapabilities });
  const call = async (request: Request, bindings: Partial<typeof env> & { LEASE_MS?: string }) => {
    const context = createExecutionContext();
    const response = await worker.fetch(request, { DB: env.DB, ...bindings }, context);
    await waitOnExecutionContext(context);
    return response;
  };

  test("executes after its answer, within waitUntil", async () => {
    const body = JSON.stringify({ skill_id: "http.chain", run_id: "behind", inputs: { value: 1 } });
    const request = new Request(url("/v1/runs"), { method: "POST", headers: { "x-api-key": "k" }, body });
    const response = await call(request, { API_KEY: "k" });
    expect(response.status).toBe(201);
    const run = await call(new Request(url("/v1/runs/behind"), { headers: { "x-api-key": "k" } }), { API_KEY: "k" });
    expect(await run.json()).toMatchObject({ status: "completed", result: { value: 1 } });
  });

  test("passes its bindings to capabilities that need them", async () => {
    const asked: unknown[] = [];
    const bound = createWorker({
      skills: httpSkills,
      capabilities: (bindings) => {
        asked.push(bindings);
        return httpCapabilities;
      },
    });
    const bindings = { DB: env.DB, API_KEY: "k" };
    const request = new Request(url("/v1/runs"), { headers: { "x-api-key": "k" } });
    expect((await bound.fetch(request, bindings, createExecutionContext())).status).toBe(200);
    expect(asked).toEqual([bindings]);
  });

  test.each([undefined, ""])("serves nothing but its health without a key (%j)", async (key) => {
    const bindings = key === undefined ? {} : { API_KEY: key };
    for (const headers of [{}, { "x-api-key": "" }, { "x-api-key": "undefined" }] as Record<string, string>[]) {
      const response = await call(new Request(url("/v1/runs"), { headers }), bindings);
      expect(response.status).toBe(500);
      expect(await response.json()).toMatchObject({
        error: { message: "no API key is configured, so the service rejects every call" },
      });
    }
    expect((await call(new Request(url("/v1/health")), bindings)).status).toBe(200);
  });

  test.each(["soon", "0", "-1", "Infinity"])("rejects the lease %s", async (LEASE_MS) => {
    const response = await call(new Request(url("/v1/runs"), { headers: { "x-api-key": "k" } }), {
      API_KEY: "k",
      LEASE_MS,
    });
    expect(response.status).toBe(500);
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining("LEASE_MS") } });
  });

  test("takes skills from a function of the bindings", async () => {
    const greeting = (greeting: string) =>
      defineSkill({ id: "greet", version: "1", run: (step) => step.do("greet", async () => greeting) });
    const greeter = createWorker<{ readonly DB: D1Database; readonly API_KEY: string; readonly GREETING: string }>({
      skills: ({ GREETING }) => [greeting(GREETING)],
      capabilities: [],
    });
    for (const GREETING of ["hello", "good day"]) {
      const bindings = { DB: env.DB, API_KEY: "k", GREETING };
      const body = JSON.stringify({ skill_id: "greet", run_id: GREETING });
      const request = new Request(url("/v1/runs"), { method: "POST", headers: { "x-api-key": "k" }, body });
      const context = createExecutionContext();
      expect((await greeter.fetch(request, bindings, context)).status).toBe(201);
      await waitOnExecutionContext(context);
      expect(await clerk().for("default").get(GREETING)).toMatchObject({ status: "completed", result: GREETING });
    }
  });

  test("has the runs of its service for its own code, which keep it alive", async () => {
    const worker = createWorker({ skills: httpSkills, capabilities: httpCapabilities });
    const bindings = { DB: env.DB, API_KEY: "k" };
    const context = createExecutionContext();
    await worker.runs(bindings, context).start({ skillId: "http.chain", runId: "own" });
    await worker.runs(bindings, context, "acme").start({ skillId: "http.chain", runId: "of a tenant" });
    await waitOnExecutionContext(context);
    const elsewhere = clerk();
    expect(await elsewhere.for("default").get("own")).toMatchObject({ status: "completed" });
    expect(await elsewhere.for("acme").get("of a tenant")).toMatchObject({ status: "completed" });
    await expect(elsewhere.for("default").get("of a tenant")).rejects.toMatchObject({ code: "not_found" });
    const seen = await worker.fetch(
      new Request(url("/v1/runs/own"), { headers: { "x-api-key": "k" } }),
      bindings,
      createExecutionContext(),
    );
    expect(seen.status).toBe(200);
    expect(() => worker.runs(bindings, context, "")).toThrow(expect.objectContaining({ code: "invalid_request" }));
    const without = undefined as unknown as ExecutionContext;
    expect(() => worker.runs(bindings, without)).toThrow(/^context: expected/);
  });

  test("executes due runs together with a start", async () => {
    const elsewhere = clerk();
    await elsewhere.for("default").start({ skillId: "http.chain", runId: "left by another" });
    const body = JSON.stringify({ skill_id: "http.chain" });
    const request = new Request(url("/run_async"), { method: "POST", headers: { "x-api-key": "k" }, body });
    expect((await call(request, { API_KEY: "k" })).status).toBe(202);
    expect(await elsewhere.for("default").get("left by another")).toMatchObject({ status: "completed" });
  });

  test("begins no step after its time, in a run that it leased late and in one that it leased at once", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const begunAt = new Map<string, number[]>();
      const last = (count: number, ms: number) =>
        defineSkill({
          id: `lasts-${count}x${ms}`,
          version: "1.0.0",
          run: async (step) => {
            for (let index = 0; index < count; index++) {
              await step.do(`${index}`, async () => {
                const name = `${count}x${ms}`;
                begunAt.set(name, [...(begunAt.get(name) ?? []), Date.now() - start]);
                vi.setSystemTime(Date.now() + ms);
              });
            }
          },
        });
      const skills = [last(1, 20_000), last(4, 6_000), ...httpSkills];
      const elsewhere = clerk(skills);
      for (const id of ["lasts-1x20000", "lasts-4x6000"])
        await elsewhere.for("default").start({ skillId: id, runId: id });
      const start = Date.now();
      const slow = createWorker({ skills, capabilities: httpCapabilities });
      const body = JSON.stringify({ skill_id: "http.chain", start: false });
      const request = new Request(url("/v1/runs"), { method: "POST", headers: { "x-api-key": "k" }, body });
      const context = createExecutionContext();
      // With few queries runs are executed one by one.
      const bindings = { DB: env.DB, API_KEY: "k", D1_QUERY_LIMIT: "400", LEASE_MS: "60000" };
      expect((await slow.fetch(request, bindings, context)).status).toBe(201);
      await waitOnExecutionContext(context);
      expect([...begunAt]).toEqual([
        ["1x20000", [0]],
        ["4x6000", [20_000]],
      ]);
      expect(await elsewhere.for("default").get("lasts-1x20000")).toMatchObject({ status: "completed" });
      // Handed over: due for the next.
      expect(await d1Store(env.DB).dueRuns({ now: Date.now(), limit: 10 })).toMatchObject([{ runId: "lasts-4x6000" }]);
    } finally {
      vi.useRealTimers();
    }
  });

  test("keeps within the query limit of an invocation, and leaves the rest of a run to the next one", async () => {
    const steps = Array.from({ length: 30 }, (_, index) => ({
      id: `step-${index}`,
      uses: "http.count",
      output: `outputs.step${index}`,
    }));
    const long = createWorker({
      skills: [defineGraphSkill({ id: "long", version: "1.0.0", steps })],
      capabilities: httpCapabilities,
    });
    // Each statement is prepared once for each time that it is sent.
    let queries = 0;
    const DB = new Proxy(env.DB, {
      get(db, key: keyof D1Database) {
        if (key === "prepare") queries += 1;
        return (db[key] as (...args: unknown[]) => unknown).bind(db);
      },
    });
    const bindings = { DB, API_KEY: "k", D1_QUERY_LIMIT: "50" };
    const body = JSON.stringify({ skill_id: "long", run_id: "long" });
    const request = new Request(url("/v1/runs"), { method: "POST", headers: { "x-api-key": "k" }, body });
    const counts: number[] = [];
    const invoke = async (call: (context: ExecutionContext) => unknown) => {
      queries = 0;
      const context = createExecutionContext();
      await call(context);
      await waitOnExecutionContext(context);
      counts.push(queries);
    };
    const runs = createRuntime({ serves: false, store: d1Store(env.DB) }).for("default");
    await invoke((context) => long.fetch(request, bindings, context));
    while ((await runs.get("long")).status === "running" && counts.length < 30) {
      await invoke((context) => long.scheduled(createScheduledController(), bindings, context));
    }
    expect(await runs.get("long")).toMatchObject({
      status: "completed",
      result: Object.fromEntries(steps.map((_, index) => [`step${index}`, 1])),
    });
    expect(counts.length).toBeGreaterThan(2);
    expect(Math.max(...counts)).toBeLessThanOrEqual(50);
  });

  test("executes due runs of every tenant when it is scheduled", async () => {
    const elsewhere = clerk();
    const ids = ["default", "another"].map((tenant) => [tenant, `due of ${tenant}`] as const);
    for (const [tenant, runId] of ids) {
      const { run } = await elsewhere.for(tenant).start({ skillId: "http.chain", runId, inputs: { value: tenant } });
      expect(run.status).toBe("running");
    }
    const context = createExecutionContext();
    worker.scheduled(createScheduledController(), { DB: env.DB }, context);
    await waitOnExecutionContext(context);
    for (const [tenant, runId] of ids) {
      expect(await elsewhere.for(tenant).get(runId)).toMatchObject({ status: "completed", result: { value: tenant } });
    }
  });
});
