import { DurableError } from "../../src/index.ts";
import type { Caller } from "../http/auth/caller.ts";
import type { RateLimit } from "./platform.ts";

// The binding counts over 10 or 60 seconds and does not say which, so this is the longer one.
const ratePeriodMs = 60_000;

/**
 * Counts a call by `key`, where there is a limit. One that cannot be asked lets the call pass, and `onError` is told: it is
 * there for the sake of the service, and must not be what stops it.
 *
 * @throws `rate_limited` where there were too many.
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

/** By what a caller's calls are counted: an issued key is counted alone. */
export function callerKey({ keyId, tenant }: Caller): string {
  return keyId === undefined ? `tenant:${tenant}` : `key:${keyId}`;
}

/**
 * By what the calls from an address are counted: an IPv4 address, or the first 64 bits of an IPv6 address, since whoever has
 * one has all below them. Undefined for calls of other Workers, which come without.
 */
export function addressKey(request: Request): string | undefined {
  const address = request.headers.get("cf-connecting-ip");
  if (address === null) return undefined;
  if (!address.includes(":")) return `address:${address}`;
  const [head = [], tail = []] = address.split("::").map((side) => side.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  return `address:${[...head, ...zeros, ...tail].slice(0, 4).join(":")}`;
}
