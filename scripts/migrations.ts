import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readD1Migrations } from "@cloudflare/vitest-plugin";

const folder = fileURLToPath(new URL("../adapters/d1/migrations", import.meta.url));
const file = fileURLToPath(new URL("../adapters/sql/migrations.generated.ts", import.meta.url));

/**
 * The migrations of SQLite's tables as their generated file holds them: the files of SQL, as `wrangler` splits them, without comments and
 * indentation, which an app would carry.
 */
export async function migrationsText(): Promise<string> {
  const files = await readD1Migrations(folder);
  const migrations = files.map(({ name, queries }) => ({ name, queries: queries.map(bare) }));
  return `// Generated from adapters/d1/migrations/*.sql by \`npm run migrations\`.
export const migrations: readonly { name: string; queries: string[] }[] = ${JSON.stringify(migrations, null, 2)};
`;
}

/** Each comment of the migrations has its lines for itself. */
function bare(query: string): string {
  return query
    .replace(/^\s*--.*\n/gm, "")
    .replace(/\s+/g, " ")
    .trim();
}

if (import.meta.main) writeFileSync(file, await migrationsText());
