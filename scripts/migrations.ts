import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readD1Migrations } from "@cloudflare/vitest-plugin";

const folder = fileURLToPath(new URL("../adapters/d1/migrations", import.meta.url));
const file = fileURLToPath(new URL("../adapters/d1/migrations.generated.ts", import.meta.url));

/**
 * The migrations of D1 as their generated file holds them: the files of SQL, as `wrangler` splits them, without comments and
 * indentation, which an app would carry.
 */
export async function migrationsText(): Promise<string> {
  const files = await readD1Migrations(folder);
  const migrations = files.map(({ name, queries }) => ({ name, queries: queries.map(bare) }));
  return `// Generated from migrations/*.sql by \`npm run migrations\`.
import type { D1Migration } from "./database.ts";

export const migrations: readonly D1Migration[] = ${JSON.stringify(migrations, null, 2)};
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
