import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { type LocalWorker, startWorker } from "../../scripts/local-worker.ts";

const key = "key-of-the-kill-test";
const cwd = fileURLToPath(new URL("../support/killed", import.meta.url));
const folders: string[] = [];
const workers: LocalWorker[] = [];

/** The runs that announced their end, and how often. */
const ended = new Map<string, number>();
const server = createServer((request, response) => {
  const runId = decodeURIComponent(request.url?.slice(1) ?? "");
  ended.set(runId, (ended.get(runId) ?? 0) + 1);
  response.end();
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const outside = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  server.close();
  server.closeAllConnections();
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "orca-durable-kill-objects-"));
  folders.push(folder);
  return folder;
}

async function start(persistTo: string): Promise<LocalWorker> {
  const worker = await startWorker({ cwd, persistTo, vars: { API_KEY: key, OUTSIDE_URL: outside } });
  workers.push(worker);
  return worker;
}

async function call(worker: LocalWorker, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(worker.url + path, {
    headers: { "x-api-key": key },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const kills = 20;
const clients = 8;
const runsOfClient = 2;

test("objects that are killed twenty times under load lose nothing, and complete every run without a request", async () => {
  const folder = await newFolder();
  const acknowledged = new Set<string>();
  let worker = await start(folder);
  for (let round = 0; round < kills; round++) {
    const under = worker;
    let isKilled = false;
    const refused: unknown[] = [];
    const lane = async (client: number) => {
      for (let turn = 0; !isKilled; turn++) {
        const run_id = `errand-${round}-${client}-${turn}`;
        const inputs = { ms: [10, 300, 6_000][turn % 3] };
        try {
          await call(under, "/v1/runs", { skill_id: "errand", run_id, inputs });
        } catch (error) {
          if (isKilled) return;
          refused.push(error);
          throw error;
        }
        acknowledged.add(run_id);
      }
    };
    // The connections break in the end; what was not acknowledged by then may be there or not.
    const lanes = Promise.allSettled(Array.from({ length: clients }, (_, client) => lane(client)));
    const before = acknowledged.size;
    while (acknowledged.size < before + clients * runsOfClient && refused.length === 0) await pause(5);
    expect(refused).toEqual([]);
    isKilled = true;
    await under.kill("SIGKILL");
    await lanes;
    worker = await start(folder);
  }
  // The last one gets no call.
  await expect.poll(() => [...acknowledged].filter((runId) => !ended.has(runId)), { timeout: 200_000 }).toEqual([]);
  const unfinished: string[] = [];
  for (const runId of acknowledged) {
    for (const end = Date.now() + 100_000; ; ) {
      const { status } = await call(worker, `/v1/runs/${runId}`);
      if (status === "completed") break;
      // The end is announced just before it is recorded.
      if (Date.now() > end) unfinished.push(runId);
      if (Date.now() > end) break;
      await pause(50);
    }
  }
  expect(unfinished).toEqual([]);
  const repeated = [...ended.values()].filter((times) => times > 1).length;
  console.log(
    `kill -9 of objects, ${kills} times: ${acknowledged.size} runs acknowledged, all completed, ${repeated} ends announced again`,
  );
}, 600_000);

test("a hundred sleeps of five to ten seconds end, none of them early, beside a step that takes longer than a Worker lives", async () => {
  const worker = await start(await newFolder());
  const labor = call(worker, "/v1/runs", { skill_id: "labor", run_id: "labor", inputs: { ms: 40_000 } });
  const ids = Array.from({ length: 100 }, (_, index) => `sleeper-${index}`);
  await Promise.all(
    ids.map((run_id, index) =>
      call(worker, "/v1/runs", { skill_id: "sleeper", run_id, inputs: { ms: 5_000 + 50 * index } }),
    ),
  );
  await labor;
  const done = async (runId: string) => {
    for (;;) {
      const run = await call(worker, `/v1/runs/${runId}`);
      if (run.status === "completed") return Number(run.result);
      await pause(200);
    }
  };
  // An idle timer of this process says how late this machine is itself.
  const late = await Promise.all(ids.map(done));
  expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
  console.log(`100 sleeps of 5 to 10 s: the latest ended ${Math.max(...late)} ms late`);
  expect(await done("labor")).toBe(40_000);
}, 300_000);

test("a run of 1,500 quick steps lets other calls of its tenant through while it is executed", async () => {
  const worker = await start(await newFolder());
  await call(worker, "/v1/runs", { skill_id: "quick", run_id: "quick", inputs: { steps: 1_500 } });
  let answers = 0;
  while ((await call(worker, "/v1/runs/quick")).status === "running") answers += 1;
  expect(answers).toBeGreaterThan(2);
  expect(await call(worker, "/v1/runs/quick")).toMatchObject({ status: "completed" });
}, 300_000);
