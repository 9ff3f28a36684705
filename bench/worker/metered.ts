import type { D1Database, D1Meta, D1PreparedStatement, D1Result } from "@cloudflare/workers-types";

/** What Cloudflare bills, and the number of statements. */
export interface Bill {
  readonly read: number;
  readonly written: number;
  readonly statements: number;
  /** The number of calls of the database; a batch is one call. */
  readonly queries: number;
}

/** The database with a meter: it counts every call that goes through it and reports costs. */
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
      // `first` of D1 does not report its costs.
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

// The bench calls only the methods of a statement and of a database that exist here.
function asStatement(statement: object): D1PreparedStatement {
  return statement as D1PreparedStatement;
}

function asDatabase(database: object): D1Database {
  return database as D1Database;
}
