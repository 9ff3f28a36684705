/**
 * What the store needs of the storage of a Durable Object with SQLite. Cloudflare's own `DurableObjectStorage` has this shape, so a
 * program needs neither `@cloudflare/workers-types` nor a cast.
 */
export interface ObjectStorage {
  readonly sql: ObjectSql;
  transactionSync<T>(work: () => T): T;
  getAlarm(): Promise<number | null>;
  setAlarm(time: number): Promise<void>;
  deleteAlarm(): Promise<void>;
}

/** The SQL of such a storage. */
export interface ObjectSql {
  exec(sql: string, ...values: (string | number | null)[]): { toArray(): Record<string, string | number | null>[] };
}
