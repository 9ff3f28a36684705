import { env } from "cloudflare:workers";
import type { D1Database, D1DatabaseSession, D1PreparedStatement } from "@cloudflare/workers-types";
import { describe, expect, test } from "vitest";
import { d1Store } from "../../adapters/d1/index.ts";
import { initialState } from "../../src/codec/index.ts";
import { saveCheckpoint } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { d1Harness } from "../support/d1-harness.ts";
import { onStage, refusalOf } from "../support/stage.ts";
import { rowsOf } from "../support/stored.ts";

const on = onStage(d1Harness(env.DB));

/** What D1 takes of one statement in production; the local one takes more. */
const limits = { bytes: 2_000_000, parameters: 100, sql: 100_000 };

const bytesOf = (value: unknown) => (typeof value === "string" ? new TextEncoder().encode(value).length : 8);

/** A store on a D1 that says what was the most of anything. `refuse` is added to each batch: with it none can succeed. */
function strict(db: D1Database): {
  readonly store: Store;
  readonly most: typeof limits;
  refuses: boolean;
  batches: number;
} {
  const most = { bytes: 0, parameters: 0, sql: 0 };
  const watch = (sql: string, values: readonly unknown[]) => {
    most.sql = Math.max(most.sql, bytesOf(sql));
    most.parameters = Math.max(most.parameters, values.length);
    most.bytes = Math.max(
      most.bytes,
      values.map(bytesOf).reduce((sum, each) => sum + each, 0),
    );
  };
  const watched = { most, refuses: false, batches: 0 };
  const session: D1DatabaseSession = {
    prepare: (sql) => {
      const statement = db.prepare(sql);
      const bind = (...values: unknown[]) => {
        watch(sql, values);
        return statement.bind(...values);
      };
      return { bind } as D1PreparedStatement;
    },
    batch: async <T>(statements: D1PreparedStatement[]) => {
      watched.batches += 1;
      // The last statement fails, when all the rows are there already.
      return db.batch<T>(
        watched.refuses ? [...statements, db.prepare("INSERT INTO runs (tenant) VALUES (NULL)")] : statements,
      );
    },
    getBookmark: () => null,
  };
  return Object.assign(watched, { store: d1Store(session) });
}

/** Twenty megabytes of UTF-8, in which the characters of four bytes stand at every offset. */
function twentyMegabytes(): readonly string[] {
  return Array.from({ length: 200 }, (_, index) => `${"x".repeat(index % 4)}${"\u{1f600}é€a".repeat(10_000)}`);
}

describe("twenty megabytes on D1", () => {
  test(
    "come back equal, within what D1 takes in production, in one batch each time",
    on(async ({ runtime, tenant }) => {
      const d1 = strict(env.DB);
      const runs = runtime({ store: d1.store, executor: "large" }).for(tenant);
      const parts = twentyMegabytes();
      await runs.create({ skillId: "chain", runId: "r", inputs: { parts } });
      expect(d1.batches).toBe(1);
      const { head = "" } = await runs.listCheckpoints("r");
      expect((await runs.loadCheckpoint("r", head)).state.inputs.parts).toEqual(parts);

      const edited = {
        ...initialState<unknown>("chain", { parts: parts.with(100, "another") }),
        vars: { more: parts.slice(0, 20) },
      };
      await saveCheckpoint(runs, "r", { checkpointId: "delta", kind: "k", state: edited });
      expect((await runs.loadCheckpoint("r", "delta")).state.inputs).toEqual(edited.inputs);
      await runs.fork("r", { checkpointId: "delta", newRunId: "fork" });
      expect((await runs.loadCheckpoint("fork", "delta")).state).toEqual(
        (await runs.loadCheckpoint("r", "delta")).state,
      );

      const rows = await env.DB.prepare(
        "SELECT max(length(CAST(body AS BLOB))) AS part, count(*) AS parts FROM snapshot_parts",
      ).first();
      expect(rows?.part).toBeLessThan(limits.bytes);
      expect(rows?.parts).toBeGreaterThan(20);
      expect(d1.most.bytes).toBeGreaterThan(limits.bytes / 2);
      for (const [what, limit] of Object.entries(limits)) {
        expect(d1.most[what as keyof typeof limits], what).toBeLessThan(limit + 1);
      }
    }),
  );

  test(
    "are written whole or not at all",
    on(async ({ runtime, tenant, store }) => {
      const d1 = strict(env.DB);
      const runs = runtime({ store: d1.store, executor: "large" }).for(tenant);
      await runs.create({ skillId: "chain", runId: "r" });
      const before = await rowsOf(store, tenant, "r", "s");
      d1.refuses = true;
      const inputs = { parts: twentyMegabytes() };
      const failed = { code: "store_failed" };
      expect(await refusalOf(runs.create({ skillId: "chain", runId: "s", inputs }))).toMatchObject(failed);
      const state = initialState<unknown>("chain", inputs);
      expect(await refusalOf(saveCheckpoint(runs, "r", { kind: "k", state }))).toMatchObject(failed);
      expect(await rowsOf(store, tenant, "r", "s")).toEqual(before);
      expect(await env.DB.prepare("SELECT count(*) AS count FROM snapshot_parts").first("count")).toBe(0);
      d1.refuses = false;
      await saveCheckpoint(runs, "r", { checkpointId: "now", kind: "k", state });
      expect((await runs.loadCheckpoint("r", "now")).state.inputs).toEqual(inputs);
      await runs.delete("r");
      expect(await env.DB.prepare("SELECT count(*) AS count FROM snapshot_parts").first("count")).toBe(0);
    }),
  );
});
