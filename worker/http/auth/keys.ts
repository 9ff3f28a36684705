import { randomHex } from "../../../src/ids.ts";
import { DurableError } from "../../../src/index.ts";
import { sha256 } from "../../../src/json.ts";
import type { Caller, Role } from "./caller.ts";

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

/**
 * Tells callers by the key that they send as `x-api-key` or as `Authorization: Bearer`. `fixed` are callers by keys that
 * the deployment names, where a tenant alone is its admin; `issued` are the keys that were issued since.
 *
 * @throws `unauthorized` without a key, `forbidden` for a wrong or a revoked one, and `internal_error` for every call
 * where there is no key at all: a service without keys stays shut rather than open.
 */
export function apiKeys(
  fixed: Iterable<readonly [key: string, caller: string | Caller]>,
  issued?: KeyStore,
): (request: Request) => Promise<Caller> {
  const known = [...fixed].map(async ([key, caller]) => ({
    hash: await sha256(key),
    caller: typeof caller === "string" ? { tenant: caller, role: "admin" as const } : caller,
  }));

  async function callerOf(key: string): Promise<Caller | undefined> {
    const hash = await sha256(key);
    // All of them are compared, so that the time taken does not tell which one came near.
    const [match] = (await Promise.all(known)).filter((one) => isSame(one.hash, hash));
    if (match !== undefined) return match.caller;
    const keyId = keyIdOf(key);
    const record = keyId === undefined ? undefined : await issued?.find(keyId);
    if (record === undefined || !isSame(record.hash, hash)) return undefined;
    const { tenant, role, revokedAt } = record;
    if (revokedAt !== undefined) throw new DurableError("forbidden", "this API key was revoked");
    return { tenant, role, keyId: record.keyId };
  }

  return async (request) => {
    const key = givenKey(request.headers);
    const caller = key === undefined ? undefined : await callerOf(key);
    if (caller !== undefined) return caller;
    if (known.length === 0 && (await issued?.isEmpty()) !== false) {
      throw new DurableError("internal_error", "no API key is configured, so the service rejects every call", {
        hint: "configure a key; for the Worker, run `wrangler secret put API_KEY` or `npm run keys -- issue`",
      });
    }
    if (key !== undefined) throw new DurableError("forbidden", "this API key is not valid");
    throw new DurableError("unauthorized", "the call has no API key", {
      hint: "send the key in the header x-api-key, or as Authorization: Bearer",
    });
  };
}

// A header without a key, as a form or a proxy may send one, hides no key in the other.
function givenKey(headers: Headers): string | undefined {
  const bearer = /^Bearer +(.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return headers.get("x-api-key")?.trim() || bearer?.trim() || undefined;
}

/** Compares two hashes in a time that does not depend on where they differ. */
function isSame(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index++) difference |= a.charCodeAt(index) ^ b.charCodeAt(index);
  return difference === 0;
}
