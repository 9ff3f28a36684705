import { DurableError } from "../../src/errors.ts";
import type { Columns } from "../sql/store.ts";

// What the store needs of `node:sqlite`. The package asks its users for no types of Node, and the module is looked up when a
// store is opened, so that an environment without it gets an error that says so.

export interface DatabaseSync {
  readonly isTransaction: boolean;
  exec(sql: string): void;
  prepare(sql: string): StatementSync;
  close(): void;
}

export interface StatementSync {
  all(...values: readonly (Bound | Readonly<Record<string, Bound>>)[]): Columns[];
}

type Bound = string | number | null;

type DatabaseSyncClass = new (path: string, options: { readonly timeout: number }) => DatabaseSync;

interface Process {
  getBuiltinModule?(id: "node:sqlite"): { readonly DatabaseSync: DatabaseSyncClass } | undefined;
}

export function databaseSync(): DatabaseSyncClass {
  const { process } = globalThis as { readonly process?: Process };
  const sqlite = process?.getBuiltinModule?.("node:sqlite");
  if (sqlite === undefined)
    throw new DurableError("unsupported", "node:sqlite is not available: use Node 22.13 or newer");
  return sqlite.DatabaseSync;
}
