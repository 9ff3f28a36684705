-- An entry of a kilobyte took a page of the database for itself, because a table WITHOUT ROWID puts each row beyond a quarter
-- of a page there. With a rowid two or three share a page, and a rowid that is made of the run's number and the revision needs
-- no index beside it: id = number << 31 | revision. So a run has a number, which is never used again: rows of runs stay.

CREATE TABLE numbered_runs (
  number INTEGER PRIMARY KEY,
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
  -- 1 if the status is NULL. The conditions of the indexes name it, since they would be written at each change of a column that
  -- they name.
  is_hidden INTEGER,
  body TEXT NOT NULL,
  -- The entry of the first revision, if it is small: at its birth a run writes no row of entries. Behind the body, so that lists
  -- do not read it.
  first_checkpoint_id TEXT,
  first_keyframe INTEGER,
  first_body TEXT,
  first_snapshot TEXT,
  UNIQUE (tenant, run_id)
) STRICT;

INSERT INTO numbered_runs (tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, is_hidden, body)
  SELECT tenant, run_id, revision, created_at, status, skill_id, source_run_id, due_at, CASE WHEN status IS NULL THEN 1 END, body
  FROM runs ORDER BY tenant, run_id;

CREATE TABLE numbered_entries (
  id INTEGER PRIMARY KEY,
  checkpoint_id TEXT,
  keyframe INTEGER,
  body TEXT NOT NULL,
  -- The snapshot, or as much of its beginning as fits into the row. The last column, so that no reader of the
  -- others reads its pages.
  snapshot TEXT
) STRICT;

INSERT INTO numbered_entries (id, checkpoint_id, keyframe, body, snapshot)
  SELECT (number << 31) + entries.revision, checkpoint_id, keyframe, entries.body, snapshot
  FROM numbered_runs CROSS JOIN entries USING (tenant, run_id) ORDER BY number, entries.revision;

-- What did not fit: parts 1, 2, 3 of the snapshot that begins in the entry.
CREATE TABLE numbered_parts (
  id INTEGER NOT NULL,
  part INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (id, part)
) STRICT, WITHOUT ROWID;

INSERT INTO numbered_parts (id, part, body)
  SELECT (number << 31) + snapshot_parts.revision, part, snapshot_parts.body
  FROM numbered_runs CROSS JOIN snapshot_parts USING (tenant, run_id);

DROP TABLE snapshot_parts;
DROP TABLE entries;
DROP TABLE runs;
ALTER TABLE numbered_runs RENAME TO runs;
ALTER TABLE numbered_entries RENAME TO entries;
ALTER TABLE numbered_parts RENAME TO snapshot_parts;

CREATE UNIQUE INDEX entries_by_checkpoint ON entries (id >> 31, checkpoint_id)
  WHERE checkpoint_id IS NOT NULL;

CREATE INDEX runs_listed ON runs (tenant, created_at, run_id)
  WHERE is_hidden IS NULL;
CREATE INDEX runs_by_status ON runs (tenant, status, created_at, run_id)
  WHERE is_hidden IS NULL;
CREATE INDEX runs_by_skill ON runs (tenant, skill_id, created_at, run_id)
  WHERE is_hidden IS NULL AND skill_id IS NOT NULL;
CREATE INDEX runs_by_source ON runs (tenant, source_run_id, created_at, run_id)
  WHERE is_hidden IS NULL AND source_run_id IS NOT NULL;
CREATE INDEX runs_due ON runs (due_at, run_id, tenant)
  WHERE due_at IS NOT NULL;
