import { type DBSchema, type IDBPDatabase, type IDBPTransaction, openDB, type StoreNames } from "idb";
import { DurableError, isDurableError } from "../../src/errors.ts";
import { present } from "../../src/json.ts";
import { storageRoom } from "./room.ts";

/**
 * The work of one transaction. It may await the requests of its transaction and nothing else: a transaction that has
 * none pending commits by itself. `undo` reverts all its writes, and returns its argument.
 */
type Work<Schema extends DBSchema, Mode extends IDBTransactionMode, T> = (
  transaction: IDBPTransaction<Schema, StoreNames<Schema>[], Mode>,
  undo: (given: T) => T,
) => Promise<T>;

export interface Connection<Schema extends DBSchema> {
  /** Resolves with the result of the work, once its transaction is complete. */
  transact<Mode extends "readonly" | "readwrite", T>(
    operation: string,
    stores: StoreNames<Schema>[],
    mode: Mode,
    work: Work<Schema, Mode, T>,
  ): Promise<T>;
  close(): void;
}

/** Takes a database one version further. It may await the requests of its transaction, and nothing else. */
export type Migration<Schema extends DBSchema> = (
  db: IDBPDatabase<Schema>,
  transaction: IDBPTransaction<Schema, StoreNames<Schema>[], "versionchange">,
) => Promise<void>;

/** The options of `indexedDbStore`. */
export interface IndexedDbStoreOptions {
  /**
   * The database; an origin can have several. Stores on the same database see each other's commits, also across tabs.
   */
  readonly name?: string;
  /**
   * `strict` resolves a commit once the browser has flushed it to the disk. `relaxed` resolves when the operating
   * system has it: faster, but a power cut may lose acknowledged commits. It is the default of browsers.
   */
  readonly durability?: "strict" | "relaxed";
  /**
   * Called once a newer version of the page has upgraded the database: from then on each call rejects with
   * `store_outdated`, until the page is reloaded.
   */
  readonly onOutdated?: () => void;
  /**
   * Called with a `corrupt_data` if the browser has deleted a database that it could not read, and opened an empty one:
   * whatever it held is lost. Only Chromium reports this. Default: `console.error`.
   */
  readonly onDataLoss?: (error: DurableError) => void;
}

/**
 * A connection that the first transaction opens, and that the next one opens again if it was lost. `onOutdated` is
 * called once, when the database has a version that is not among the migrations.
 */
export function connect<Schema extends DBSchema>(
  migrations: readonly Migration<Schema>[],
  { name = "orca-durable", durability = "strict", onOutdated, onDataLoss = console.error }: IndexedDbStoreOptions = {},
): Connection<Schema> {
  type Database = IDBPDatabase<Schema>;
  let current: Promise<Database> | undefined;
  let opened: Database | undefined;
  let closed = false;
  let outdated = onOutdated;

  function open(): Promise<Database> {
    if (closed)
      return Promise.reject(new DurableError("store_failed", `the store on ${name} is closed: create another`));
    current ??= new Promise((resolve, reject) => {
      const opening = openDatabase(() =>
        // The request stays, and succeeds once the other tab closes its connection; until then every call rejects with
        // this error.
        reject(
          new DurableError("store_blocked", `another tab has an older version of the database ${name} open`, {
            hint: "close or reload the other tabs of this site",
          }),
        ),
      );
      opening.then(
        (db) => {
          opened = db;
          current = opening;
          if (closed) db.close();
          db.addEventListener("versionchange", ({ newVersion }) => {
            // Another tab wants to upgrade or delete the database, and waits for this.
            release(db);
            // Resolves once that upgrade is over; it may also be aborted.
            if (newVersion !== null && !closed) open().catch(() => {});
          });
          // The browser has taken the connection away.
          db.addEventListener("close", () => release(db));
          resolve(db);
        },
        (cause) => {
          current = undefined;
          reject(cause);
          if (nameOf(cause) !== "VersionError") return;
          outdated?.();
          outdated = undefined;
        },
      );
    });
    return current;
  }

  // Async, so that a browser that throws becomes a rejection.
  async function openDatabase(blocked: () => void): Promise<Database> {
    let upgrading: Transaction | undefined;
    let failure: unknown;
    // Some browsers that do not allow it have none, and others throw.
    if (!globalThis.indexedDB) throw noDatabase();
    try {
      return await openDB<Schema>(name, migrations.length, {
        upgrade: (db, from, _, transaction, event: DataLossEvent) => {
          if (event.dataLoss === "total") {
            const cause = event.dataLossMessage;
            onDataLoss(new DurableError("corrupt_data", `the browser deleted the damaged database ${name}`, { cause }));
          }
          const migrating = async () => {
            for (const migrate of migrations.slice(from)) await migrate(db, transaction);
          };
          upgrading = transaction;
          // Opening rejects too, and that error is the one that is reported.
          transaction.done.catch(() => {});
          // A failure aborts the whole upgrade.
          migrating().catch((error: unknown) => {
            failure = error;
            abort(transaction);
          });
        },
        blocked,
      });
    } catch (error) {
      // For an upgrade that was aborted, the browser says only that; the reason is with its transaction, or with the
      // code that aborted it.
      throw upgrading?.error ?? failure ?? error;
    }
  }

  /** Transactions that have begun go on; the next one opens the database again. */
  function release(db: Database): void {
    db.close();
    if (opened !== db) return;
    opened = current = undefined;
  }

  async function begin<Mode extends "readonly" | "readwrite">(stores: StoreNames<Schema>[], mode: Mode) {
    const attempt = async () => (await open()).transaction(stores, mode, { durability });
    try {
      return await attempt();
    } catch (error) {
      if (nameOf(error) !== "InvalidStateError" || opened === undefined) throw error;
      // The connection was lost, and the event that says so is still on its way. Nothing has begun on it.
      release(opened);
      return attempt();
    }
  }

  async function transact<Mode extends "readonly" | "readwrite", T>(
    operation: string,
    stores: StoreNames<Schema>[],
    mode: Mode,
    work: Work<Schema, Mode, T>,
  ): Promise<T> {
    try {
      const transaction = await begin(stores, mode);
      return await outcome<T>(transaction, (undo) => work(transaction, undo));
    } catch (error) {
      // WebKit keeps a connection open whose database process is gone, and fails everything on it.
      if (opened !== undefined) release(opened);
      throw isDurableError(error) ? error : await failure(operation, error);
    }
  }

  function close(): void {
    closed = true;
    opened?.close();
  }

  return { transact, close };
}

/**
 * Chromium deletes a database that it cannot read, and says so when it opens the empty one. Other browsers do not say it.
 * Source: https://source.chromium.org/chromium/chromium/src/+/main:third_party/blink/renderer/modules/indexeddb/idb_version_change_event.idl
 */
interface DataLossEvent extends IDBVersionChangeEvent {
  readonly dataLoss?: "none" | "total";
  readonly dataLossMessage?: string;
}

interface Transaction {
  readonly done: Promise<void>;
  readonly error: unknown;
  abort(): void;
  addEventListener(type: "error", listener: (event: Event) => void, capture: true): void;
}

/** The result of the work, once the transaction is complete, or undone. If the work fails, nothing of it is written. */
async function outcome<T>(transaction: Transaction, work: (undo: (given: T) => T) => Promise<T>): Promise<T> {
  let isUndone = false;
  let reason: unknown;
  // Of the first request that fails. While it is captured: `done` rejects when the event comes back, and knows no reason yet.
  const failed = ({ target }: Event) => {
    const { error } = target as IDBRequest;
    if (nameOf(error) !== "AbortError") reason ??= error;
  };
  transaction.addEventListener("error", failed, true);
  const undo = (given: T): T => {
    // Throws if it is too late, so that no caller relies on an undo that did not happen.
    transaction.abort();
    isUndone = true;
    return given;
  };
  const worked = work(undo).catch((error: unknown) => {
    abort(transaction);
    throw error;
  });
  const over = transaction.done.catch((error: unknown) => {
    if (!isUndone) throw error;
  });
  try {
    return (await Promise.all([worked, over]))[0];
  } catch (error) {
    // What was aborted with its transaction reports AbortError. The reason is with the request that failed, or with the
    // transaction where none did.
    throw nameOf(error) === "AbortError" ? (reason ?? transaction.error ?? error) : error;
  }
}

/** A transaction that is over has nothing to undo, and throws. */
function abort(transaction: Transaction): void {
  try {
    transaction.abort();
  } catch (error) {
    if (nameOf(error) !== "InvalidStateError") throw error;
  }
}

async function failure(operation: string, cause: unknown): Promise<DurableError> {
  const name = nameOf(cause);
  switch (name) {
    case "QuotaExceededError":
      return outOfRoom(operation, cause);
    case "VersionError":
      return new DurableError("store_outdated", "a newer version of this page has upgraded the database", {
        hint: "reload this page",
        cause,
      });
    case "SecurityError":
      return noDatabase({ cause });
  }
  const message = cause instanceof Error ? cause.message : "";
  return new DurableError("store_failed", `${operation} failed on IndexedDB: ${name} ${message}`.trim(), { cause });
}

function noDatabase(options: { readonly cause?: unknown } = {}): DurableError {
  return new DurableError("unsupported", "IndexedDB is not available on this page", {
    hint: "a sandboxed frame needs allow-same-origin; private windows may have no storage",
    ...options,
  });
}

async function outOfRoom(operation: string, cause: unknown): Promise<DurableError> {
  const { usage, quota } = (await storageRoom()) ?? {};
  const used = usage === undefined ? "" : `; it uses ${usage} of ${quota} bytes`;
  return new DurableError("quota_exceeded", `${operation}: the browser allows this site no more storage${used}`, {
    hint: "delete runs, or ask for more with persistStorage()",
    cause,
    details: present({ usage, quota }),
  });
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}
