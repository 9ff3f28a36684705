import { expectKind, withMethods } from "../../../src/argument.ts";
import { randomHex } from "../../../src/ids.ts";
import { DurableError } from "../../../src/index.ts";
import { aText, type Kind, read, sha256 } from "../../../src/json.ts";
import type { Caller, Role } from "./caller.ts";

/** The stored record of an API key: enough to verify the key, but not to use it. */
export interface KeyRecord {
  /** Public: it is part of the key, and appears in lists and logs. */
  readonly keyId: string;
  /** SHA-256 of the whole key, as lower-case hex. */
  readonly hash: string;
  readonly tenant: string;
  readonly role: Role;
  readonly name: string;
  /** The last characters of the key, which help its owner to recognize it. */
  readonly hint: string;
  /** In milliseconds since 1970, like `revokedAt`. */
  readonly createdAt: number;
  readonly revokedAt?: number;
}

/** What the issuer of a key decides. */
export type KeyGrant = Pick<KeyRecord, "tenant" | "role" | "name">;

/** A new key and its record. The key has 256 secret bits and cannot be shown again. */
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

/** The public id of a key; undefined if the text does not have the form of a key. */
export function keyIdOf(key: string): string | undefined {
  return /^orca_([0-9a-f]{16})_[0-9a-f]{64}$/.exec(key)?.[1];
}

/**
 * The store of the API keys. It is separate from the store of the runs, because runs do not know who may call. Every read
 * sees the changes of each `add` and `revoke` that has resolved.
 */
export interface KeyStore {
  /** The record of the key, also if it is revoked. */
  find(keyId: string): Promise<KeyRecord | undefined>;
  /** The tenant's records, including revoked ones, by (createdAt, keyId). */
  list(tenant: string): Promise<readonly KeyRecord[]>;
  /** Rejects if the key id is taken. */
  add(record: KeyRecord): Promise<void>;
  /** Revokes a key. Returns false if the tenant has no such key. A key that is revoked again keeps its first time. */
  revoke(tenant: string, keyId: string, now: number): Promise<boolean>;
  /** True if no key was ever added. */
  isEmpty(): Promise<boolean>;
}

/**
 * Authenticates callers by the key that they send as `x-api-key` or as `Authorization: Bearer`. `fixed` are the keys of the
 * deployment with their callers; a tenant id alone stands for its admin. `issued` are the keys that were issued over HTTP.
 *
 * @throws `unauthorized` without a key; `forbidden` for a wrong or revoked key; `internal_error` for every call if no key
 * exists, so that a service without keys stays closed.
 * @example
 * ```ts
 * import { createApp, apiKeys } from "orca-durable/worker";
 * import { runtime } from "./runs.ts";
 *
 * const authenticate = apiKeys([["dev-key", "acme"]]);
 * export const app = createApp({
 *   authenticate: ({ request }) => authenticate(request),
 *   runs: (tenant) => runtime.for(tenant),
 * });
 * ```
 */
export function apiKeys(
  fixed: Iterable<readonly [key: string, caller: string | Caller]>,
  issued?: KeyStore,
): (request: Request) => Promise<Caller> {
  if (issued !== undefined) expectKind(issued, withMethods("find", "isEmpty"), "issued");
  const callers = read("fixed", () =>
    [...fixed].map(([key, caller]) => ({
      key: expectKind(key, aText, "fixed"),
      caller: typeof caller === "string" ? { tenant: caller, role: "admin" as const } : caller,
    })),
  );
  const known = callers.map(async ({ key, caller }) => ({ hash: await sha256(key), caller }));

  async function callerOf(key: string): Promise<Caller | undefined> {
    const hash = await sha256(key);
    // All hashes are compared, so that the time does not reveal which key came close.
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
    const key = givenKey(expectKind(request, aRequest, "request").headers);
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

const aRequest: Kind = ["a Request", (value) => typeof (value as Request).headers.get === "function"];

// An empty header, as a form or a proxy may send, does not hide a key in the other header.
function givenKey(headers: Headers): string | undefined {
  const bearer = /^Bearer +(.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return headers.get("x-api-key")?.trim() || bearer?.trim() || undefined;
}

/** Compares two hashes in constant time. */
function isSame(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index++) difference |= a.charCodeAt(index) ^ b.charCodeAt(index);
  return difference === 0;
}
