import { applyD1Migrations, reset } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, test } from "vitest";
import { d1Store } from "../../adapters/d1/index.ts";
import { type D1Dump, storedCases, storedVersions } from "../support/upgrade/cases.ts";

/** How many migrations each version came with. */
const migrationsOf: Readonly<Record<string, number>> = { "0.1.0": 1, "format-1": 1, "format-2": 4 };

/** The database as that release left it, brought up to date as `wrangler d1 migrations apply` does. */
async function restored({ statements, tables }: D1Dump, applied: number): Promise<void> {
  await reset();
  await applyD1Migrations(env.DB, []);
  for (const statement of statements) await env.DB.prepare(statement).run();
  for (const { name } of env.TEST_MIGRATIONS.slice(0, applied)) {
    await env.DB.prepare("INSERT INTO d1_migrations (name) VALUES (?)").bind(name).run();
  }
  for (const { name, rows } of tables) {
    for (const row of rows) {
      const columns = Object.keys(row);
      const sql = `INSERT INTO ${name} (${columns}) VALUES (${columns.map(() => "?")})`;
      await env.DB.prepare(sql)
        .bind(...Object.values(row))
        .run();
    }
  }
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
}

async function schema(): Promise<unknown> {
  const sql =
    "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*' ORDER BY name";
  const { results } = await env.DB.prepare(sql).all<{ sql: string }>();
  return results.map((row) => ({ ...row, sql: plain(row.sql) }));
}

function plain(sql: string): string {
  return sql
    .replace(/--.*$/gm, "")
    .replace(/\s+/g, " ")
    .replace(/ ?([(),]) ?/g, "$1")
    .trim();
}

for (const stored of storedVersions) {
  const applied = migrationsOf[stored.version] ?? 0;

  storedCases(stored, "D1", async () => {
    await restored(stored.d1, applied);
    return d1Store(env.DB);
  });

  test(`a database of ${stored.version} becomes one like any that is made now`, async () => {
    await restored(stored.d1, applied);
    const upgraded = await schema();
    await reset();
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS);
    expect(upgraded).toEqual(await schema());
  });

  test(`what ${stored.version} deleted stays deleted`, async () => {
    await restored(stored.d1, applied);
    const row = await d1Store(env.DB).getRun("acme", "deleted");
    expect(row).toMatchObject({ runId: "deleted" });
    expect(row?.status).toBeUndefined();
  });

  test(`the migrations of ${stored.version} are what they were`, () => {
    expect(applied).toBeGreaterThan(0);
    const now = env.TEST_MIGRATIONS.slice(0, applied).flatMap(({ queries }) => queries);
    expect(now.map(plain).map((sql) => sql.replace(/;$/, ""))).toEqual(stored.d1.statements.map(plain));
  });
}
