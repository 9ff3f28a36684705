import { keyColumns, valuesOf } from "../worker/cloudflare/d1-keys.ts";
import type { KeyRecord } from "../worker/http/auth/keys.ts";

// What `npm run keys` tells the database. `wrangler d1 execute` binds no parameters, so that the values stand in the text.

export function addStatement(record: KeyRecord): string {
  return `INSERT INTO api_keys (${keyColumns.join(", ")}) VALUES (${valuesOf(record).map(literal).join(", ")})`;
}

/** The keys of one tenant or of all, without their hashes. */
export function listStatement(tenant: string | undefined): string {
  const columns = keyColumns.filter((column) => column !== "key_hash").join(", ");
  const where = tenant === undefined ? "" : ` WHERE tenant = ${literal(tenant)}`;
  return `SELECT ${columns} FROM api_keys${where} ORDER BY tenant, created_at, key_id`;
}

/** Gives the row back, where there is one. */
export function revokeStatement(keyId: string, now: number): string {
  return `UPDATE api_keys SET revoked_at = coalesce(revoked_at, ${now}) WHERE key_id = ${literal(keyId)}
    RETURNING key_id, tenant, name`;
}

/** In hex, because nothing in it can then be taken for SQL, by SQLite or by what splits statements before it. */
function literal(value: string | number | null): string {
  return typeof value === "string" ? `CAST(X'${Buffer.from(value, "utf8").toString("hex")}' AS TEXT)` : String(value);
}
