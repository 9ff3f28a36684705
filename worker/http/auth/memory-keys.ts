import { DurableError, shown } from "../../../src/errors.ts";
import { read } from "../../../src/json.ts";
import type { KeyRecord, KeyStore } from "./keys.ts";

/**
 * Keys in memory, for tests: they are lost when the process ends.
 * @example
 * ```ts
 * import { apiKeys, createApp, memoryKeys } from "orca-durable/worker";
 * import { runtime } from "./runs.ts";
 *
 * const keys = memoryKeys();
 * const authenticate = apiKeys([["admin-key", "acme"]], keys);
 * export const app = createApp({
 *   authenticate: ({ request }) => authenticate(request),
 *   keys: () => keys,
 *   runs: (tenant) => runtime.for(tenant),
 * });
 * ```
 */
export function memoryKeys(): KeyStore {
  const records = new Map<string, KeyRecord>();
  return {
    find: async (keyId) => records.get(keyId),
    list: async (tenant) =>
      [...records.values()]
        .filter((record) => record.tenant === tenant)
        .sort((a, b) => a.createdAt - b.createdAt || (a.keyId < b.keyId ? -1 : 1)),
    async add(record) {
      const id = read("record", () => record.keyId);
      if (records.has(id)) throw new DurableError("conflict", `duplicate key id ${shown(id)}`);
      records.set(id, record);
    },
    async revoke(tenant, keyId, now) {
      const record = records.get(keyId);
      if (record === undefined || record.tenant !== tenant) return false;
      records.set(keyId, { ...record, revokedAt: record.revokedAt ?? now });
      return true;
    },
    isEmpty: async () => records.size === 0,
  };
}
