import type { D1Database, D1Meta, D1PreparedStatement, D1Result } from "@cloudflare/workers-types";

/** What Cloudflare bills, and how many statements it was. */
export interface Bill {
  readonly read: number;
  readonly written: number;
  readonly statements: number;
  /** Calls of the database: a batch is one. */
  readonly queries: number;
}

/** The database with a meter: everything that goes through it and answers with its costs is counted. */
export function metered(db: D1Database) {
  const bill = { read: 0, written: 0, statements: 0, queries: 0 };
  const originals = new WeakMap<object, D1PreparedStatement>();
  const add = ({ rows_read, rows_written }: D1Meta) => {
    bill.read += rows_read;
    bill.written += rows_written;
    bill.statements += 1;
  };
  const all = async <Row>(statement: D1PreparedStatement): Promise<D1Result<Row>> => {
    const result = await statement.all<Row>();
    bill.queries += 1;
    add(result.meta);
    return result;
  };
  const watch = (statement: D1PreparedStatement): D1PreparedStatement => {
    const outer = {
      bind: (...values: unknown[]) => watch(statement.bind(...values)),
      all: () => all(statement),
      run: () => all(statement),
      // The real one does not tell what it costs.
      first: async () => (await all(statement)).results[0] ?? null,
    };
    originals.set(outer, statement);
    return asStatement(outer);
  };
  const meter: Pick<D1Database, "prepare" | "batch" | "exec"> = {
    prepare: (sql) => watch(db.prepare(sql)),
    batch: async <Row>(statements: D1PreparedStatement[]) => {
      const results = await db.batch<Row>(statements.map((statement) => originals.get(statement) ?? statement));
      bill.queries += 1;
      for (const { meta } of results) add(meta);
      return results;
    },
    exec: (sql) => db.exec(sql),
  };
  return { db: asDatabase(meter), bill: (): Bill => ({ ...bill }) };
}

export function difference(bill: Bill, less: Bill): Bill {
  return {
    read: bill.read - less.read,
    written: bill.written - less.written,
    statements: bill.statements - less.statements,
    queries: bill.queries - less.queries,
  };
}

// Nobody here calls more of a statement, or of a database, than what is there.
function asStatement(statement: object): D1PreparedStatement {
  return statement as D1PreparedStatement;
}

function asDatabase(database: object): D1Database {
  return database as D1Database;
}
