import { expectKind } from "../../src/argument.ts";
import { DurableError, isDurableError } from "../../src/errors.ts";
import { aText } from "../../src/json.ts";
import type { Store } from "../../src/store.ts";
import { migrate } from "../sql/migrate.ts";
import { type Columns, sqlStore } from "../sql/store.ts";
import type { Statement } from "../sql/writes.ts";
import { type DatabaseSync, databaseSync, type StatementSync } from "./node.ts";

/** How long a call waits for a lock that another process holds. */
const lockTimeoutMs = 5_000;

/**
 * A store in one SQLite file, for Node 22.13 or newer, by the `node:sqlite` that comes with it. Several processes may have the
 * file open. `:memory:` is a database that ends with the store.
 *
 * A commit is on the disk when it resolves. Calls are synchronous inside: a commit takes the thread until the disk has it.
 *
 * @example
 * ```ts
 * import { createRuntime, defineSkill } from "orca-durable";
 * import { nodeSqliteStore } from "orca-durable/node-sqlite";
 *
 * const hello = defineSkill({ id: "hello", version: "1", run: (step) => step.do("greet", async () => "hello") });
 * const runtime = createRuntime({ store: nodeSqliteStore("runs.sqlite"), skills: [hello] });
 * await runtime.for("acme").start(hello);
 * ```
 *
 * @throws `invalid_request` if the path is not a text; `store_failed` if the file cannot be opened; `store_outdated` if a newer
 * version of this package has changed its tables.
 */
export function nodeSqliteStore(path: string): Store {
  expectKind(path, aText, "path");
  const db = opened(path);
  const statements = new Map<string, StatementSync>();

  /** Prepared once: that takes longer than most statements. There are few texts, since values are never part of them. */
  function prepared(sql: string): StatementSync {
    const statement = statements.get(sql) ?? db.prepare(sql);
    statements.set(sql, statement);
    return statement;
  }

  function execute([sql, values]: Statement): readonly Columns[] {
    const bound = values.map((value) => value ?? null);
    // Older versions of Node bind a numbered parameter only by its name.
    if (!sql.includes("?1")) return prepared(sql).all(...bound);
    return prepared(sql).all(Object.fromEntries(bound.map((value, index) => [`?${index + 1}`, value])));
  }

  function transaction(work: () => void): void {
    // IMMEDIATE takes the write lock before anything is read, so that no other process comes in between.
    db.exec("BEGIN IMMEDIATE");
    try {
      work();
      db.exec("COMMIT");
    } catch (error) {
      if (db.isTransaction) db.exec("ROLLBACK");
      throw error;
    }
  }

  try {
    migrate({ execute, transaction });
  } catch (cause) {
    db.close();
    throw notOpened(path, cause);
  }
  return sqlStore({
    name: "SQLite",
    read: async (statement) => execute(statement),
    write: async (writes) => transaction(() => writes.forEach(execute)),
    close: () => db.close(),
  });
}

function opened(path: string): DatabaseSync {
  try {
    const db = new (databaseSync())(path, { timeout: lockTimeoutMs });
    // With FULL a commit is on the disk when it returns; NORMAL may lose the last ones to a power cut.
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
    return db;
  } catch (cause) {
    throw notOpened(path, cause);
  }
}

function notOpened(path: string, cause: unknown): unknown {
  if (isDurableError(cause)) return cause;
  return new DurableError("store_failed", `the SQLite file ${path} cannot be opened: ${(cause as Error).message}`, {
    cause,
  });
}
