import type * as v from "valibot";
import type { ErrorCode } from "../../../src/index.ts";
import type { Role } from "../auth/caller.ts";

/** One route as the OpenAPI document describes it. The app does not use it; a test checks that both agree. */
export interface Operation {
  readonly id: string;
  readonly method: "get" | "post" | "delete";
  /** The path, with its parameters in braces. */
  readonly path: string;
  readonly tag: "runs" | "checkpoints" | "keys" | "legacy" | "service";
  readonly summary: string;
  readonly description?: string;
  /** True if the route needs no key. */
  readonly isOpen?: true;
  /** The role that the route requires. Default: `read` for GET, `execute` for other methods. */
  readonly role?: Role;
  readonly isDeprecated?: true;
  /** True if the route accepts an Idempotency-Key. */
  readonly isIdempotent?: true;
  /** True if the route accepts If-Match: the ETag of the run that it changes or descends from. */
  readonly isConditional?: true;
  /** True if the answer is a run with its ETag. */
  readonly hasETag?: true;
  /** Other headers that the route accepts. */
  readonly headers?: readonly ("IfNoneMatch" | "LastEventId")[];
  readonly query?: { readonly entries: Readonly<Record<string, v.GenericSchema>> };
  readonly body?: v.GenericSchema;
  /** Default: `application/json`. */
  readonly bodyType?: "application/x-ndjson";
  /** True if every field of the body is optional, so that the body is optional too. */
  readonly isBodyOptional?: true;
  /** 204 has no body. */
  readonly status: 200 | 201 | 202 | 204;
  /** The media type of the answer, if it is not JSON. */
  readonly answerType?: AnswerType;
  /** Absent if the answer is arbitrary JSON or text. */
  readonly answer?: v.GenericSchema;
  /** Successful answers without a body, with their descriptions. */
  readonly also?: { readonly [status in 204 | 304]?: string };
  readonly errors: readonly ErrorCode[];
}

type AnswerType = "application/x-ndjson" | "text/event-stream" | "text/html" | "text/javascript";

/** The role that a caller of the operation must have. */
export function roleOf({ method, role }: Operation): Role {
  return role ?? (method === "get" ? "read" : "execute");
}

export const always = ["invalid_request"] as const;
export const keyed = [
  ...always,
  "unauthorized",
  "forbidden",
  "rate_limited",
  "internal_error",
  "corrupt_data",
  "unsupported",
  "store_failed",
  "store_blocked",
  "store_outdated",
] as const;
export const administering = [...keyed, "not_found"] as const;
export const issuing = [...administering, "too_large"] as const;
export const reading = [...keyed, "unsupported_version"] as const;
export const ofRun = [...reading, "not_found"] as const;
const writing = ["too_large", "conflict", "quota_exceeded"] as const;
export const starting = [...ofRun, ...writing, "idempotency_conflict"] as const;
export const moving = [...ofRun, ...writing, "invalid_transition", "precondition_failed"] as const;
export const deciding = [...moving, "idempotency_conflict"] as const;
export const signaling = [...deciding, "inbox_full"] as const;
export const saving = [...ofRun, ...writing, "precondition_failed"] as const;
export const descending = [...saving, "idempotency_conflict"] as const;
export const importing = [...reading, ...writing] as const;
export const exporting = [...ofRun, "conflict"] as const;
