import { randomHex } from "../../../src/ids.ts";
import { sha256 } from "../../../src/json.ts";
import type { Role } from "./caller.ts";

/** What is remembered of an API key: enough to know it again, and not enough to use it. */
export interface KeyRecord {
  /** Public: it stands in the key, in lists and in logs. */
  readonly keyId: string;
  /** SHA-256 of the whole key, as lower-case hex. */
  readonly hash: string;
  readonly tenant: string;
  readonly role: Role;
  readonly name: string;
  /** The end of the key, by which its owner tells it from others. */
  readonly hint: string;
  /** In milliseconds since 1970, like `revokedAt`. */
  readonly createdAt: number;
  readonly revokedAt?: number;
}

/** What its issuer decides about a key. */
export type KeyGrant = Pick<KeyRecord, "tenant" | "role" | "name">;

/** A new key, which nobody can show again, and what is remembered of it. 256 bits of it are secret. */
export async function newKey(
  grant: KeyGrant,
  now: number,
): Promise<{ readonly key: string; readonly record: KeyRecord }> {
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const keyId = randomHex(random, 8);
  const key = `orca_${keyId}_${randomHex(random, 32)}`;
  const { tenant, role, name } = grant;
  return {
    key,
    record: { keyId, hash: await sha256(key), tenant, role, name, hint: `…${key.slice(-4)}`, createdAt: now },
  };
}

/** The public id in something that has the form of a key. */
export function keyIdOf(key: string): string | undefined {
  return /^orca_([0-9a-f]{16})_[0-9a-f]{64}$/.exec(key)?.[1];
}
