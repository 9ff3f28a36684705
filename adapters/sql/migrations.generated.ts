// Generated from adapters/d1/migrations/*.sql by `npm run migrations`.
export const migrations: readonly { name: string; queries: string[] }[] = [
  {
    "name": "0001_runs.sql",
    "queries": [
      "CREATE TABLE runs ( tenant TEXT NOT NULL, run_id TEXT NOT NULL, revision INTEGER NOT NULL, created_at INTEGER NOT NULL, status TEXT, skill_id TEXT, source_run_id TEXT, due_at INTEGER, body TEXT NOT NULL, PRIMARY KEY (tenant, run_id) ) STRICT, WITHOUT ROWID",
      "CREATE INDEX runs_listed ON runs (tenant, created_at, run_id) WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id) WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id) WHERE status IS NOT NULL AND skill_id IS NOT NULL",
      "CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id) WHERE status IS NOT NULL AND source_run_id IS NOT NULL",
      "CREATE INDEX runs_due ON runs (due_at, run_id, tenant) WHERE due_at IS NOT NULL",
      "CREATE TABLE entries ( tenant TEXT NOT NULL, run_id TEXT NOT NULL, revision INTEGER NOT NULL, checkpoint_id TEXT, keyframe INTEGER, body TEXT NOT NULL, snapshot TEXT, PRIMARY KEY (tenant, run_id, revision) ) STRICT, WITHOUT ROWID",
      "CREATE UNIQUE INDEX entries_by_checkpoint ON entries (tenant, run_id, checkpoint_id) WHERE checkpoint_id IS NOT NULL",
      "CREATE TABLE snapshot_parts ( tenant TEXT NOT NULL, run_id TEXT NOT NULL, revision INTEGER NOT NULL, part INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (tenant, run_id, revision, part) ) STRICT, WITHOUT ROWID",
      "CREATE TABLE claims ( tenant TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, run_id TEXT NOT NULL, lapses_at INTEGER, body TEXT NOT NULL, PRIMARY KEY (tenant, kind, key) ) STRICT, WITHOUT ROWID",
      "CREATE INDEX claims_by_run ON claims (tenant, run_id, kind, key)"
    ]
  },
  {
    "name": "0002_api_keys.sql",
    "queries": [
      "CREATE TABLE api_keys ( key_id TEXT NOT NULL PRIMARY KEY, key_hash TEXT NOT NULL, tenant TEXT NOT NULL, role TEXT NOT NULL CHECK (role IN ('read', 'execute', 'admin')), name TEXT NOT NULL, hint TEXT NOT NULL, created_at INTEGER NOT NULL, revoked_at INTEGER ) STRICT, WITHOUT ROWID",
      "CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at, key_id)"
    ]
  },
  {
    "name": "0003_runs_with_rowid.sql",
    "queries": [
      "CREATE TABLE runs_with_rowid ( tenant TEXT NOT NULL, run_id TEXT NOT NULL, revision INTEGER NOT NULL, created_at INTEGER NOT NULL, status TEXT, skill_id TEXT, source_run_id TEXT, due_at INTEGER, body TEXT NOT NULL, PRIMARY KEY (tenant, run_id) ) STRICT",
      "INSERT INTO runs_with_rowid (tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body) SELECT tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body FROM runs",
      "DROP TABLE runs",
      "ALTER TABLE runs_with_rowid RENAME TO runs",
      "CREATE INDEX runs_listed ON runs (tenant, created_at, run_id) WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id) WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id) WHERE status IS NOT NULL AND skill_id IS NOT NULL",
      "CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id) WHERE status IS NOT NULL AND source_run_id IS NOT NULL",
      "CREATE INDEX runs_due ON runs (due_at, run_id, tenant) WHERE due_at IS NOT NULL"
    ]
  },
  {
    "name": "0004_entries_by_number.sql",
    "queries": [
      "CREATE TABLE numbered_runs ( number INTEGER PRIMARY KEY, tenant TEXT NOT NULL, run_id TEXT NOT NULL, revision INTEGER NOT NULL, created_at INTEGER NOT NULL, status TEXT, skill_id TEXT, source_run_id TEXT, due_at INTEGER, is_hidden INTEGER, body TEXT NOT NULL, first_checkpoint_id TEXT, first_keyframe INTEGER, first_body TEXT, first_snapshot TEXT, UNIQUE (tenant, run_id) ) STRICT",
      "INSERT INTO numbered_runs (tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, is_hidden, body) SELECT tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, CASE WHEN status IS NULL THEN 1 END, body FROM runs ORDER BY tenant, run_id",
      "CREATE TABLE numbered_entries ( id INTEGER PRIMARY KEY, checkpoint_id TEXT, keyframe INTEGER, body TEXT NOT NULL, snapshot TEXT ) STRICT",
      "INSERT INTO numbered_entries (id, checkpoint_id, keyframe, body, snapshot) SELECT (number << 31) + entries.revision, checkpoint_id, keyframe, entries.body, snapshot FROM numbered_runs CROSS JOIN entries USING (tenant, run_id) ORDER BY number, entries.revision",
      "CREATE TABLE numbered_parts ( id INTEGER NOT NULL, part INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (id, part) ) STRICT, WITHOUT ROWID",
      "INSERT INTO numbered_parts (id, part, body) SELECT (number << 31) + snapshot_parts.revision, part, snapshot_parts.body FROM numbered_runs CROSS JOIN snapshot_parts USING (tenant, run_id)",
      "DROP TABLE snapshot_parts",
      "DROP TABLE entries",
      "DROP TABLE runs",
      "ALTER TABLE numbered_runs RENAME TO runs",
      "ALTER TABLE numbered_entries RENAME TO entries",
      "ALTER TABLE numbered_parts RENAME TO snapshot_parts",
      "CREATE UNIQUE INDEX entries_by_checkpoint ON entries (id >> 31, checkpoint_id) WHERE checkpoint_id IS NOT NULL",
      "CREATE INDEX runs_listed ON runs (tenant, created_at, run_id) WHERE is_hidden IS NULL",
      "CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id) WHERE is_hidden IS NULL",
      "CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id) WHERE is_hidden IS NULL AND skill_id IS NOT NULL",
      "CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id) WHERE is_hidden IS NULL AND source_run_id IS NOT NULL",
      "CREATE INDEX runs_due ON runs (due_at, run_id, tenant) WHERE due_at IS NOT NULL"
    ]
  }
];
