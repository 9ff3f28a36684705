import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { applyMigrations, type LocalWorker, startWorker } from "../scripts/local-worker.ts";

const key = "key-of-the-scheduled-test";
const leaseMs = 1_500;
const folder = await mkdtemp(join(tmpdir(), "orca-durable-scheduled-"));
const place = { cwd: fileURLToPath(new URL("support/scheduled", import.meta.url)), persistTo: folder };
const workers: LocalWorker[] = [];

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<LocalWorker> {
  const worker = await startWorker({ ...place, vars: { API_KEY: key, LEASE_MS: String(leaseMs) } });
  workers.push(worker);
  return worker;
}

async function call(worker: LocalWorker, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(worker.url + path, {
    headers: { "x-api-key": key },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  return (await response.json()) as Record<string, unknown>;
}

async function stepsOf(worker: LocalWorker): Promise<readonly unknown[]> {
  const { checkpoints } = await call(worker, "/v1/runs/slow/checkpoints");
  const records = checkpoints as readonly { kind: string; step_id: string }[];
  return records.filter(({ kind }) => kind === "step_completed").map(({ step_id }) => step_id);
}

test("after kill -9 in the middle of a run, one scheduled event drains it to its end, and nobody asks about it", async () => {
  await applyMigrations(place);
  const first = await start();
  await call(first, "/v1/runs", { skill_id: "scheduled.slow", run_id: "slow" });
  while ((await stepsOf(first)).length < 2) await pause(50);
  await first.kill("SIGKILL");

  const second = await start();
  // The dead executor's lease has to lapse first; no request of ours names the run until the event is over.
  await pause(leaseMs + 500);
  await second.cron();
  await pause(6_000);
  expect(await call(second, "/v1/runs/slow")).toMatchObject({ status: "completed" });
  expect(await stepsOf(second)).toEqual(["first", "second", "third", "fourth"]);
});
