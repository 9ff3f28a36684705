import type { Context } from "hono";
import { invalidRequest } from "../../src/errors.ts";
import { isId, randomHex } from "../../src/ids.ts";
import type { CurrentRun, Precondition } from "../../src/index.ts";
import type { AppEnv } from "./call.ts";

/** The key under which a call is made once, if it has one. */
export function idempotencyKeyOf(c: Context<AppEnv>): string | undefined {
  return c.req.header("idempotency-key");
}

// The ETag of a run is the revision of its last history entry. Source: RFC 9110, sections 8.8.3 and 13.

const tagList =
  /^[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"(?:[ \t]*,[ \t]*(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")*[ \t]*$/;

/** Says in the answer at which revision the run is. */
export function tag(c: Context<AppEnv>, { revision }: CurrentRun): void {
  c.header("etag", `"${revision}"`);
}

/**
 * What the request's If-Match demands of the run. A tag that no run can have demands something that never is.
 *
 * @throws `invalid_request` where it is no list of tags: a condition is not to be overlooked.
 */
export function preconditionOf(c: Context<AppEnv>): Precondition {
  const given = c.req.header("if-match");
  if (given === undefined || given.trim() === "*") return {};
  if (!tagList.test(given)) {
    throw invalidRequest("If-Match", 'expected * or the ETag of a run, such as "12"', {
      hint: "the quotation marks are part of it",
    });
  }
  const revisions = [...given.matchAll(/(W\/)?"([^"]*)"/g)].flatMap(([, weak, text = ""]) =>
    weak === undefined && /^\d{1,15}$/.test(text) ? [Number(text)] : [],
  );
  return { expectedRevision: revisions };
}

/** True where the caller has the run as it is. */
export function isKnown(c: Context<AppEnv>, { revision }: CurrentRun): boolean {
  const given = c.req.header("if-none-match");
  if (given === undefined) return false;
  return given.trim() === "*" || (tagList.test(given) && given.match(/"[^"]*"/g)?.includes(`"${revision}"`) === true);
}

export const traceHeader = "x-trace-id";
export const parentHeader = "traceparent";

/** By which ids a request is known, its own and those of the W3C. */
export interface Trace {
  readonly traceId: string;
  /** As the header of that name: the caller's trace, with this request as the parent of what follows. */
  readonly traceparent: string;
}

/**
 * What the caller sent of its trace where it can be echoed, else something new. The trace id is `x-trace-id`, or else
 * that of `traceparent`. Source: https://www.w3.org/TR/trace-context/
 */
export function traceOf({ headers }: Request): Trace {
  const given = headers.get(traceHeader);
  const parent = parentOf(headers.get(parentHeader));
  const w3c = parent?.traceId ?? ownForm.exec(given ?? "")?.[1] ?? hex(16);
  const traceId = isId(given) ? given : (parent?.traceId ?? `trace_${w3c}`);
  return { traceId, traceparent: `00-${w3c}-${hex(8)}-${parent?.flags ?? "00"}` };
}

/** A trace id that is the W3C's, or made from one. */
const ownForm = /^(?:trace_)?((?!0{32})[0-9a-f]{32})$/;

interface Parent {
  readonly traceId: string;
  /** Whether the trace is sampled; the other flags are not ours to pass on. */
  readonly flags: "00" | "01";
}

// A later version may say more after what this one says; "ff" is none, and ids of zeros are no ids.
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

function parentOf(header: string | null): Parent | undefined {
  const [, version, traceId = "", flags = "", more] = form.exec(header ?? "") ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return { traceId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? "01" : "00" };
}

function hex(bytes: number): string {
  return randomHex((length) => crypto.getRandomValues(new Uint8Array(length)), bytes);
}

/** The trace id of a run that is started: the body's, which is then the request's too unless a header named another. */
export function startedTraceId(c: Context<AppEnv>, given: string | null | undefined): string {
  if (given === undefined || given === null) return c.var.traceId;
  // A header loses the blanks at its ends, and then would say another id than the answer's body.
  if (c.req.header(traceHeader) === undefined && given.trim() === given) c.set("traceId", given);
  return given;
}
