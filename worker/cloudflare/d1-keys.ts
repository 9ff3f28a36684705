import type { D1Database, D1PreparedStatement } from "../../adapters/d1/index.ts";
import { expectKind, withMethods } from "../../src/argument.ts";
import { DurableError } from "../../src/index.ts";
import type { Role } from "../http/auth/caller.ts";
import type { KeyRecord, KeyStore } from "../http/auth/keys.ts";

/** A row of `api_keys`. */
export interface KeyRow {
  readonly key_id: string;
  readonly key_hash: string;
  readonly tenant: string;
  readonly role: string;
  readonly name: string;
  readonly hint: string;
  readonly created_at: number;
  readonly revoked_at: number | null;
}

/** The columns of `api_keys`, in the order of {@link valuesOf}. */
export const keyColumns = ["key_id", "key_hash", "tenant", "role", "name", "hint", "created_at", "revoked_at"] as const;

const columns = keyColumns.join(", ");

/**
 * API keys in the table `api_keys` of a D1 database.
 * @example
 * ```ts
 * import { type D1Database } from "orca-durable/d1";
 * import { d1Keys } from "orca-durable/cloudflare";
 *
 * export function keysOf(env: { readonly DB: D1Database }) {
 *   return d1Keys(env.DB).list("acme");
 * }
 * ```
 */
export function d1Keys(db: D1Database): KeyStore {
  expectKind(db, withMethods("prepare"), "db");
  const prepare = (sql: string, ...values: readonly (string | number | null)[]) => db.prepare(sql).bind(...values);

  async function reach<T>(
    work: (statement: D1PreparedStatement) => Promise<T>,
    statement: D1PreparedStatement,
  ): Promise<T> {
    try {
      return await work(statement);
    } catch (cause) {
      throw new DurableError("store_failed", "cannot read or write the API keys in D1", {
        cause,
        hint: "if the table api_keys is missing, run `wrangler d1 migrations apply`",
      });
    }
  }

  const select = (sql: string, ...values: readonly string[]): Promise<readonly KeyRow[]> =>
    reach(async (statement) => (await statement.all<KeyRow>()).results, prepare(sql, ...values));

  return {
    async find(keyId) {
      const [row] = await select(`SELECT ${columns} FROM api_keys WHERE key_id = ?`, keyId);
      return row && recordOf(row);
    },
    async list(tenant) {
      const sql = `SELECT ${columns} FROM api_keys WHERE tenant = ? ORDER BY created_at, key_id`;
      return (await select(sql, tenant)).map(recordOf);
    },
    async add(record) {
      const places = keyColumns.map(() => "?").join(", ");
      const insert = prepare(`INSERT INTO api_keys (${columns}) VALUES (${places})`, ...valuesOf(record));
      await reach((statement) => statement.all(), insert);
    },
    async revoke(tenant, keyId, now) {
      // RETURNING shows whether the row existed. The count of changes does not.
      const sql = `UPDATE api_keys SET revoked_at = coalesce(revoked_at, ?) WHERE tenant = ? AND key_id = ? RETURNING key_id`;
      const { results } = await reach((statement) => statement.all(), prepare(sql, now, tenant, keyId));
      return results.length > 0;
    },
    isEmpty: async () => (await select("SELECT key_id FROM api_keys LIMIT 1")).length === 0,
  };
}

/** The values of the record's row. */
export function valuesOf(record: KeyRecord): readonly (string | number | null)[] {
  const { keyId, hash, tenant, role, name, hint, createdAt, revokedAt } = record;
  return [keyId, hash, tenant, role, name, hint, createdAt, revokedAt ?? null];
}

function recordOf(row: KeyRow): KeyRecord {
  return {
    keyId: row.key_id,
    hash: row.key_hash,
    tenant: row.tenant,
    // A constraint of the table allows no other role.
    role: row.role as Role,
    name: row.name,
    hint: row.hint,
    createdAt: row.created_at,
    ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
  };
}
