import { DurableError } from "../../../src/index.ts";
import { sha256 } from "../../../src/json.ts";
import type { Caller } from "./caller.ts";
import { keyIdOf } from "./key.ts";
import type { KeyStore } from "./key-store.ts";

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
      throw new DurableError("internal_error", "no API key is configured, so nothing is served", {
        hint: "configure one, for the Worker with `wrangler secret put API_KEY` or `npm run keys -- issue`",
      });
    }
    if (key !== undefined) throw new DurableError("forbidden", "this API key is not valid");
    throw new DurableError("unauthorized", "this needs an API key", {
      hint: "send it as the header x-api-key, or as Authorization: Bearer",
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
