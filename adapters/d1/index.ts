import { expectKind, withMethods } from "../../src/argument.ts";
import type { Store } from "../../src/store.ts";
import { type Columns, sqlStore } from "../sql/store.ts";
import type { Statement } from "../sql/writes.ts";
import type { D1Database, D1PreparedStatement } from "./database.ts";

export type { D1Database, D1PreparedStatement, D1Rows } from "./database.ts";

/**
 * A store on Cloudflare D1, in the tables of `migrations/`.
 *
 * D1 has no interactive transaction: a commit is one batch.
 *
 * Pass the database itself. A session may read from a replica, which has the session's own commits, but those of others
 * only later: weaker than the Store contract.
 *
 * @example
 * ```ts
 * import { createRuntime, type Skill } from "orca-durable";
 * import { type D1Database, d1Store } from "orca-durable/d1";
 *
 * export function runsOf(env: { readonly DB: D1Database }, skills: readonly Skill[]) {
 *   return createRuntime({ store: d1Store(env.DB), skills }).for("acme");
 * }
 * ```
 */
export function d1Store(db: D1Database): Store {
  expectKind(db, withMethods("prepare", "batch"), "db");
  const prepared = ([sql, values]: Statement): D1PreparedStatement =>
    db.prepare(sql).bind(...values.map((value) => value ?? null));
  return sqlStore({
    name: "D1",
    read: async (statement) => (await prepared(statement).all<Columns>()).results,
    async write(statements) {
      await db.batch(statements.map(prepared));
    },
  });
}
