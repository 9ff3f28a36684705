import { DurableError } from "../src/index.ts";
import type { Caller } from "./caller.ts";

/**
 * Tells callers by the key that they send as `x-api-key` or as `Authorization: Bearer`. `callers` are the callers by key;
 * a tenant alone is its admin.
 *
 * @throws `unauthorized` without a key, `forbidden` for a wrong one, and `internal_error` for every call where there is
 * no key at all: a service without keys stays shut rather than open.
 */
export function apiKeys(
  callers: Iterable<readonly [key: string, caller: string | Caller]>,
): (request: Request) => Promise<Caller> {
  const keys = [...callers].map(async ([key, caller]) => ({
    digest: await digestOf(key),
    caller: typeof caller === "string" ? { tenant: caller, role: "admin" as const } : caller,
  }));
  return async (request) => {
    if (keys.length === 0) {
      throw new DurableError("internal_error", "no API key is configured, so nothing is served", {
        hint: "configure one, for the Worker with `wrangler secret put API_KEY`",
      });
    }
    const given = givenKey(request.headers);
    if (given === undefined) {
      throw new DurableError("unauthorized", "this needs an API key", {
        hint: "send it as the header x-api-key, or as Authorization: Bearer",
      });
    }
    const digest = await digestOf(given);
    // All of them are compared, so that the time taken does not tell which one came near.
    const matches = (await Promise.all(keys)).filter((key) => isSame(key.digest, digest));
    const [match] = matches;
    if (match === undefined) throw new DurableError("forbidden", "this API key is not valid");
    return match.caller;
  };
}

function givenKey(headers: Headers): string | undefined {
  const key = headers.get("x-api-key") ?? /^Bearer +(.+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return key === undefined || key === "" ? undefined : key;
}

async function digestOf(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Compares two digests in a time that does not depend on where they differ. */
function isSame(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let index = 0; index < a.length; index++) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}
