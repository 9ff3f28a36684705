import { createExecutionContext, createScheduledController, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeEach, expect, test, vi } from "vitest";
import worker from "../../examples/import/index.ts";

beforeEach(async () => {
  await env.DB.exec("DROP TABLE IF EXISTS customers");
  await env.DB.exec(
    "CREATE TABLE customers (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL CHECK (email LIKE '%@%'))",
  );
});

async function call(request: Request): Promise<Response> {
  const context = createExecutionContext();
  const response = await worker.fetch(request, env, context);
  await waitOnExecutionContext(context);
  return response;
}

const post = (csv: string) => call(new Request("http://worker/import", { method: "POST", body: csv }));

/** The run once it has ended: a cron trigger at a time, as each minute. */
async function ended(runId: string) {
  for (let ticks = 0; ticks < 100; ticks++) {
    const request = new Request(`http://worker/v1/runs/${runId}`, { headers: { "x-api-key": env.API_KEY } });
    const run = (await (await call(request)).json()) as { readonly status: string; readonly result: unknown };
    if (run.status === "completed" || run.status === "failed") return { ...run, ticks };
    const context = createExecutionContext();
    worker.scheduled(createScheduledController(), env, context);
    await waitOnExecutionContext(context);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`run ${runId} does not end`);
}

const csvOf = (count: number, email: (id: number) => string) =>
  ["id,name,email", ...Array.from({ length: count }, (_, id) => `${id + 1},Customer ${id + 1},${email(id + 1)}`)].join(
    "\n",
  );

async function stored(): Promise<number> {
  const row = await env.DB.prepare("SELECT count(*) AS count FROM customers").first<{ count: number }>();
  return row?.count ?? 0;
}

test("2,000 rows are imported in batches, in as many invocations as it takes, and the same file once", async () => {
  const csv = csvOf(2_000, (id) => `${id}@customers.test`);
  const started = await post(csv);
  expect(started.status).toBe(202);
  const { runId } = (await started.json()) as { runId: string };
  expect(await ended(runId)).toMatchObject({
    status: "completed",
    result: { rows: 2_000, inserted: 2_000, failed: [] },
  });
  expect(await stored()).toBe(2_000);
  expect(await (await post(csv)).json()).toEqual({ runId });
});

test("a batch that cannot be imported is named, and the others are imported", async () => {
  const logged = vi.spyOn(console, "error").mockImplementation(() => {});
  const csv = csvOf(120, (id) => (id === 70 ? "nowhere" : `${id}@customers.test`));
  const { runId } = (await (await post(csv)).json()) as { runId: string };
  expect(await ended(runId)).toMatchObject({
    status: "completed",
    result: { rows: 120, inserted: 70, failed: ["51"] },
  });
  expect(await stored()).toBe(70);
  expect(logged).toHaveBeenCalledTimes(1);
  logged.mockRestore();
});

test("everything else is the service", async () => {
  expect((await call(new Request("http://worker/v1/health"))).status).toBe(200);
  expect((await call(new Request("http://worker/"))).status).toBe(302);
});
