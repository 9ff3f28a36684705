import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type LocalWorker, startWorker } from "../../scripts/local-worker.ts";
import { migratedTo } from "../support/migrated.ts";

interface Call {
  readonly runId: string;
  readonly stepId: string;
  readonly idempotencyKey: string;
}

const key = "key-of-the-scheduled-test";
const leaseMs = 1_500;
const place = { persistTo: await mkdtemp(join(tmpdir(), "orca-durable-scheduled-")), cwd: "test/support/scheduled" };

// What the Worker's steps call. It leaves a step named "held" without an answer until it is released.
const calls: Call[] = [];
const unanswered: ServerResponse[] = [];
let isHolding = true;
const outside = createServer(async (request, response) => {
  let text = "";
  for await (const chunk of request) text += chunk;
  const call = JSON.parse(text) as Call;
  calls.push(call);
  if (call.stepId === "held" && isHolding) unanswered.push(response);
  else response.end(JSON.stringify(`${call.stepId} done`));
});
await new Promise<void>((resolve) => outside.listen(0, "127.0.0.1", resolve));
const { port } = outside.address() as AddressInfo;
const vars = { API_KEY: key, LEASE_MS: String(leaseMs), OUTSIDE_URL: `http://127.0.0.1:${port}` };

const workers: LocalWorker[] = [];
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  outside.closeAllConnections();
  outside.close();
  await rm(place.persistTo, { recursive: true, force: true });
});

async function serve(): Promise<LocalWorker> {
  const worker = await startWorker({ ...place, vars });
  workers.push(worker);
  return worker;
}

async function ask(worker: LocalWorker, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(worker.url + path, { headers: { "x-api-key": key }, ...init });
  return (await response.json()) as Record<string, unknown>;
}

interface Happened {
  readonly event_type: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

async function eventsOf(worker: LocalWorker, runId: string): Promise<readonly Happened[]> {
  return ((await ask(worker, `/v1/runs/${runId}/events`)) as unknown as { readonly events: readonly Happened[] })
    .events;
}

const called = (stepId: string) => calls.filter((call) => call.stepId === stepId);
const soon = { interval: 50 };

test("after kill -9 in mid-run one scheduled event ends every run, with no request about any of them", async () => {
  await migratedTo(place.persistTo);
  const first = await serve();
  const ids: string[] = [];
  for (const skill_id of ["graph", "body", "sleeper"]) {
    ids.push(String((await ask(first, "/v1/run_async", { skill_id })).run_id));
  }
  await expect.poll(() => [called("held").length, called("before").length], soon).toEqual([2, 3]);
  const [, , sleeper = ""] = ids;
  const sleeping = async () =>
    (await eventsOf(first, sleeper)).find(({ event_type }) => event_type === "step.sleeping");
  await expect.poll(sleeping, soon).toBeDefined();
  const wakesAt = Date.parse(String((await sleeping())?.payload.until));
  await first.kill("SIGKILL");
  isHolding = false;

  const second = await serve();
  // Until the leases have lapsed and the sleep is over.
  const overAt = Math.max(wakesAt, Date.now() + leaseMs) + 500;
  await new Promise((resolve) => setTimeout(resolve, overAt - Date.now()));
  expect(called("after")).toEqual([]);
  await second.cron();
  await expect.poll(() => called("after").length, soon).toBe(3);

  const done = { before: "before done", held: "held done", after: "after done" };
  for (const runId of ids) {
    const result = runId === sleeper ? { before: done.before, after: done.after } : done;
    await expect.poll(() => ask(second, `/v1/runs/${runId}`), soon).toMatchObject({ status: "completed", result });
  }
  // What was recorded was not done again; what was cut off was, under the same key.
  expect(called("before")).toHaveLength(3);
  expect(called("held")).toHaveLength(4);
  expect(new Set(called("held").map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2);
});
