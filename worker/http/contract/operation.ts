import type * as v from "valibot";
import type { ErrorCode } from "../../../src/index.ts";
import type { Role } from "../auth/caller.ts";

/** One route as the OpenAPI document describes it. The app does not need it; a test holds the two against each other. */
export interface Operation {
  readonly id: string;
  readonly method: "get" | "post" | "delete";
  /** With its parameters in braces. */
  readonly path: string;
  readonly tag: "runs" | "checkpoints" | "keys" | "legacy" | "service";
  readonly summary: string;
  readonly description?: string;
  /** True where it answers without a key. */
  readonly isOpen?: true;
  /** Where it needs more than its method says: "read" for GET, "execute" for the others. */
  readonly role?: Role;
  readonly isDeprecated?: true;
  /** True where it takes an Idempotency-Key. */
  readonly isIdempotent?: true;
  /** True where it takes If-Match, the ETag of the run that it changes or descends from. */
  readonly isConditional?: true;
  /** True where the answer is a run, with its ETag. */
  readonly hasETag?: true;
  /** Further headers that it takes. */
  readonly headers?: readonly ("IfNoneMatch" | "LastEventId")[];
  readonly query?: { readonly entries: Readonly<Record<string, v.GenericSchema>> };
  readonly body?: v.GenericSchema;
  /** `application/json` where absent. */
  readonly bodyType?: "application/x-ndjson";
  /** True where every field of the body may be missing, and so the body. */
  readonly isBodyOptional?: true;
  /** 204 has no body. */
  readonly status: 200 | 201 | 202 | 204;
  /** What the answer is, where it is not JSON. */
  readonly answerType?: AnswerType;
  /** Absent for any JSON, and for text. */
  readonly answer?: v.GenericSchema;
  /** Answers without a body that are no failures, and what each says. */
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
