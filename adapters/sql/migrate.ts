import { DurableError } from "../../src/errors.ts";
import { migrations } from "./migrations.generated.ts";
import type { Columns } from "./store.ts";
import type { Statement } from "./writes.ts";

/** A database that answers at once. */
export interface SyncDatabase {
  /** Executes a statement, and returns the rows that it selects. */
  readonly execute: (statement: Statement) => readonly Columns[];
  /** Executes the work whole or not at all. What it throws is thrown. */
  readonly transaction: (work: () => void) => void;
}

/**
 * Brings the tables up to date. The applied migrations are rows: not each medium lets a program set `PRAGMA user_version`.
 *
 * @throws `store_outdated` if a newer version of this package has been here, whose tables this one does not know.
 */
export function migrate({ execute, transaction }: SyncDatabase): void {
  transaction(() => {
    execute(["CREATE TABLE IF NOT EXISTS orca_migrations (name TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID", []]);
    const applied = new Set(execute(["SELECT name FROM orca_migrations", []]).map(({ name }) => name));
    for (const { name, queries } of migrations) {
      if (applied.delete(name)) continue;
      for (const query of queries) execute([query, []]);
      execute(["INSERT INTO orca_migrations (name) VALUES (?)", [name]]);
    }
    const [unknown] = applied;
    if (unknown !== undefined) {
      throw new DurableError(
        "store_outdated",
        `the tables are of a newer version of orca-durable: they have ${unknown}`,
      );
    }
  });
}
