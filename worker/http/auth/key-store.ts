import type { KeyRecord } from "./key.ts";

/**
 * Where the service keeps the records of its API keys. It is apart from the store of the runs: who may call is of the
 * service, and a run knows nothing of it. What `add` and `revoke` resolved, every later read sees.
 */
export interface KeyStore {
  /** The record of that key, a revoked one too. */
  find(keyId: string): Promise<KeyRecord | undefined>;
  /** The tenant's records, revoked ones too, by (createdAt, keyId). */
  list(tenant: string): Promise<readonly KeyRecord[]>;
  /** Rejects where the key id is taken. */
  add(record: KeyRecord): Promise<void>;
  /** Revokes a key from then on; false where the tenant has no such key. The first time of several stays. */
  revoke(tenant: string, keyId: string, now: number): Promise<boolean>;
  /** Whether no key was ever added. */
  isEmpty(): Promise<boolean>;
}
