import { createExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { createFront } from "../../worker/cloudflare/index.ts";
import { apiKeys } from "../../worker/http/index.ts";
import { perils } from "../support/objects/worker.ts";

let worlds = 0;

/** A tenant of its own, before whose object the calls are counted. */
function world() {
  const tenant = `tenant ${++worlds}`;
  const authenticate = apiKeys([["key", { tenant, role: "admin" }]]);
  const asked: unknown[] = [];
  const objects = {
    idFromName: (name: string) => {
      asked.push(name);
      return env.PERIL_RUNS.idFromName(name);
    },
    get: (id: unknown) => env.PERIL_RUNS.get(id),
  };
  const front = createFront({ authenticate: ({ request }) => authenticate(request), objects: () => objects });
  const call = async (path: string, init: RequestInit = {}, key = "key") => {
    const headers = new Headers(init.headers);
    if (key !== "") headers.set("x-api-key", key);
    const request = new Request(`http://orca.test${path}`, { ...init, headers });
    return front.fetch(request, {}, createExecutionContext());
  };
  const start = async (skill: string, inputs: object = {}, headers: Record<string, string> = {}) => {
    const body = JSON.stringify({ inputs });
    const answer = await call(`/v1/skills/${encodeURIComponent(skill)}/execute/async`, {
      method: "POST",
      body,
      headers,
    });
    expect(answer.status).toBe(202);
    return ((await answer.json()) as { run_id: string }).run_id;
  };
  const run = async (runId: string) => (await (await call(`/v1/runs/${runId}`)).json()) as Record<string, unknown>;
  const reached = async (runId: string, ...statuses: readonly string[]) => {
    for (const end = Date.now() + 200_000; ; ) {
      // An object that was brought down fails the calls that it had.
      const found = await run(runId).catch(() => undefined);
      if (statuses.includes(String(found?.status))) return found;
      if (Date.now() > end) throw new Error(`run ${runId} stays ${JSON.stringify(found)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return { tenant, asked, call, start, run, reached, stub: env.PERIL_RUNS.get(env.PERIL_RUNS.idFromName(tenant)) };
}

test("a caller without a key, and a path that needs no runs, make no object", async () => {
  const { call, asked } = world();
  expect((await call("/v1/runs", {}, "")).status).toBe(401);
  expect((await call("/v1/runs", {}, "wrong")).status).toBe(403);
  expect((await call("/v1/health")).status).toBe(200);
  expect((await call("/inspector")).status).toBe(200);
  // Keys are with the front; this one has none.
  expect((await call("/v1/keys")).status).toBe(404);
  expect(asked).toEqual([]);
});

test("who calls is what the front has found out, whatever the call says", async () => {
  const { call, start, asked, tenant } = world();
  const other = world();
  const hidden = await other.start("neighborly");
  await start("neighborly");
  const forged = { "x-orca-caller": JSON.stringify({ tenant: other.tenant, role: "admin" }) };
  const { runs } = (await (await call("/v1/runs", { headers: forged })).json()) as { runs: { run_id: string }[] };
  expect(runs).toHaveLength(1);
  expect(runs[0]?.run_id).not.toBe(hidden);
  expect(new Set(asked)).toEqual(new Set([tenant]));
});

test("the object answers only calls that came through a front", async () => {
  const { stub } = world();
  expect((await stub.fetch(new Request("http://orca.test/v1/runs"))).status).toBe(401);
});

test("a trace id goes through, and an answer has one id, also of a failure", async () => {
  const { call, start, run } = world();
  const runId = await start("neighborly", {}, { "x-trace-id": "trace of a caller" });
  expect(await run(runId)).toMatchObject({ trace_id: "trace of a caller" });
  const traced = await call("/v1/runs/none", { headers: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` } });
  expect(traced.headers.get("x-trace-id")).toBe("a".repeat(32));
  expect(traced.headers.get("traceparent")).toMatch(/^00-a{32}-[0-9a-f]{16}-01$/);
  const failed = await call("/v1/runs/none");
  expect(((await failed.json()) as { trace_id: string }).trace_id).toBe(failed.headers.get("x-trace-id"));
});

test("a sleep ends without a call that drains", async () => {
  const { start, reached } = world();
  const began = Date.now();
  await reached(await start("sleeping", { ms: 6_000 }), "completed");
  expect(Date.now() - began).toBeGreaterThanOrEqual(6_000);
});

test("a run whose object is gone in the middle of a step goes on in the next one, long before its lease ends", async () => {
  const { start, reached } = world();
  const runId = await start("hanging");
  await expect.poll(() => perils.hung).toBe(1);
  const crashing = await start("crashing once");
  expect(await reached(runId, "completed")).toMatchObject({ result: 2 });
  await reached(crashing, "completed");
});

test("a run that brings its object down each time fails by its limit, and its neighbors complete", async () => {
  const { start, reached } = world();
  const before = perils.constructed;
  const neighbors = await Promise.all(Array.from({ length: 5 }, () => start("neighborly")));
  const poisonous = await start("poisonous");
  for (const runId of neighbors) await reached(runId, "completed");
  expect(await reached(poisonous, "failed")).toMatchObject({ error: { code: "recovery_exhausted" } });
  expect(perils.constructed - before).toBeGreaterThanOrEqual(10);
});
