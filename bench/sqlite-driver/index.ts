import { DatabaseSync, type SQLInputValue } from "node:sqlite";

/**
 * The part of better-sqlite3 that LangGraph's SQLite saver calls, over Node's own SQLite. The real package is native code
 * that is downloaded or compiled at installation, and built for one version of Node. With this driver every store that is
 * measured on SQLite has the same driver, with `synchronous` at FULL, and `npm ci` needs no compiler. It can go when the
 * saver accepts a better-sqlite3 that installs without one (version 13 contains its binaries, but npm still calls node-gyp
 * for it).
 */
class Database {
  readonly #db: DatabaseSync;

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
  }

  pragma(text: string): void {
    this.#db.exec(`PRAGMA ${text}`);
  }

  exec(sql: string): void {
    this.#db.exec(sql);
  }

  prepare(sql: string) {
    const statement = this.#db.prepare(sql);
    // better-sqlite3 binds undefined as NULL; Node rejects it.
    const bindable = (values: readonly (SQLInputValue | undefined)[]) => values.map((value) => value ?? null);
    return {
      get: (...values: (SQLInputValue | undefined)[]) => statement.get(...bindable(values)),
      all: (...values: (SQLInputValue | undefined)[]) => statement.all(...bindable(values)),
      run: (...values: (SQLInputValue | undefined)[]) => statement.run(...bindable(values)),
    };
  }

  transaction<Args extends readonly unknown[]>(work: (...args: Args) => void): (...args: Args) => void {
    return (...args) => {
      this.#db.exec("BEGIN");
      try {
        work(...args);
        this.#db.exec("COMMIT");
      } catch (error) {
        this.#db.exec("ROLLBACK");
        throw error;
      }
    };
  }

  close(): void {
    this.#db.close();
  }
}

export type { Database };
export default Database;
