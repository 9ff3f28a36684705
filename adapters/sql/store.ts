import { DurableError, isDurableError } from "../../src/errors.ts";
import {
  type ClaimRow,
  type Commit,
  type EntryRow,
  maxRevision,
  type RunFilter,
  type RunRow,
  type SnapshotRow,
  type Store,
  type StoreUsage,
} from "../../src/store.ts";
import { idOf, revisionOfId } from "./entry-id.ts";
import { type Statement, type Value, writesOf } from "./writes.ts";

/** A database with SQLite's SQL and the tables of the migrations. */
export interface SqlMedium {
  /** As errors name it, such as `D1`. */
  readonly name: string;
  /** The rows that a statement selects. */
  readonly read: (statement: Statement) => Promise<readonly Columns[]>;
  /** Executes the statements of that commit in one transaction. Rejects with SQLite's message if one fails: then nothing is written. */
  readonly write: (statements: readonly Statement[], commit: Commit) => Promise<void>;
  /** Called once. No call of another function follows. */
  readonly close?: () => void;
}

/** A row as the medium returns it. */
export type Columns = Readonly<Record<string, string | number | null>>;

const runColumns = `tenant, run_id AS runId, revision, created_at AS createdAt, status, skill_id AS skillId,
  source_run_id AS sourceRunId, due_at AS dueAt, body`;
const entryFields = `?1 AS tenant, ?2 AS runId, ${revisionOfId} AS revision, checkpointId, keyframe, body`;
const entryColumns = "id, checkpoint_id AS checkpointId, keyframe, entries.body AS body";
const firstColumns = `${idOf(1)} AS id, first_checkpoint_id AS checkpointId, first_keyframe AS keyframe, first_body AS body`;
const ofRun = "tenant = ?1 AND run_id = ?2";
const claimColumns = "tenant, kind, key, run_id AS runId, lapses_at AS lapsesAt, body";

/**
 * A store in the tables of the migrations, on any database that speaks SQLite's SQL.
 *
 * Not every medium has an interactive transaction, so a commit is some statements that are executed whole or not at all, one of
 * which fails if nothing may be written. An UPDATE that matches no row does not fail, so a stale commit computes a NULL for
 * a column that is NOT NULL. The error of the database determines the outcome.
 */
export function sqlStore(medium: SqlMedium): Store {
  let closed = false;

  async function reach<T>(operation: string, work: () => Promise<T>): Promise<T> {
    const { name } = medium;
    if (closed) throw new DurableError("store_failed", `${operation}: this ${name} store is closed: create another`);
    try {
      return await work();
    } catch (cause) {
      if (isDurableError(cause)) throw cause;
      throw new DurableError("store_failed", `${operation} failed on ${name}: ${messageOf(cause)}`, { cause });
    }
  }

  const select = <Row>(operation: string, sql: string, values: readonly Value[]): Promise<Row[]> =>
    reach(operation, async () => (await medium.read([sql, values])).map(rowOf<Row>));

  const selectOne = async <Row>(operation: string, sql: string, values: readonly Value[]): Promise<Row | undefined> =>
    (await select<Row>(operation, sql, values))[0];

  /** The first of the commit's claims, in its order, that another run holds. */
  function heldClaim({ run, claims = [], now }: Commit): Promise<ClaimRow | undefined> {
    const columns = claimColumns.replaceAll(/\b(key|body)\b/g, "claims.$1");
    // A CROSS JOIN begins with what is wanted, and looks up each by its key.
    const held = `SELECT ${columns} FROM json_each(?) AS wanted CROSS JOIN claims
      ON claims.tenant = ? AND claims.kind = wanted.value->>0 AND claims.key = wanted.value->>1
      WHERE run_id <> ? AND (lapses_at IS NULL OR lapses_at > ?) ORDER BY wanted.id LIMIT 1`;
    const wanted = JSON.stringify(claims.map(({ kind, key }) => [kind, key]));
    return selectOne("commit", held, [wanted, run.tenant, run.runId, now]);
  }

  const store: Store = {
    getRun: (tenant, runId) =>
      selectOne<RunRow>("getRun", `SELECT ${runColumns} FROM runs WHERE tenant = ? AND run_id = ?`, [tenant, runId]),

    listRuns(tenant, { after, offset = 0, limit, order, ...filter }) {
      const { where, values } = listed(tenant, filter);
      const [sign, direction] = order === "ascending" ? [">", "ASC"] : ["<", "DESC"];
      const from = after === undefined ? "" : `AND (created_at, run_id) ${sign} (?, ?)`;
      return select<RunRow>(
        "listRuns",
        `SELECT ${runColumns} FROM runs WHERE ${where} ${from}
          ORDER BY created_at ${direction}, run_id ${direction} LIMIT ? OFFSET ?`,
        [...values, ...(after === undefined ? [] : [after.createdAt, after.runId]), limit, offset],
      );
    },

    async countRuns(tenant, filter) {
      const { where, values } = listed(tenant, filter);
      const sql = `SELECT count(*) AS count FROM runs WHERE ${where}`;
      return (await selectOne<{ count: number }>("countRuns", sql, values))?.count ?? 0;
    },

    async usage(tenant) {
      // The length in bytes; for it SQLite reads only the head of a row.
      const bytes = (columns: readonly string[], rows: string) => {
        const lengths = columns.map((column) => `coalesce(octet_length(${column}), 0)`);
        return `(SELECT coalesce(sum(${lengths.join(" + ")}), 0) FROM ${rows} WHERE tenant = ?1)`;
      };
      // A CROSS JOIN begins with the runs, so it reads the rows of this tenant only.
      const of = (table: string) => `runs CROSS JOIN ${table} ON id BETWEEN ${idOf(0)} AND ${idOf(maxRevision)}`;
      const all = [
        bytes(["body", "first_body", "first_snapshot"], "runs"),
        bytes(["entries.body", "snapshot"], of("entries")),
        bytes(["snapshot_parts.body"], of("snapshot_parts")),
        bytes(["body"], "claims"),
      ];
      const sql = `SELECT ${all.join(" + ")} AS bytes,
        (SELECT count(*) FROM runs WHERE tenant = ?1 AND is_hidden IS NULL) AS runs`;
      return (await selectOne<StoreUsage>("usage", sql, [tenant])) ?? { runs: 0, bytes: 0 };
    },

    dueRuns({ now, limit, tenant, exceptTenants = [], after }) {
      const terms: [string, readonly Value[]][] = [["due_at <= ? AND status IS NOT NULL", [now]]];
      if (tenant !== undefined) terms.push(["tenant = ?", [tenant]]);
      // As one value, because a statement takes 100.
      if (exceptTenants.length > 0) {
        terms.push(["tenant NOT IN (SELECT value FROM json_each(?))", [JSON.stringify(exceptTenants)]]);
      }
      if (after !== undefined) {
        terms.push(["(due_at, run_id, tenant) > (?, ?, ?)", [after.dueAt, after.runId, after.tenant]]);
      }
      return select<RunRow>(
        "dueRuns",
        // The index is named: otherwise a tenant would make the planner read and sort all of its runs.
        `SELECT ${runColumns} FROM runs INDEXED BY runs_due WHERE ${terms.map(([term]) => term).join(" AND ")}
          ORDER BY due_at, run_id, tenant LIMIT ?`,
        [...terms.flatMap(([, values]) => values), limit],
      );
    },

    getEntry(tenant, runId, checkpointId) {
      const sql = `SELECT ${entryFields} FROM (
        SELECT ${firstColumns} FROM runs WHERE ${ofRun} AND first_checkpoint_id = ?3
        UNION ALL
        SELECT ${entryColumns} FROM runs JOIN entries ON id >> 31 = +number AND checkpoint_id = ?3 WHERE ${ofRun})`;
      return selectOne<EntryRow>("getEntry", sql, [tenant, runId, checkpointId]);
    },

    listEntries(tenant, runId, { after = 0, limit, checkpointsOnly = false }) {
      const only = (prefix: string) => (checkpointsOnly ? `AND ${prefix}checkpoint_id IS NOT NULL` : "");
      const first = `SELECT ${firstColumns} FROM runs WHERE ${ofRun} AND first_body IS NOT NULL ${only("first_")} UNION ALL`;
      const sql = `SELECT ${entryFields} FROM (
        ${after < 1 ? first : ""}
        SELECT ${entryColumns} FROM runs JOIN entries ON id > ${idOf("?3")} AND id <= ${idOf(maxRevision)}
          WHERE ${ofRun} ${only("")} ORDER BY id LIMIT ?4)`;
      return select<EntryRow>("listEntries", sql, [tenant, runId, after, limit]);
    },

    async getSnapshots(tenant, runId, from, to) {
      const first = `SELECT ${idOf(1)} AS id, 0 AS part, first_snapshot AS body FROM runs
        WHERE ${ofRun} AND first_snapshot IS NOT NULL UNION ALL`;
      const between = `id BETWEEN ${idOf("?3")} AND ${idOf("?4")}`;
      const parts = await select<SnapshotRow>(
        "getSnapshots",
        `SELECT ${revisionOfId} AS revision, body FROM (
          ${from < 2 && to > 0 ? first : ""}
          SELECT id, 0 AS part, snapshot AS body FROM runs JOIN entries ON ${between} WHERE ${ofRun} AND snapshot IS NOT NULL
          UNION ALL
          SELECT id, part, snapshot_parts.body FROM runs JOIN snapshot_parts ON ${between} WHERE ${ofRun}
          ORDER BY id, part)`,
        [tenant, runId, from, to],
      );
      const bodies = new Map<number, string>();
      for (const { revision, body } of parts) bodies.set(revision, (bodies.get(revision) ?? "") + body);
      return [...bodies].map(([revision, body]) => ({ revision, body }));
    },

    getClaim: (tenant, kind, key) =>
      selectOne<ClaimRow>("getClaim", `SELECT ${claimColumns} FROM claims WHERE tenant = ? AND kind = ? AND key = ?`, [
        tenant,
        kind,
        key,
      ]),

    listClaims: (tenant, runId, { after, limit }) =>
      select<ClaimRow>(
        "listClaims",
        `SELECT ${claimColumns} FROM claims WHERE tenant = ? AND run_id = ? AND (kind, key) > (?, ?)
          ORDER BY kind, key LIMIT ?`,
        [tenant, runId, after?.kind ?? "", after?.key ?? "", limit],
      ),

    commit: (commit) =>
      reach("commit", async () => {
        const statements = writesOf(commit);
        try {
          await medium.write(statements, commit);
          return { kind: "committed" };
        } catch (error) {
          if (violates(error, "runs.revision")) return { kind: "conflict" };
          if (!violates(error, "claims.run_id")) throw error;
        }
        const claim = await heldClaim(commit);
        // None, if its owner was erased since: then the commit may succeed now, and nothing of it was written.
        return claim === undefined ? store.commit(commit) : { kind: "claimed", claim };
      }),

    close: async () => {
      if (!closed) medium.close?.();
      closed = true;
    },
  };
  return store;
}

function listed(tenant: string, { status, skillId, sourceRunId }: RunFilter): { where: string; values: Value[] } {
  const given = [
    ["status", status],
    ["skill_id", skillId],
    ["source_run_id", sourceRunId],
  ].filter(([, value]) => value !== undefined);
  const terms = ["tenant = ?", "is_hidden IS NULL", ...given.map(([column]) => `${column} = ?`)];
  return { where: terms.join(" AND "), values: [tenant, ...given.map(([, value]) => value)] };
}

/** The columns as the row they were selected as: each SELECT here names its columns after the fields of its rows. */
function rowOf<Row>(columns: Columns): Row {
  return Object.fromEntries(Object.entries(columns).filter(([, value]) => value !== null)) as Row;
}

/** Nothing but the message of SQLite identifies the constraint that failed. */
function violates(error: unknown, column: string): boolean {
  return messageOf(error).includes(`NOT NULL constraint failed: ${column}`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
