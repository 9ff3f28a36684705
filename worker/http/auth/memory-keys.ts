import type { KeyRecord, KeyStore } from "./keys.ts";

/**
 * Keys in memory, for tests: they are lost when the process ends.
 * @example
 * const keys = memoryKeys();
 * const authenticate = apiKeys([["dev-key", "acme"]], keys); // and `keys: () => keys` for createApp
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
