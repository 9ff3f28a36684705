import type { D1Database } from "@cloudflare/workers-types";
import { d1Store } from "../../adapters/d1/index.ts";
import { d1Keys } from "../../worker/cloudflare/d1-keys.ts";
import { d1Harness } from "./d1-harness.ts";
import type { FuzzHome } from "./fuzz.ts";
import { fuzzApp } from "./fuzz-app.ts";

/** The app over D1, in a database that writes down each change of a row. */
export async function fuzzD1Home(db: D1Database): Promise<FuzzHome> {
  await countChanges(db);
  await d1Harness(db).fresh();
  const keys = d1Keys(db);
  return {
    ...fuzzApp(d1Store(db), keys),
    async state() {
      const row = await db.prepare("SELECT count(*) AS changes FROM changes").first<{ changes: number }>();
      return String(row?.changes);
    },
  };
}

/** Triggers on every table: what a statement writes is seen whatever it was meant for. */
async function countChanges(db: D1Database): Promise<void> {
  const { results } = await db
    .prepare(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*' AND name NOT GLOB '_cf_*' AND name NOT IN ('d1_migrations', 'changes')",
    )
    .all<{ name: string }>();
  const triggers = results.flatMap(({ name }) =>
    ["INSERT", "UPDATE", "DELETE"].map((verb) =>
      db.prepare(
        `CREATE TRIGGER IF NOT EXISTS "seen_${verb}_${name}" AFTER ${verb} ON "${name}" BEGIN INSERT INTO changes (what) VALUES ('${verb} ${name}'); END`,
      ),
    ),
  );
  await db.batch([db.prepare("CREATE TABLE IF NOT EXISTS changes (what TEXT NOT NULL) STRICT"), ...triggers]);
}
