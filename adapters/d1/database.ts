/**
 * What a store and the API keys need of a D1 database. Cloudflare's own `D1Database` has this shape, so a program needs
 * neither `@cloudflare/workers-types` nor a cast.
 */
export interface D1Database {
  prepare(sql: string): D1PreparedStatement;
  /** Executes the statements in one transaction, and rejects if one of them fails. */
  batch<Row>(statements: D1PreparedStatement[]): Promise<D1Rows<Row>[]>;
}

/** A statement of SQL, to which values may be bound. */
export interface D1PreparedStatement {
  bind(...values: unknown[]): D1PreparedStatement;
  all<Row>(): Promise<D1Rows<Row>>;
}

/** What a statement returned. */
export interface D1Rows<Row> {
  readonly results: Row[];
}

/** One migration of the database, in the shape of Cloudflare's own `D1Migration`. */
export interface D1Migration {
  /** The name of its file, by which a database remembers that it was applied. */
  name: string;
  /** Its statements in order, one a text: D1 executes one statement at a time. */
  queries: string[];
}
