import type { D1Database } from "@cloudflare/workers-types";
import { CloudflareD1Saver } from "langgraph-checkpoint-cloudflare-d1";
import { d1Store } from "../../adapters/d1/index.ts";
import type { Commit } from "../../src/store.ts";
import { type Channel, growLangGraph, saverBytes } from "../peers/langgraph.ts";
import { type CommitOptions, commitTimes } from "../programs/commit.ts";
import { type Grown, growDurable } from "../programs/growing.ts";
import { loadCosts, takeIn } from "../programs/load.ts";
import { type Filled, pageTimes, rowBody } from "../programs/pages.ts";
import { bills } from "./bills.ts";

/** The bindings of wrangler.toml. */
interface Env {
  readonly DB: D1Database;
  readonly OTHERS: D1Database;
}

/** The measurements inside workerd, each by one request. */
const programs = {
  growDurable: ({ DB }: Env, { steps }: { steps: number }) => growDurable(d1Store(DB), steps),

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
    const filled: Filled[] = [];
    for (const runs of sizes) {
      const tenant = `of ${runs} runs`;
      await DB.prepare(fillRuns).bind(tenant, runs, rowBody).run();
      filled.push({ store: d1Store(DB), tenant, runs });
    }
    return pageTimes(filled, rounds);
  },

  bills: ({ DB, OTHERS }: Env, { steps }: { steps: number }) => bills(DB, OTHERS, steps),
};

export type WorkerPrograms = typeof programs;

/** The rows of `runRows`, inserted by one statement instead of one commit each. */
const fillRuns = `INSERT INTO runs (tenant, run_id, revision, created_at, status, skill_id, body)
  WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)
  SELECT ?1, 'run ' || i, 1, i / 2, 'completed', 'skill', ?3 FROM n`;

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
