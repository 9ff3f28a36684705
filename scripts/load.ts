import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { readEntry } from "../src/codec/bodies.ts";
import { type Latencies, loadRoute, loadService } from "./load/clients.ts";
import { type Miscounts, miscounts, type StoredRun } from "./load/count.ts";
import { applyMigrations, executeSql, startWorker } from "./local-worker.ts";

const service = { cwd: fileURLToPath(new URL("load/service", import.meta.url)) };
const bare = { cwd: fileURLToPath(new URL("load/bare", import.meta.url)) };
const key = "load-key";
/** The skill in load/service/worker.ts. */
const stepsOfRun = 3;

const storedEntries = `SELECT run_id AS runId, status, entries.id & 2147483647 AS revision, entries.body
  FROM runs LEFT JOIN entries ON entries.id BETWEEN number << 31 AND (number << 31) + 2147483647 ORDER BY run_id`;

interface StoredEntry {
  readonly runId: string;
  readonly status: string;
  /** Null if the run has no entry but the first, which is in its row. */
  readonly revision: number | null;
  readonly body: string | null;
}

export interface LoadReport {
  /** One line for each kind of request. */
  readonly lines: readonly string[];
  readonly acknowledged: number;
  readonly stored: number;
  readonly effects: number;
  readonly miscounts: Miscounts;
}

/** Puts a load on a local Worker, and on a bare Hono route beside it, and counts the effects in its database. */
export async function load(runs: number, clients: number): Promise<LoadReport> {
  const persistTo = await mkdtemp(join(tmpdir(), "orca-durable-load-"));
  const outside = await openOutside();
  try {
    await applyMigrations({ ...service, persistTo });
    const worker = await startWorker({ ...service, persistTo, vars: { API_KEY: key, OUTSIDE_URL: outside.url } });
    let measured: Awaited<ReturnType<typeof loadService>>;
    let seconds: number;
    try {
      const startedAt = performance.now();
      measured = await loadService(worker.url, key, runs, clients);
      seconds = (performance.now() - startedAt) / 1000;
    } finally {
      await worker.stop();
    }
    const { latencies, acknowledged } = measured;
    const stored = runsOf(await executeSql<StoredEntry>(storedEntries, { ...service, persistTo }));
    const [bareLatencies, bareSeconds] = await loadBare(countOf(latencies), clients);
    return {
      lines: [
        "requests".padEnd(16) + ["count", "a second", "p50 ms", "p99 ms"].map((word) => word.padStart(10)).join(""),
        line("all", [...latencies.values()].flat(), seconds),
        ...[...latencies].map(([what, times]) => line(`  ${what}`, times, seconds)),
        ...[...bareLatencies].map(([what, times]) => line(what, times, bareSeconds)),
      ],
      acknowledged: acknowledged.length,
      stored: stored.length,
      effects: [...outside.effects.values()].reduce((sum, times) => sum + times, 0),
      miscounts: miscounts(acknowledged, stored, outside.effects, stepsOfRun),
    };
  } finally {
    outside.close();
    await rm(persistTo, { recursive: true, force: true });
  }
}

/** The runs of these entries. The first entry of a run completes no step. */
function runsOf(entries: readonly StoredEntry[]): readonly StoredRun[] {
  return [...Map.groupBy(entries, ({ runId }) => runId)].map(([run_id, own]) => ({
    run_id,
    status: own[0]?.status ?? "",
    steps: own
      .flatMap(({ runId, revision, body }) =>
        revision === null || body === null ? [] : readEntry({ tenant: "", runId, revision, body }).events,
      )
      .filter(({ type }) => type === "step.completed").length,
  }));
}

async function loadBare(requests: number, clients: number): Promise<readonly [Latencies, number]> {
  const worker = await startWorker(bare);
  try {
    const startedAt = performance.now();
    const latencies = await loadRoute(worker.url, requests, clients);
    return [latencies, (performance.now() - startedAt) / 1000];
  } finally {
    await worker.stop();
  }
}

/** A server that counts the effects of each run. */
async function openOutside() {
  const effects = new Map<string, number>();
  const server = createServer(async (request, response) => {
    const [, runId = ""] = (await text(request)).split("/").map(decodeURIComponent);
    effects.set(runId, (effects.get(runId) ?? 0) + 1);
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    effects: effects as ReadonlyMap<string, number>,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function countOf(latencies: Latencies): number {
  return [...latencies.values()].reduce((sum, times) => sum + times.length, 0);
}

function line(what: string, times: readonly number[], seconds: number): string {
  const sorted = times.toSorted((a, b) => a - b);
  const quantile = (share: number) => sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? 0;
  const cells = [
    String(times.length),
    (times.length / seconds).toFixed(0),
    quantile(0.5).toFixed(1),
    quantile(0.99).toFixed(1),
  ];
  return what.padEnd(16) + cells.map((cell) => cell.padStart(10)).join("");
}

/** The counts, in one line. */
export function countsLine({ acknowledged, stored, effects, miscounts }: LoadReport): string {
  const { lost, doubled, miscounted } = miscounts;
  return `${acknowledged} runs acknowledged, ${stored} in the store, ${effects} effects; lost ${lost.length}, doubled ${doubled.length}, miscounted ${miscounted.length}`;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { runs: { type: "string", default: "500" }, clients: { type: "string", default: "8" } },
  });
  const report = await load(Number(values.runs), Number(values.clients));
  for (const one of [...report.lines, countsLine(report)]) console.log(one);
  const wrong = Object.values(report.miscounts).flat();
  for (const one of wrong) console.error(one);
  if (wrong.length > 0) process.exitCode = 1;
}
