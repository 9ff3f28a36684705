import { readdirSync, readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { d1Migrations } from "../../adapters/d1/migrations.ts";
import { migrationsText } from "../../scripts/migrations.ts";

const folder = "adapters/d1/migrations";
const files = readdirSync(folder).sort();

/** The tables and indexes that these statements make, without the comments and the layout of their text. */
function schemaOf(texts: readonly string[]): readonly unknown[] {
  const db = new DatabaseSync(":memory:");
  for (const text of texts) db.exec(text);
  const made = db.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").all();
  return made.map(({ type, name, sql }) => ({ type, name, sql: String(sql).replaceAll(/--.*|\s+/g, "") }));
}

test("the migrations that orca-durable/d1 exports are up to date: `npm run migrations` writes them", async () => {
  expect(readFileSync("adapters/sql/migrations.generated.ts", "utf8")).toBe(await migrationsText());
  expect(d1Migrations.map(({ name }) => name)).toEqual(files);
});

test("the migrations that orca-durable/d1 exports make the database that the files make", () => {
  const byFiles = schemaOf(files.map((name) => readFileSync(`${folder}/${name}`, "utf8")));
  expect(byFiles.length).toBeGreaterThan(10);
  expect(schemaOf(d1Migrations.flatMap(({ queries }) => queries))).toEqual(byFiles);
});

test("each query is one statement, as D1 executes them", () => {
  const several = d1Migrations.flatMap(({ queries }) => queries).filter((query) => /;|--/.test(query));
  expect(several).toEqual([]);
});
