-- Of the service and not of the store of runs (0001): who may call. It is in the same folder, so that one
-- `wrangler d1 migrations apply` brings a database up to date; a program that uses the store alone leaves it empty.

CREATE TABLE api_keys (
  -- Public: it stands in the key.
  key_id TEXT NOT NULL PRIMARY KEY,
  -- SHA-256 of the whole key, as hex. The key itself is kept nowhere.
  key_hash TEXT NOT NULL,
  tenant TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('read', 'execute', 'admin')),
  name TEXT NOT NULL,
  hint TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at, key_id);
