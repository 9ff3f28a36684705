import type { DBSchema, IDBPDatabase } from "idb";
import type { ClaimRow, EntryRow, RunRow, SnapshotRow } from "../../src/store.ts";

/** Stands in an index key for the tenants, or the values of a filter, taken together: a number, so no id equals it. */
export const all = 0;
export type IdOrAll = string | typeof all;

/** Where a run stands in the list of one filter. */
export type ListKey = [
  tenant: string,
  status: IdOrAll,
  skillId: IdOrAll,
  sourceRunId: IdOrAll,
  createdAt: number,
  runId: string,
];

/** Where a run stands among the due runs of its tenant, or of all. */
export type DueKey = [of: IdOrAll, dueAt: number, runId: string, tenant: string];

/** The keys stand beside the row, because an index takes what it sorts by from the value. A tombstone has none. */
export interface StoredRun {
  readonly row: RunRow;
  readonly listKeys: readonly ListKey[];
  readonly dueKeys: readonly DueKey[];
}

export type StoredSnapshot = SnapshotRow & Pick<RunRow, "tenant" | "runId">;

export interface Schema extends DBSchema {
  runs: { key: [string, string]; value: StoredRun; indexes: { listed: ListKey; due: DueKey } };
  entries: { key: [string, string, number]; value: EntryRow; indexes: { checkpoint: [string, string, string] } };
  /** Apart from the entries, so that a history is read without them. */
  snapshots: { key: [string, string, number]; value: StoredSnapshot };
  claims: { key: [string, string, string]; value: ClaimRow; indexes: { owner: [string, string, string, string] } };
}

/** Each takes the database one version further. A released one is never changed: databases out there have it behind them. */
export const migrations: readonly ((db: IDBPDatabase<Schema>) => void)[] = [
  (db) => {
    const runs = db.createObjectStore("runs", { keyPath: ["row.tenant", "row.runId"] });
    runs.createIndex("listed", "listKeys", { multiEntry: true });
    runs.createIndex("due", "dueKeys", { multiEntry: true });
    const entries = db.createObjectStore("entries", { keyPath: ["tenant", "runId", "revision"] });
    entries.createIndex("checkpoint", ["tenant", "runId", "checkpointId"], { unique: true });
    db.createObjectStore("snapshots", { keyPath: ["tenant", "runId", "revision"] });
    const claims = db.createObjectStore("claims", { keyPath: ["tenant", "kind", "key"] });
    claims.createIndex("owner", ["tenant", "runId", "kind", "key"]);
  },
];
