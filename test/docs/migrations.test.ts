import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { d1Migrations } from "../../adapters/d1/index.ts";
import { migrationsText } from "../../scripts/migrations.ts";

test("the migrations that orca-durable/d1 exports are the files: `npm run migrations` writes them", async () => {
  expect(readFileSync("adapters/d1/migrations.generated.ts", "utf8")).toBe(await migrationsText());
  expect(d1Migrations.map(({ name }) => name)).toEqual([
    "0001_runs.sql",
    "0002_api_keys.sql",
    "0003_runs_with_rowid.sql",
  ]);
  // A statement that begins with its comment is a statement, and none is empty.
  const empty = d1Migrations
    .flatMap(({ queries }) => queries)
    .filter((query) => !/\b(CREATE|INSERT|DROP|ALTER)\b/.test(query));
  expect(empty).toEqual([]);
});
