import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { defineTelemetry } from "../../src/telemetry/index.ts";
import { createWorker } from "../../worker/cloudflare/index.ts";
import { d1Harness } from "../support/d1-harness.ts";
import { httpCapabilities, httpSkills } from "../support/http-skills.ts";
import { recorder } from "../support/recorder.ts";

test("a Worker tells the same hooks of its requests, its runs and D1", async () => {
  await d1Harness(env.DB).fresh();
  const told = recorder();
  const worker = createWorker({ skills: httpSkills, capabilities: httpCapabilities, telemetry: defineTelemetry(told) });
  const context = createExecutionContext();
  const request = new Request("http://orca.test/v1/skills/http.chain/execute/async", {
    method: "POST",
    headers: { "x-api-key": "test-key" },
    body: JSON.stringify({ inputs: { value: 1 } }),
  });
  const response = await worker.fetch(request, { DB: env.DB, API_KEY: "test-key" }, context);
  expect(response.status).toBe(202);
  await waitOnExecutionContext(context);
  expect(told.count("http.server.request.duration", { "http.response.status_code": 202 })).toBe(1);
  expect(told.count("orca.pass.duration", { "orca.run.status": "completed" })).toBe(1);
  expect(told.count("orca.attempt.duration")).toBe(3);
  expect(told.count("db.client.operation.duration", { "db.operation.name": "commit" })).toBeGreaterThan(3);
  // It takes due runs along behind a start.
  expect(told.count("orca.drain.duration")).toBe(1);
});
