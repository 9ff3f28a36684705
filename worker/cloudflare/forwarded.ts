import { invalidRequest } from "../../src/errors.ts";
import { DurableError } from "../../src/index.ts";
import { parseJson } from "../../src/json.ts";
import type { Caller } from "../http/index.ts";
import { checkCaller } from "../http/request.ts";

// How a call goes from the front to the object of its tenant.

/** Who calls, as the front has found out. The front overwrites it in each call, and an object has no other door. */
const callerHeader = "x-orca-caller";

/** What the object has no use for: it does not check keys. */
const secrets = ["x-api-key", "authorization", "cookie"];

/** True for calls about keys, which the front answers itself. */
export function isAboutKeys({ url }: Request): boolean {
  return /^\/v1\/keys(\/|$)/.test(new URL(url).pathname);
}

/**
 * The call as the object of the tenant gets it.
 *
 * @throws `invalid_request` for an empty condition or key: the platform forwards no empty header, and neither may be ignored.
 */
export function forwarded(request: Request, caller: Caller): Request {
  if (request.headers.get("if-match") === "") throw invalidRequest("If-Match", "expected * or the ETag of a run");
  if (request.headers.get("idempotency-key") === "") throw invalidRequest("idempotency_key", "expected a key");
  // Without its signal: a reader that leaves cancels the body of the answer.
  const call = new Request(request, { signal: null });
  for (const name of secrets) call.headers.delete(name);
  call.headers.set(callerHeader, JSON.stringify(caller));
  return call;
}

/** @throws `unauthorized` if the call did not come through a front. */
export function forwardedCaller({ headers }: Request): Caller {
  const text = headers.get(callerHeader);
  if (text === null) throw new DurableError("unauthorized", "this call did not come through a front");
  return checkCaller(parseJson(text, callerHeader) as unknown as Caller);
}
