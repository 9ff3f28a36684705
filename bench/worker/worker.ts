import type { D1Database } from "@cloudflare/workers-types";
import { CloudflareD1Saver } from "langgraph-checkpoint-cloudflare-d1";
import { d1Store } from "../../adapters/d1/index.ts";
import type { Commit } from "../../src/store.ts";
import { type Channel, growLangGraph, saverBytes } from "../peers/langgraph.ts";
import { type CommitOptions, commitTimes } from "../programs/commit.ts";
import { type Grown, type Growth, growDurable } from "../programs/growing.ts";
import { loadCosts, takeIn } from "../programs/load.ts";
import { type Filled, pageTimes, sampleRow } from "../programs/pages.ts";
import { bills } from "./bills.ts";

/** The bindings of wrangler.toml. */
interface Env {
  readonly DB: D1Database;
  readonly OTHERS: D1Database;
}

/** The measurements inside workerd, each by one request. */
const programs = {
  async growDurable({ DB }: Env, { steps }: { steps: number }): Promise<Growth> {
    const before = await bytesOfFile(DB);
    const grown = await growDurable(d1Store(DB), steps);
    return { ...grown, fileBytes: (await bytesOfFile(DB)) - before };
  },

  async growLangGraph({ OTHERS }: Env, { steps, channel }: { steps: number; channel: Channel }): Promise<Grown> {
    const saver = new CloudflareD1Saver(OTHERS);
    const thread = crypto.randomUUID();
    const stepMs = await growLangGraph(saver, thread, steps, channel);
    const bytes = await OTHERS.prepare(saverBytes).bind(thread).first<Record<string, number>>();
    // Otherwise the next measurement would write into a database of gigabytes.
    await saver.deleteThread(thread);
    return { stepMs, bytes: bytes ?? {} };
  },

  async commitTimes({ DB, OTHERS }: Env, options: CommitOptions) {
    await OTHERS.batch(bareTables.map((sql) => OTHERS.prepare(sql)));
    return commitTimes({ durable: d1Store(DB) }, { bare: (commit) => bareBatch(OTHERS, commit) }, options);
  },

  async loadCosts({ DB }: Env, { lines, rounds }: { lines: readonly string[]; rounds: number }) {
    const store = d1Store(DB);
    return loadCosts(store, await takeIn(store, lines), rounds);
  },

  async pageTimes({ DB }: Env, { sizes, rounds }: { sizes: readonly number[]; rounds: number }) {
    const store = d1Store(DB);
    const sample = await sampleRow(store);
    const filled: Filled[] = [];
    for (const runs of sizes) {
      const tenant = `of ${runs} runs`;
      for (let from = 0; from < runs; from += 100_000) {
        const to = Math.min(runs, from + 100_000);
        await DB.prepare(await fillRuns(DB))
          .bind(tenant, from, to, sample.tenant, sample.runId)
          .run();
      }
      filled.push({ store, tenant, runs });
    }
    return pageTimes(filled, rounds);
  },

  bills: ({ DB, OTHERS }: Env, { steps }: { steps: number }) => bills(DB, OTHERS, steps),
};

export type WorkerPrograms = typeof programs;

async function bytesOfFile(db: D1Database): Promise<number> {
  return (await db.prepare("SELECT 1").run()).meta.size_after;
}

/**
 * Copies the sample for the runs from ?2 until ?3, by one statement instead of one commit each. Every column that is not the
 * identity or the time of the run is the sample's own, so the rows have the shape in which the adapter wrote it.
 */
async function fillRuns(db: D1Database): Promise<string> {
  const { results } = await db.prepare("SELECT name FROM pragma_table_info('runs')").all<{ name: string }>();
  const others = results
    .map(({ name }) => name)
    .filter((name) => !["number", "tenant", "run_id", "created_at"].includes(name));
  const [into, from] = [others.join(", "), others.map((name) => `sample.${name}`).join(", ")];
  return `INSERT INTO runs (tenant, run_id, created_at, ${into})
    WITH RECURSIVE n (i) AS (SELECT CAST(?2 AS INTEGER) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?3)
    SELECT ?1, 'run ' || i, i / 2, ${from} FROM n CROSS JOIN runs AS sample
    WHERE sample.tenant = ?4 AND sample.run_id = ?5`;
}

const bareTables = [
  "CREATE TABLE IF NOT EXISTS bare_runs (run_id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID",
  `CREATE TABLE IF NOT EXISTS bare_entries (run_id TEXT, revision INTEGER, body TEXT NOT NULL, snapshot TEXT,
    PRIMARY KEY (run_id, revision)) STRICT, WITHOUT ROWID`,
];

/** The same bodies in two rows, without a fence or an index. */
function bareBatch(db: D1Database, { run, entry }: Commit): Promise<unknown> {
  return db.batch([
    db.prepare("INSERT OR REPLACE INTO bare_runs (run_id, body) VALUES (?, ?)").bind(run.runId, run.body),
    db
      .prepare("INSERT INTO bare_entries (run_id, revision, body, snapshot) VALUES (?, ?, ?, ?)")
      .bind(run.runId, run.revision, entry?.body ?? "", entry?.snapshot ?? ""),
  ]);
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { program, args } = (await request.json()) as { program: keyof WorkerPrograms; args: never };
    try {
      return Response.json(await programs[program](env, args));
    } catch (error) {
      return new Response(error instanceof Error ? error.stack : String(error), { status: 500 });
    }
  },
};
