import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type LocalWorker, startWorker } from "../../scripts/local-worker.ts";
import { migratedTo } from "../support/migrated.ts";

const key = "key-of-the-kill-test";
const skill = "text.simple-summarize";
const folder = await mkdtemp(join(tmpdir(), "orca-durable-kill-"));
const workers: LocalWorker[] = [];

afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await rm(folder, { recursive: true, force: true });
});

async function start(): Promise<LocalWorker> {
  const worker = await startWorker({ persistTo: folder, vars: { API_KEY: key, LEASE_MS: "1000" } });
  workers.push(worker);
  return worker;
}

async function call(worker: LocalWorker, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(worker.url + path, {
    headers: { "x-api-key": key },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}

interface Acknowledged {
  readonly started: Set<string>;
  readonly created: Set<string>;
  /** Run id, checkpoint id and what was saved. */
  readonly saved: (readonly [runId: string, checkpointId: string, text: string])[];
}

/** Two hundred clients: half start one run after the other, half create a run and save checkpoints to it. */
async function load(worker: LocalWorker, acknowledged: Acknowledged, isOver: () => boolean): Promise<void> {
  const starts = Array.from({ length: 100 }, async (_, client) => {
    for (let round = 0; !isOver(); round++) {
      const run_id = `started-${client}-${round}`;
      const inputs = { text: `One sentence of client ${client}. Another in round ${round}.` };
      const { status } = await call(worker, "/v1/runs", { skill_id: skill, run_id, inputs });
      if (status === 201) acknowledged.started.add(run_id);
    }
  });
  const saves = Array.from({ length: 100 }, async (_, client) => {
    const run_id = `created-${client}`;
    const inputs = { text: "Saved to." };
    const { status } = await call(worker, "/v1/runs", { skill_id: skill, run_id, inputs, start: false });
    if (status === 201) acknowledged.created.add(run_id);
    for (let round = 0; !isOver(); round++) {
      const checkpoint_id = `c-${round}`;
      const text = `state of client ${client} in round ${round}`;
      const state = { skill_id: skill, inputs, vars: { text } };
      const body = { checkpoint_id, kind: "saved", state };
      const saved = await call(worker, `/v1/runs/${run_id}/checkpoints`, body);
      if (saved.status === 201) acknowledged.saved.push([run_id, checkpoint_id, text]);
    }
  });
  // The connection breaks when the server is killed; whatever was not acknowledged by then may be there or not.
  await Promise.allSettled([...starts, ...saves]);
}

/** Calls for each item, ten at a time. */
async function each<T>(items: readonly T[], call: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async () => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await call(item);
  };
  await Promise.all(Array.from({ length: 10 }, worker));
}

test("after kill -9 under 200 clients every acknowledged run and checkpoint is there, and every run goes on", async () => {
  await migratedTo(folder);
  const first = await start();
  const acknowledged: Acknowledged = { started: new Set(), created: new Set(), saved: [] };
  let isKilled = false;
  const loaded = load(first, acknowledged, () => isKilled);
  while (acknowledged.started.size < 100 || acknowledged.saved.length < 100) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await first.kill("SIGKILL");
  isKilled = true;
  await loaded;

  const second = await start();
  const lost: string[] = [];
  await each([...acknowledged.started, ...acknowledged.created], async (runId) => {
    if ((await call(second, `/v1/runs/${runId}`)).status !== 200) lost.push(runId);
  });
  await each(acknowledged.saved, async ([runId, checkpointId, text]) => {
    const { body } = await call(second, `/v1/runs/${runId}/checkpoints/${checkpointId}`);
    const { state } = body as { state?: { vars: { text: string } } };
    if (state?.vars.text !== text) lost.push(`${runId}/${checkpointId}`);
  });
  expect(lost).toEqual([]);

  const unfinished = new Set(acknowledged.started);
  while (unfinished.size > 0) {
    await second.cron();
    await each([...unfinished], async (runId) => {
      const { body } = await call(second, `/v1/runs/${runId}`);
      const { status } = body as { status: string };
      if (status === "completed") unfinished.delete(runId);
      else expect(status).toBe("running");
    });
  }
  const { started, created, saved } = acknowledged;
  console.log(`kill -9: ${started.size} started, ${created.size} created, ${saved.length} checkpoints, none lost`);
}, 300_000);
