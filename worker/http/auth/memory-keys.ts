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
      if (records.has(record.keyId)) throw new Error(`duplicate key id "${record.keyId}"`);
      records.set(record.keyId, record);
    },
    async revoke(tenant, keyId, now) {
      const record = records.get(keyId);
      if (record?.tenant !== tenant) return false;
      records.set(keyId, { ...record, revokedAt: record.revokedAt ?? now });
      return true;
    },
    isEmpty: async () => records.size === 0,
  };
}
