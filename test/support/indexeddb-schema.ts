import type { DBSchema } from "idb";
import type {
  DueKey,
  ListKey,
  Place,
  StoredEntry,
  StoredRun,
  StoredSnapshot,
} from "../../adapters/indexeddb/schema.ts";
import type { ClaimRow } from "../../src/store.ts";

/** The object stores of the adapter's database, with their keys, for `openDB` of idb. */
export interface Database extends DBSchema {
  runs: { key: [string, string]; value: StoredRun };
  places: { key: [string, string]; value: Place; indexes: { listed: ListKey; due: DueKey } };
  entries: { key: [string, string, number]; value: StoredEntry; indexes: { checkpoint: [string, string, string] } };
  snapshots: { key: [string, string, number]; value: StoredSnapshot };
  claims: { key: [string, string, string]; value: ClaimRow; indexes: { owner: [string, string, string, string] } };
}
