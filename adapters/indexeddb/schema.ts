import type { DBSchema, StoreNames } from "idb";
import type { ClaimRow, EntryRow, RunRow, SnapshotRow } from "../../src/store.ts";
import type { Migration } from "./connection.ts";

/** Stands in an index key for all tenants, or all values of a filter, together: a number, so no id equals it. */
export const all = 0;
export type IdOrAll = string | typeof all;

/** The place of a run in the list of one filter. */
export type ListKey = [
  tenant: string,
  status: IdOrAll,
  skillId: IdOrAll,
  sourceRunId: IdOrAll,
  createdAt: number,
  runId: string,
];

/** The place of a run among the due runs of its tenant, or of all. */
export type DueKey = [of: IdOrAll, dueAt: number, runId: string, tenant: string];

export interface StoredRun {
  readonly row: RunRow;
}

/**
 * The place of a run in lists. It is a separate record, because an index reads its keys from the value, and is written
 * with it. So a step, which moves no run in any list, writes no index. A tombstone has none.
 */
export interface Place {
  readonly tenant: string;
  readonly runId: string;
  readonly listKeys: readonly ListKey[];
  readonly dueKeys: readonly DueKey[];
}

/**
 * An entry, with its snapshot if that is small: a commit takes longer for each object store that it writes. A large one is in a
 * store of its own, so that a history is read without it.
 */
export interface StoredEntry extends EntryRow {
  readonly snapshot?: string;
}

export type StoredSnapshot = SnapshotRow & Pick<RunRow, "tenant" | "runId">;

export interface Schema extends DBSchema {
  runs: { key: [string, string]; value: StoredRun };
  places: { key: [string, string]; value: Place; indexes: { listed: ListKey; due: DueKey } };
  entries: { key: [string, string, number]; value: StoredEntry; indexes: { checkpoint: [string, string, string] } };
  /** The large ones. In databases that began before version 3 there are small ones too. */
  snapshots: { key: [string, string, number]; value: StoredSnapshot };
  claims: { key: [string, string, string]; value: ClaimRow; indexes: { owner: [string, string, string, string] } };
}

/** All object stores. */
export const stores: StoreNames<Schema>[] = ["runs", "places", "entries", "snapshots", "claims"];

/** A released migration is never changed: existing databases have run it. */
export const migrations: readonly Migration<Schema>[] = [
  async (db) => {
    const runs = untyped(db.createObjectStore("runs", { keyPath: ["row.tenant", "row.runId"] }));
    runs.createIndex("listed", "listKeys", { multiEntry: true });
    runs.createIndex("due", "dueKeys", { multiEntry: true });
    const entries = db.createObjectStore("entries", { keyPath: ["tenant", "runId", "revision"] });
    entries.createIndex("checkpoint", ["tenant", "runId", "checkpointId"], { unique: true });
    db.createObjectStore("snapshots", { keyPath: ["tenant", "runId", "revision"] });
    const claims = db.createObjectStore("claims", { keyPath: ["tenant", "kind", "key"] });
    claims.createIndex("owner", ["tenant", "runId", "kind", "key"]);
  },
  // The places of runs get a store of their own; before, they were in the row's record.
  async (db, transaction) => {
    const places = db.createObjectStore("places", { keyPath: ["tenant", "runId"] });
    places.createIndex("listed", "listKeys", { multiEntry: true });
    places.createIndex("due", "dueKeys", { multiEntry: true });
    const runs = transaction.objectStore("runs");
    for (const index of ["listed", "due"]) untyped(runs).deleteIndex(index);
    for (let cursor = await runs.openCursor(); cursor !== null; cursor = await cursor.continue()) {
      const { row, listKeys, dueKeys } = cursor.value as StoredRun & Place;
      await cursor.update({ row });
      if (listKeys.length > 0) await places.put({ tenant: row.tenant, runId: row.runId, listKeys, dueKeys });
    }
  },
  // Entries may have a snapshot. Nothing is rewritten; the version keeps pages that would not find it from the database.
  async () => {},
];

/** The store of an older version, whose indexes are no longer in the schema. */
function untyped(store: unknown): IDBObjectStore {
  return store as IDBObjectStore;
}
