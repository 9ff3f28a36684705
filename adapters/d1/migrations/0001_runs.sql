-- Rows written are what D1 bills most, and each index entry is one. So the tables are WITHOUT ROWID, where the primary
-- key costs nothing beside the row, and an index holds only the rows that a query needs from it.

CREATE TABLE runs (
  tenant TEXT NOT NULL,
  run_id TEXT NOT NULL,
  -- A commit over the wrong row computes NULL here: the NOT NULL is the fence, and fails the whole batch.
  revision INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  -- NULL on a tombstone, which is in no list.
  status TEXT,
  skill_id TEXT,
  source_run_id TEXT,
  due_at INTEGER,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant, run_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX runs_listed ON runs (tenant, created_at, run_id)
  WHERE status IS NOT NULL;
CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id)
  WHERE status IS NOT NULL;
CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id)
  WHERE status IS NOT NULL AND skill_id IS NOT NULL;
CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id)
  WHERE status IS NOT NULL AND source_run_id IS NOT NULL;
-- One index for one tenant's due runs and for those of all, because due_at moves often and each index would be billed.
-- Its condition leaves the status out, or every change of status would write it.
CREATE INDEX runs_due ON runs (due_at, run_id, tenant)
  WHERE due_at IS NOT NULL;

CREATE TABLE entries (
  tenant TEXT NOT NULL,
  run_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  checkpoint_id TEXT,
  keyframe INTEGER,
  body TEXT NOT NULL,
  -- The snapshot, or as much of its beginning as fits into the row. The last column, so that no reader of the
  -- others reads its pages.
  snapshot TEXT,
  PRIMARY KEY (tenant, run_id, revision)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX entries_by_checkpoint ON entries (tenant, run_id, checkpoint_id)
  WHERE checkpoint_id IS NOT NULL;

-- What did not fit: parts 1, 2, 3 of the snapshot that begins in the entry.
CREATE TABLE snapshot_parts (
  tenant TEXT NOT NULL,
  run_id TEXT NOT NULL,
  revision INTEGER NOT NULL,
  part INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant, run_id, revision, part)
) STRICT, WITHOUT ROWID;

CREATE TABLE claims (
  tenant TEXT NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  -- A claim that another run holds computes NULL here, which fails the whole batch.
  run_id TEXT NOT NULL,
  lapses_at INTEGER,
  body TEXT NOT NULL,
  PRIMARY KEY (tenant, kind, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX claims_by_run ON claims (tenant, run_id, kind, key);
