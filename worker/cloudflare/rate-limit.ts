import { DurableError } from "../../src/index.ts";
import type { Caller } from "../http/auth/caller.ts";
import type { RateLimit } from "./platform.ts";

// The binding counts over 10 or 60 seconds and does not say which, so this is the longer period.
const ratePeriodMs = 60_000;

/**
 * Counts a call by `key`, if there is a limit. If the limiter fails, the call is allowed and `onError` is called: the limiter
 * protects the service, and must not stop it.
 *
 * @throws `rate_limited` if there were too many calls.
 */
export async function countCall(
  limit: RateLimit | undefined,
  key: string,
  onError: (error: unknown) => void,
): Promise<void> {
  if (limit === undefined || (await isWithin(limit, key, onError))) return;
  throw new DurableError("rate_limited", "too many requests", { retryAfterMs: ratePeriodMs });
}

async function isWithin(limit: RateLimit, key: string, onError: (error: unknown) => void): Promise<boolean> {
  try {
    return (await limit.limit({ key })).success;
  } catch (cause) {
    onError(new DurableError("upstream_failure", "the rate limiter failed, so the call was allowed", { cause }));
    return true;
  }
}

/** The key that counts a caller's calls: each issued key is counted separately. */
export function callerKey({ keyId, tenant }: Caller): string {
  return keyId === undefined ? `tenant:${tenant}` : `key:${keyId}`;
}

/**
 * The key that counts the calls from an address: an IPv4 address, or the first 64 bits of an IPv6 address, since a client
 * usually controls a whole /64. Undefined for calls from other Workers, which have no address.
 */
export function addressKey(request: Request): string | undefined {
  const address = request.headers.get("cf-connecting-ip");
  if (address === null) return undefined;
  if (!address.includes(":")) return `address:${address}`;
  const [head = [], tail = []] = address.split("::").map((side) => side.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  return `address:${[...head, ...zeros, ...tail].slice(0, 4).join(":")}`;
}
