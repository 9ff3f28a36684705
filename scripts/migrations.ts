import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readD1Migrations } from "@cloudflare/vitest-plugin";

const folder = fileURLToPath(new URL("../adapters/d1/migrations", import.meta.url));
const file = fileURLToPath(new URL("../adapters/d1/migrations.generated.ts", import.meta.url));

/** The migrations of D1 as their generated file holds them: the files of SQL, as `wrangler` splits them. */
export async function migrationsText(): Promise<string> {
  const migrations = await readD1Migrations(folder);
  return `// Generated from migrations/*.sql by \`npm run migrations\`.
import type { D1Migration } from "./database.ts";

export const migrations: readonly D1Migration[] = ${JSON.stringify(migrations, null, 2)};
`;
}

if (import.meta.main) writeFileSync(file, await migrationsText());
