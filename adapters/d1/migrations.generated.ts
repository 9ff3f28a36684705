// Generated from migrations/*.sql by `npm run migrations`.
import type { D1Migration } from "./database.ts";

export const migrations: readonly D1Migration[] = [
  {
    "name": "0001_runs.sql",
    "queries": [
      "-- Rows written are what D1 bills most, and each index entry is one. So the tables are WITHOUT ROWID, where the primary\n-- key costs nothing beside the row, and an index holds only the rows that a query needs from it.\n\nCREATE TABLE runs (\n  tenant TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  -- A commit over the wrong row computes NULL here: the NOT NULL is the fence, and fails the whole batch.\n  revision INTEGER NOT NULL,\n  created_at INTEGER NOT NULL,\n  -- NULL on a tombstone, which is in no list.\n  status TEXT,\n  skill_id TEXT,\n  source_run_id TEXT,\n  due_at INTEGER,\n  body TEXT NOT NULL,\n  PRIMARY KEY (tenant, run_id)\n) STRICT, WITHOUT ROWID",
      "CREATE INDEX runs_listed ON runs (tenant, created_at, run_id)\n  WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id)\n  WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id)\n  WHERE status IS NOT NULL AND skill_id IS NOT NULL",
      "CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id)\n  WHERE status IS NOT NULL AND source_run_id IS NOT NULL",
      "-- One index for one tenant's due runs and for those of all, because due_at moves often and each index would be billed.\n-- Its condition leaves the status out, or every change of status would write it.\nCREATE INDEX runs_due ON runs (due_at, run_id, tenant)\n  WHERE due_at IS NOT NULL",
      "CREATE TABLE entries (\n  tenant TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  revision INTEGER NOT NULL,\n  checkpoint_id TEXT,\n  keyframe INTEGER,\n  body TEXT NOT NULL,\n  -- The snapshot, or as much of its beginning as fits into the row. The last column, so that no reader of the\n  -- others reads its pages.\n  snapshot TEXT,\n  PRIMARY KEY (tenant, run_id, revision)\n) STRICT, WITHOUT ROWID",
      "CREATE UNIQUE INDEX entries_by_checkpoint ON entries (tenant, run_id, checkpoint_id)\n  WHERE checkpoint_id IS NOT NULL",
      "-- What did not fit: parts 1, 2, 3 of the snapshot that begins in the entry.\nCREATE TABLE snapshot_parts (\n  tenant TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  revision INTEGER NOT NULL,\n  part INTEGER NOT NULL,\n  body TEXT NOT NULL,\n  PRIMARY KEY (tenant, run_id, revision, part)\n) STRICT, WITHOUT ROWID",
      "CREATE TABLE claims (\n  tenant TEXT NOT NULL,\n  kind TEXT NOT NULL,\n  key TEXT NOT NULL,\n  -- A claim that another run holds computes NULL here, which fails the whole batch.\n  run_id TEXT NOT NULL,\n  lapses_at INTEGER,\n  body TEXT NOT NULL,\n  PRIMARY KEY (tenant, kind, key)\n) STRICT, WITHOUT ROWID",
      "CREATE INDEX claims_by_run ON claims (tenant, run_id, kind, key)"
    ]
  },
  {
    "name": "0002_api_keys.sql",
    "queries": [
      "-- Of the service and not of the store of runs (0001): who may call. It is in the same folder, so that one\n-- `wrangler d1 migrations apply` brings a database up to date; a program that uses the store alone leaves it empty.\n\nCREATE TABLE api_keys (\n  -- Public: it stands in the key.\n  key_id TEXT NOT NULL PRIMARY KEY,\n  -- SHA-256 of the whole key, as hex. The key itself is kept nowhere.\n  key_hash TEXT NOT NULL,\n  tenant TEXT NOT NULL,\n  role TEXT NOT NULL CHECK (role IN ('read', 'execute', 'admin')),\n  name TEXT NOT NULL,\n  hint TEXT NOT NULL,\n  created_at INTEGER NOT NULL,\n  revoked_at INTEGER\n) STRICT, WITHOUT ROWID",
      "CREATE INDEX api_keys_by_tenant ON api_keys (tenant, created_at, key_id)"
    ]
  },
  {
    "name": "0003_runs_with_rowid.sql",
    "queries": [
      "-- The row of a run is a kilobyte or more, and in a table WITHOUT ROWID each row beyond a quarter of a page takes a whole page\n-- besides: with one, a run takes a third of the room, for one more row written at its birth. Entries stay without, because\n-- each of them is born: a rowid would be billed at every step.\n\nCREATE TABLE runs_with_rowid (\n  tenant TEXT NOT NULL,\n  run_id TEXT NOT NULL,\n  -- A commit over the wrong row computes NULL here: the NOT NULL is the fence, and fails the whole batch.\n  revision INTEGER NOT NULL,\n  created_at INTEGER NOT NULL,\n  -- NULL on a tombstone, which is in no list.\n  status TEXT,\n  skill_id TEXT,\n  source_run_id TEXT,\n  due_at INTEGER,\n  body TEXT NOT NULL,\n  PRIMARY KEY (tenant, run_id)\n) STRICT",
      "INSERT INTO runs_with_rowid (tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body)\n  SELECT tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body FROM runs",
      "DROP TABLE runs",
      "ALTER TABLE runs_with_rowid RENAME TO runs",
      "CREATE INDEX runs_listed ON runs (tenant, created_at, run_id)\n  WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id)\n  WHERE status IS NOT NULL",
      "CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id)\n  WHERE status IS NOT NULL AND skill_id IS NOT NULL",
      "CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id)\n  WHERE status IS NOT NULL AND source_run_id IS NOT NULL",
      "CREATE INDEX runs_due ON runs (due_at, run_id, tenant)\n  WHERE due_at IS NOT NULL"
    ]
  }
];
