import { keyColumns, valuesOf } from "../worker/cloudflare/d1-keys.ts";
import type { KeyRecord } from "../worker/http/auth/keys.ts";

// The SQL of `orca-durable keys`. `wrangler d1 execute` binds no parameters, so the values are part of the text.

export function addStatement(record: KeyRecord): string {
  return `INSERT INTO api_keys (${keyColumns.join(", ")}) VALUES (${valuesOf(record).map(literal).join(", ")})`;
}

/** The keys of one tenant or of all tenants, without their hashes. */
export function listStatement(tenant: string | undefined): string {
  const columns = keyColumns.filter((column) => column !== "key_hash").join(", ");
  const where = tenant === undefined ? "" : ` WHERE tenant = ${literal(tenant)}`;
  return `SELECT ${columns} FROM api_keys${where} ORDER BY tenant, created_at, key_id`;
}

/** Returns the row, if there is one. */
export function revokeStatement(keyId: string, now: number): string {
  return `UPDATE api_keys SET revoked_at = coalesce(revoked_at, ${now}) WHERE key_id = ${literal(keyId)}
    RETURNING key_id, tenant, name`;
}

/** In hex, so that neither SQLite nor the code that splits statements can mistake any part of it for SQL. */
function literal(value: string | number | null): string {
  return typeof value === "string" ? `CAST(X'${Buffer.from(value, "utf8").toString("hex")}' AS TEXT)` : String(value);
}
