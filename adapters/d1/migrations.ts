import { migrations } from "../sql/migrations.generated.ts";
import type { D1Migration } from "./database.ts";

export type { D1Migration } from "./database.ts";

/**
 * The migrations of the database, in the order in which they are applied: the tables of `d1Store` and of the API keys.
 * `wrangler d1 migrations apply` reads the same from `node_modules/orca-durable/adapters/d1/migrations`. This value is for
 * programs and tests that apply them themselves, each migration once per database.
 *
 * @example
 * ```ts
 * import type { D1Database } from "orca-durable/d1";
 * import { d1Migrations } from "orca-durable/d1/migrations";
 *
 * export async function migrate(db: D1Database) {
 *   for (const { queries } of d1Migrations) await db.batch(queries.map((query) => db.prepare(query)));
 * }
 * ```
 */
export const d1Migrations: readonly D1Migration[] = migrations;
