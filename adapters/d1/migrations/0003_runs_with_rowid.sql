-- The row of a run is a kilobyte or more, and in a table WITHOUT ROWID each row beyond a quarter of a page takes a whole page
-- besides: with one, a run takes a third of the room, for one more row written at its birth. Entries stay without, because
-- each of them is born: a rowid would be billed at every step.

CREATE TABLE runs_with_rowid (
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
) STRICT;

INSERT INTO runs_with_rowid (tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body)
  SELECT tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, body FROM runs;
DROP TABLE runs;
ALTER TABLE runs_with_rowid RENAME TO runs;

CREATE INDEX runs_listed ON runs (tenant, created_at, run_id)
  WHERE status IS NOT NULL;
CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id)
  WHERE status IS NOT NULL;
CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id)
  WHERE status IS NOT NULL AND skill_id IS NOT NULL;
CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id)
  WHERE status IS NOT NULL AND source_run_id IS NOT NULL;
CREATE INDEX runs_due ON runs (due_at, run_id, tenant)
  WHERE due_at IS NOT NULL;
