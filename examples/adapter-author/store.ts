import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { DurableError } from "../../src/index.ts";
import type { ClaimRow, Commit, CommitOutcome, RunFilter, Store, StoreUsage } from "../../src/store.ts";

// Columns are named after the fields of the contract's rows.
const schema = `
  CREATE TABLE IF NOT EXISTS runs (
    tenant TEXT, runId TEXT, revision INTEGER NOT NULL, createdAt INTEGER NOT NULL, status TEXT, skillId TEXT,
    sourceRunId TEXT, dueAt INTEGER, body TEXT NOT NULL, PRIMARY KEY (tenant, runId)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS runs_listed ON runs (tenant, createdAt, runId) WHERE status IS NOT NULL;
  CREATE INDEX IF NOT EXISTS runs_due ON runs (dueAt, runId, tenant) WHERE dueAt IS NOT NULL;
  CREATE TABLE IF NOT EXISTS entries (
    tenant TEXT, runId TEXT, revision INTEGER, checkpointId TEXT, keyframe INTEGER, body TEXT NOT NULL, snapshot TEXT,
    PRIMARY KEY (tenant, runId, revision), UNIQUE (tenant, runId, checkpointId)) STRICT;
  CREATE TABLE IF NOT EXISTS claims (
    tenant TEXT, kind TEXT, key TEXT, runId TEXT NOT NULL, lapsesAt INTEGER, body TEXT NOT NULL,
    PRIMARY KEY (tenant, kind, key)) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS claims_by_run ON claims (tenant, runId, kind, key);`;

type Values = Readonly<Record<string, SQLInputValue>>;

/** A store in one SQLite file, for Node. */
export function sqliteStore(path: string): Store {
  const db = new DatabaseSync(path, { timeout: 5_000 });
  // With FULL a commit is on the disk when it returns; NORMAL may lose the last ones to a power cut.
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

  const statements = new Map<string, StatementSync>();
  /** Prepared once: that takes longer than most statements. There are few texts, since values are never part of them. */
  function prepared(sql: string): StatementSync {
    const statement = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, statement);
    return statement;
  }

  const all = <Row>(sql: string, values: Values) =>
    prepared(sql)
      .all(values)
      .map(rowOf<Row>);
  const first = <Row>(sql: string, values: Values) => all<Row>(sql, values)[0];
  const run = (sql: string, values: Values) => prepared(sql).run(values);

  /** Writes a row whole. The names of its columns are the core's own, never a caller's. */
  function put(verb: "INSERT" | "INSERT OR REPLACE", table: string, row: object): void {
    const names = Object.keys(row);
    const places = names.map((name) => `:${name}`);
    run(`${verb} INTO ${table} (${names.join(", ")}) VALUES (${places.join(", ")})`, row as Values);
  }

  /** The outcome of a commit, inside a transaction. An exception rolls it back. */
  function decide(commit: Commit): CommitOutcome {
    const { run: row, over = row.revision - 1, earlier = [], entry, claims = [], now, erase } = commit;
    const { tenant, runId, revision } = row;
    for (const { kind, key } of claims) {
      const claim = first<ClaimRow>(claimByKey, { tenant, kind, key });
      const isInForce = claim !== undefined && (claim.lapsesAt === undefined || claim.lapsesAt > now);
      if (isInForce && claim.runId !== runId) return { kind: "claimed", claim };
    }
    const before = first<{ revision: number }>(revisionById, { tenant, runId });
    if (over !== (before?.revision ?? 0)) return { kind: "conflict" };

    if (erase) {
      run("DELETE FROM entries WHERE tenant = :tenant AND runId = :runId", { tenant, runId });
      run("DELETE FROM claims WHERE tenant = :tenant AND runId = :runId AND lapsesAt IS NULL", { tenant, runId });
      run("UPDATE claims SET body = '' WHERE tenant = :tenant AND runId = :runId", { tenant, runId });
    }
    put("INSERT OR REPLACE", "runs", row);
    for (const claim of claims) put("INSERT OR REPLACE", "claims", { ...claim, tenant, runId });
    // Not replaced: a checkpoint id that the run already has violates the UNIQUE, and nothing is written.
    for (const one of earlier) put("INSERT", "entries", { ...one, tenant, runId });
    if (entry !== undefined) put("INSERT", "entries", { ...entry, tenant, runId, revision });
    return { kind: "committed" };
  }

  return {
    getRun: (tenant, runId) => answer("getRun", () => first(runById, { tenant, runId })),

    listRuns: (tenant, { after, offset = 0, limit, order, ...filter }) =>
      answer("listRuns", () => {
        const { where, values } = listed(tenant, filter);
        const [beyond, direction] = order === "ascending" ? [">", "ASC"] : ["<", "DESC"];
        const place = after && { createdAt: after.createdAt, runId: after.runId };
        const sql = `SELECT * FROM runs WHERE ${where}
          ${place === undefined ? "" : `AND (createdAt, runId) ${beyond} (:createdAt, :runId)`}
          ORDER BY createdAt ${direction}, runId ${direction} LIMIT :limit OFFSET :offset`;
        return all(sql, { ...values, ...place, limit, offset });
      }),

    countRuns: (tenant, filter) =>
      answer("countRuns", () => {
        const { where, values } = listed(tenant, filter);
        return first<{ count: number }>(`SELECT count(*) AS count FROM runs WHERE ${where}`, values)?.count ?? 0;
      }),

    usage: (tenant) =>
      answer("usage", () => {
        const bytes = (table: string, column = "body") =>
          `(SELECT coalesce(sum(octet_length(${column})), 0) FROM ${table} WHERE tenant = :tenant)`;
        const all = [bytes("runs"), bytes("entries"), bytes("entries", "snapshot"), bytes("claims")].join(" + ");
        const sql = `SELECT count(*) AS runs, ${all} AS bytes FROM runs WHERE tenant = :tenant AND status IS NOT NULL`;
        return first<StoreUsage>(sql, { tenant }) ?? { runs: 0, bytes: 0 };
      }),

    dueRuns: ({ now, limit, tenant, exceptTenants = [], after }) =>
      answer("dueRuns", () => {
        const place = after && { dueAt: after.dueAt, runId: after.runId, of: after.tenant };
        const sql = `SELECT * FROM runs WHERE dueAt <= :now AND status IS NOT NULL AND (:tenant IS NULL OR tenant = :tenant)
          AND tenant NOT IN (SELECT value FROM json_each(:except))
          ${place === undefined ? "" : "AND (dueAt, runId, tenant) > (:dueAt, :runId, :of)"}
          ORDER BY dueAt, runId, tenant LIMIT :limit`;
        return all(sql, { now, limit, tenant: tenant ?? null, except: JSON.stringify(exceptTenants), ...place });
      }),

    getEntry: (tenant, runId, checkpointId) =>
      answer("getEntry", () => {
        const sql = `SELECT ${entryColumns} FROM entries
          WHERE tenant = :tenant AND runId = :runId AND checkpointId = :checkpointId`;
        return first(sql, { tenant, runId, checkpointId });
      }),

    listEntries: (tenant, runId, { after = 0, limit, checkpointsOnly = false }) =>
      answer("listEntries", () => {
        const sql = `SELECT ${entryColumns} FROM entries WHERE tenant = :tenant AND runId = :runId AND revision > :after
          ${checkpointsOnly ? "AND checkpointId IS NOT NULL" : ""} ORDER BY revision LIMIT :limit`;
        return all(sql, { tenant, runId, after, limit });
      }),

    getSnapshots: (tenant, runId, from, to) =>
      answer("getSnapshots", () => {
        const sql = `SELECT revision, snapshot AS body FROM entries WHERE tenant = :tenant AND runId = :runId
          AND revision BETWEEN :from AND :to AND snapshot IS NOT NULL ORDER BY revision`;
        return all(sql, { tenant, runId, from, to });
      }),

    getClaim: (tenant, kind, key) => answer("getClaim", () => first(claimByKey, { tenant, kind, key })),

    listClaims: (tenant, runId, { after: { kind, key } = { kind: "", key: "" }, limit }) =>
      answer("listClaims", () => {
        const sql = `SELECT * FROM claims WHERE tenant = :tenant AND runId = :runId AND (kind, key) > (:kind, :key)
          ORDER BY kind, key LIMIT :limit`;
        return all(sql, { kind, key, tenant, runId, limit });
      }),

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

const runById = "SELECT * FROM runs WHERE tenant = :tenant AND runId = :runId";
const revisionById = "SELECT revision FROM runs WHERE tenant = :tenant AND runId = :runId";
const claimByKey = "SELECT * FROM claims WHERE tenant = :tenant AND kind = :kind AND key = :key";
// Without the snapshot: a history is read without states.
const entryColumns = "tenant, runId, revision, checkpointId, keyframe, body";

/** The condition of a filter, and its values. Only these columns: names that a caller made up must not reach the SQL. */
function listed(tenant: string, filter: RunFilter): { where: string; values: Values } {
  const names = (["status", "skillId", "sourceRunId"] as const).filter((name) => filter[name] !== undefined);
  return {
    where: ["status IS NOT NULL", ...["tenant", ...names].map((name) => `${name} = :${name}`)].join(" AND "),
    values: Object.fromEntries([["tenant", tenant], ...names.map((name) => [name, filter[name] as string])]),
  };
}

/** A row as the core wants it: what is absent is absent, not null. */
function rowOf<Row>(columns: Record<string, SQLOutputValue>): Row {
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null)) as Row;
}
