import { DatabaseSync, type SQLInputValue, type SQLOutputValue } from "node:sqlite";
import {
  type ClaimRow,
  type Commit,
  type CommitOutcome,
  DurableError,
  type RunFilter,
  type Store,
} from "../../src/index.ts";

const schema = `
  CREATE TABLE IF NOT EXISTS runs (
    tenant TEXT, runId TEXT, revision INTEGER NOT NULL, createdAt INTEGER NOT NULL, status TEXT, skillId TEXT,
    sourceRunId TEXT, dueAt INTEGER, body TEXT NOT NULL, PRIMARY KEY (tenant, runId)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS runs_listed ON runs (tenant, createdAt, runId) WHERE status IS NOT NULL;
  CREATE INDEX IF NOT EXISTS runs_due ON runs (dueAt, runId) WHERE dueAt IS NOT NULL;
  CREATE TABLE IF NOT EXISTS entries (
    tenant TEXT, runId TEXT, revision INTEGER, checkpointId TEXT, keyframe INTEGER, body TEXT NOT NULL, snapshot TEXT,
    PRIMARY KEY (tenant, runId, revision), UNIQUE (tenant, runId, checkpointId)) STRICT;
  CREATE TABLE IF NOT EXISTS claims (
    tenant TEXT, kind TEXT, key TEXT, runId TEXT NOT NULL, lapsesAt INTEGER, body TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, key)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS claims_by_run ON claims (tenant, runId, kind, key);`;

const runColumns = "tenant, runId, revision, createdAt, status, skillId, sourceRunId, dueAt, body";
const entryColumns = "tenant, runId, revision, checkpointId, keyframe, body";
const claimColumns = "tenant, kind, key, runId, lapsesAt, body";

/** A store in one SQLite file, for Node. */
export function sqliteStore(path: string): Store {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  // With FULL, a commit is on the disk when it returns; NORMAL may lose the last ones to a power cut.
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${schema}`);
  let isClosed = false;

  /** Answers a call. What SQLite throws is a rejection, with its cause. */
  async function answer<T>(operation: string, give: () => T): Promise<T> {
    try {
      return give();
    } catch (cause) {
      throw new DurableError("store_failed", `${operation} failed on SQLite: ${(cause as Error).message}`, { cause });
    }
  }

  const all = <Row>(sql: string, ...values: SQLInputValue[]) =>
    db
      .prepare(sql)
      .all(...values)
      .map(rowOf<Row>);
  const first = <Row>(sql: string, ...values: SQLInputValue[]) => all<Row>(sql, ...values)[0];
  const run = (sql: string, ...values: SQLInputValue[]) => db.prepare(sql).run(...values);

  /** What a commit comes to, inside a transaction. What throws in here rolls it back. */
  function decide({ run: row, entry, claims = [], now, erase }: Commit): CommitOutcome {
    const { tenant, runId, revision, createdAt } = row;
    for (const { kind, key } of claims) {
      const claim = first<ClaimRow>(
        `SELECT ${claimColumns} FROM claims WHERE tenant = ? AND kind = ? AND key = ?`,
        tenant,
        kind,
        key,
      );
      const isInForce = claim !== undefined && (claim.lapsesAt === undefined || claim.lapsesAt > now);
      if (isInForce && claim.runId !== runId) return { kind: "claimed", claim };
    }
    const before = first<{ revision: number }>(
      "SELECT revision FROM runs WHERE tenant = ? AND runId = ?",
      tenant,
      runId,
    );
    if (revision !== (before?.revision ?? 0) + 1) return { kind: "conflict" };

    if (erase) {
      run("DELETE FROM entries WHERE tenant = ? AND runId = ?", tenant, runId);
      run("DELETE FROM claims WHERE tenant = ? AND runId = ? AND lapsesAt IS NULL", tenant, runId);
      run("UPDATE claims SET body = '' WHERE tenant = ? AND runId = ?", tenant, runId);
    }
    const { status = null, skillId = null, sourceRunId = null, dueAt = null, body } = row;
    run(
      `INSERT OR REPLACE INTO runs (${runColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      tenant,
      runId,
      revision,
      createdAt,
      status,
      skillId,
      sourceRunId,
      dueAt,
      body,
    );
    for (const { kind, key, lapsesAt = null, body } of claims) {
      run(
        `INSERT OR REPLACE INTO claims (${claimColumns}) VALUES (?, ?, ?, ?, ?, ?)`,
        tenant,
        kind,
        key,
        runId,
        lapsesAt,
        body,
      );
    }
    if (entry !== undefined) {
      const { checkpointId = null, keyframe = null, snapshot = null, body } = entry;
      // A checkpoint id that the run already has violates the UNIQUE, and nothing is written.
      run(
        `INSERT INTO entries (${entryColumns}, snapshot) VALUES (?, ?, ?, ?, ?, ?, ?)`,
        tenant,
        runId,
        revision,
        checkpointId,
        keyframe,
        body,
        snapshot,
      );
    }
    return { kind: "committed" };
  }

  return {
    getRun: (tenant, runId) =>
      answer("getRun", () => first(`SELECT ${runColumns} FROM runs WHERE tenant = ? AND runId = ?`, tenant, runId)),

    listRuns: (tenant, { after, offset = 0, limit, order, ...filter }) =>
      answer("listRuns", () => {
        const { where, values } = listed(tenant, filter);
        const [beyond, direction] = order === "ascending" ? [">", "ASC"] : ["<", "DESC"];
        const place = after === undefined ? "" : `AND (createdAt, runId) ${beyond} (?, ?)`;
        const sql = `SELECT ${runColumns} FROM runs WHERE ${where} ${place}
          ORDER BY createdAt ${direction}, runId ${direction} LIMIT ? OFFSET ?`;
        return all(sql, ...values, ...(after === undefined ? [] : [after.createdAt, after.runId]), limit, offset);
      }),

    countRuns: (tenant, filter) =>
      answer("countRuns", () => {
        const { where, values } = listed(tenant, filter);
        return first<{ count: number }>(`SELECT count(*) AS count FROM runs WHERE ${where}`, ...values)?.count ?? 0;
      }),

    dueRuns: ({ now, limit, tenant }) =>
      answer("dueRuns", () =>
        all(
          `SELECT ${runColumns} FROM runs WHERE status IS NOT NULL AND dueAt <= ?1 AND (?2 IS NULL OR tenant = ?2)
          ORDER BY dueAt, runId LIMIT ?3`,
          now,
          tenant ?? null,
          limit,
        ),
      ),

    getEntry: (tenant, runId, checkpointId) =>
      answer("getEntry", () =>
        first(
          `SELECT ${entryColumns} FROM entries WHERE tenant = ? AND runId = ? AND checkpointId = ?`,
          tenant,
          runId,
          checkpointId,
        ),
      ),

    listEntries: (tenant, runId, { after = 0, limit, checkpointsOnly = false }) =>
      answer("listEntries", () =>
        all(
          `SELECT ${entryColumns} FROM entries WHERE tenant = ? AND runId = ? AND revision > ?
          ${checkpointsOnly ? "AND checkpointId IS NOT NULL" : ""} ORDER BY revision LIMIT ?`,
          tenant,
          runId,
          after,
          limit,
        ),
      ),

    getSnapshots: (tenant, runId, from, to) =>
      answer("getSnapshots", () =>
        all(
          `SELECT revision, snapshot AS body FROM entries WHERE tenant = ? AND runId = ? AND revision BETWEEN ? AND ?
          AND snapshot IS NOT NULL ORDER BY revision`,
          tenant,
          runId,
          from,
          to,
        ),
      ),

    getClaim: (tenant, kind, key) =>
      answer("getClaim", () =>
        first(`SELECT ${claimColumns} FROM claims WHERE tenant = ? AND kind = ? AND key = ?`, tenant, kind, key),
      ),

    listClaims: (tenant, runId, { after, limit }) =>
      answer("listClaims", () =>
        all(
          `SELECT ${claimColumns} FROM claims WHERE tenant = ? AND runId = ? AND (kind, key) > (?, ?)
          ORDER BY kind, key LIMIT ?`,
          tenant,
          runId,
          after?.kind ?? "",
          after?.key ?? "",
          limit,
        ),
      ),

    commit: (commit) =>
      answer("commit", () => {
        // IMMEDIATE takes the write lock before anything is read, so that no other process comes in between.
        db.exec("BEGIN IMMEDIATE");
        try {
          const outcome = decide(commit);
          db.exec("COMMIT");
          return outcome;
        } catch (error) {
          if (db.isTransaction) db.exec("ROLLBACK");
          throw error;
        }
      }),

    close: async () => {
      if (!isClosed) db.close();
      isClosed = true;
    },
  };
}

function listed(
  tenant: string,
  { status, skillId, sourceRunId }: RunFilter,
): { where: string; values: SQLInputValue[] } {
  const given = Object.entries({ status, skillId, sourceRunId }).filter(([, value]) => value !== undefined);
  const terms = ["tenant = ?", "status IS NOT NULL", ...given.map(([column]) => `${column} = ?`)];
  return { where: terms.join(" AND "), values: [tenant, ...given.map(([, value]) => value as string)] };
}

/** A row as the core wants it: what is absent is absent, not null. Each SELECT names its columns after the fields. */
function rowOf<Row>(columns: Record<string, SQLOutputValue>): Row {
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null)) as Row;
}
