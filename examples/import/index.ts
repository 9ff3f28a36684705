import type { D1Database, ExecutionContext, ScheduledController } from "@cloudflare/workers-types";
import { defineSkill } from "../../src/index.ts";
import { maps } from "../../src/steps.ts";
import { createWorker } from "../../worker/cloudflare/index.ts";

interface Bindings {
  readonly DB: D1Database;
  readonly API_KEY: string;
}

/** What a customer is in the file and in the table. */
type Row = readonly [id: string, name: string, email: string];

const batchSize = 50;

/** Puts each row of a CSV file into the table `customers`: 50 rows a step, 4 steps at a time. */
const importCustomers = (db: D1Database) =>
  defineSkill({
    id: "customers.import",
    version: "1",
    uses: [maps],
    async run(step, { csv }: { csv: string }) {
      const rows = csv.trim().split("\n").slice(1).map(rowOf);
      const batches = Array.from({ length: Math.ceil(rows.length / batchSize) }, (_, index) =>
        rows.slice(index * batchSize, (index + 1) * batchSize),
      );
      const options = {
        concurrency: 4,
        onFailure: "collect",
        key: (_: readonly Row[], index: number) => `from ${index * batchSize + 1}`,
        retries: { limit: 3, delay: "1 second", backoff: "exponential" },
      } as const;
      const outcomes = await step.map("insert", batches, options, (batch) => insert(db, batch));
      const failed = outcomes.flatMap(({ status }, index) => (status === "failed" ? [batches[index]?.[0]?.[0]] : []));
      return { rows: rows.length, inserted: outcomes.reduce((sum, one) => sum + countOf(one), 0), failed };
    },
  });

/** A step may be repeated after a crash, so that a row that is there already is written over. */
async function insert(db: D1Database, batch: readonly Row[]): Promise<number> {
  const statement = db.prepare("INSERT OR REPLACE INTO customers (id, name, email) VALUES (?, ?, ?)");
  await db.batch(batch.map((row) => statement.bind(...row)));
  return batch.length;
}

function rowOf(line: string): Row {
  const [id = "", name = "", email = ""] = line.split(",");
  return [id, name, email];
}

const countOf = (outcome: { readonly status: string; readonly value?: number }) => outcome.value ?? 0;

const durable = createWorker<Bindings>({ skills: ({ DB }) => [importCustomers(DB)], capabilities: [] });

export default {
  async fetch(request: Request, env: Bindings, context: ExecutionContext): Promise<Response> {
    if (request.method !== "POST" || new URL(request.url).pathname !== "/import")
      return durable.fetch(request, env, context);
    const digest = await crypto.subtle.digest("SHA-256", await request.clone().arrayBuffer());
    // The same file twice is one import.
    const idempotencyKey = btoa(String.fromCharCode(...new Uint8Array(digest)));
    const runs = durable.runs(env, context);
    const inputs = { csv: await request.text() };
    const { run } = await runs.start({ skillId: "customers.import", inputs, idempotencyKey });
    return Response.json({ runId: run.runId }, { status: 202 });
  },
  scheduled: (controller: ScheduledController, env: Bindings, context: ExecutionContext) =>
    durable.scheduled(controller, env, context),
};
