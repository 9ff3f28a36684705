import { createExecutionContext, createScheduledController, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import worker from "../../examples/edge/index.ts";

/** The answer to a request, once the work behind it is done. */
async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const request = new Request(`http://worker${path}`, {
    method,
    headers: { "x-api-key": env.API_KEY },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const context = createExecutionContext();
  const response = await worker.fetch(request, env, context);
  await waitOnExecutionContext(context);
  return { status: response.status, body: await response.json() };
}

test("a Worker made of the public doors serves a skill of its own", async () => {
  const start = { skill_id: "letter", run_id: "letter-1", inputs: { to: "Alice" } };
  expect(await call("POST", "/v1/runs", start)).toMatchObject({ status: 201, body: { status: "running" } });
  expect(await call("GET", "/v1/runs/letter-1")).toMatchObject({ body: { status: "waiting_for_human" } });
  expect(await call("POST", "/v1/runs/letter-1/approve", { approver: "Bob" })).toMatchObject({ status: 200 });
  const result = { receipt: expect.stringMatching(/^sent 13 characters as acme\/letter-1\/send\/[0-9a-f]{16}$/) };
  expect(await call("GET", "/v1/runs/letter-1")).toMatchObject({ body: { status: "completed", result } });
});

test("its cron trigger finds nothing to do, and says nothing", async () => {
  const context = createExecutionContext();
  worker.scheduled(createScheduledController(), env, context);
  await waitOnExecutionContext(context);
});
