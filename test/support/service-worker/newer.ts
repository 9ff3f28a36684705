import type { Migration } from "../../../adapters/indexeddb/connection.ts";
import { migrations, type Schema } from "../../../adapters/indexeddb/schema.ts";

/** Makes of this page or service worker one whose database has a further version. */
export function addMigration(): void {
  (migrations as Migration<Schema>[]).push(async () => {});
}
