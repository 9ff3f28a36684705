import type * as v from "valibot";
import type { ErrorCode } from "../../../src/index.ts";

/** Routes of one kind, by the id of their operation. The app does not use it; a test checks that both agree. */
export type Family = Readonly<Record<string, Described>>;

/** The groups of the document. */
type Tag = "runs" | "schedules" | "checkpoints" | "keys" | "legacy" | "service";

/** One route, as its family describes it. The role that it requires is in the route: see `needs`. */
interface Described {
  /** The path has its parameters in braces. */
  readonly route: `${"GET" | "POST" | "DELETE"} ${string}`;
  readonly summary: string;
  readonly description?: string;
  /** True if the route needs no key. */
  readonly isOpen?: true;
  readonly isDeprecated?: true;
  readonly exchange: Exchange;
}

/** What a route accepts and answers. */
interface Exchange {
  /** Headers that the route accepts, beside those of each route and those that follow from its errors. */
  readonly headers?: readonly ("IfNoneMatch" | "LastEventId")[];
  readonly query?: { readonly entries: Readonly<Record<string, v.GenericSchema>> };
  readonly body?: v.GenericSchema;
  /** Default: `application/json`. */
  readonly bodyType?: "application/x-ndjson";
  /** Default: 200. 204 has no body. */
  readonly status?: 200 | 201 | 202 | 204;
  /** True if the answer is a run with its ETag. */
  readonly hasETag?: true;
  /** Absent if the answer is arbitrary JSON or text. */
  readonly answer?: v.GenericSchema;
  /** The media type of the answer, if it is not JSON. */
  readonly answerType?: AnswerType;
  /** Successful answers without a body, with their descriptions. */
  readonly also?: { readonly [status in 204 | 302 | 304]?: string };
  readonly errors: readonly ErrorCode[];
}

/** One route with everything that the OpenAPI document says of it. */
export interface Operation extends Omit<Described, "route" | "exchange">, Exchange {
  readonly id: string;
  readonly tag: Tag;
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly status: 200 | 201 | 202 | 204;
  /** True if the route accepts an Idempotency-Key. */
  readonly isIdempotent: boolean;
  /** True if the route accepts If-Match: the ETag of the run that it changes or descends from. */
  readonly isConditional: boolean;
}

export function operationsOf(tag: Tag, family: Family): readonly Operation[] {
  return Object.entries(family).map(([id, { route, exchange, ...described }]) => {
    const [method, path = ""] = route.split(" ");
    const { status = 200, errors } = exchange;
    return {
      ...described,
      ...exchange,
      id,
      tag,
      method: method?.toLowerCase() as Operation["method"],
      path,
      status,
      isIdempotent: errors.includes("idempotency_conflict"),
      isConditional: errors.includes("precondition_failed"),
    };
  });
}

type AnswerType = "application/x-ndjson" | "text/event-stream" | "text/html" | "text/javascript";

/** The codes of both lists. A spread at the top of a module would do the same, but bundlers keep it. */
/* @__NO_SIDE_EFFECTS__ */
function and(codes: readonly ErrorCode[], more: readonly ErrorCode[]): readonly ErrorCode[] {
  return [...codes, ...more];
}

export const always: readonly ErrorCode[] = ["invalid_request"];
export const keyed = and(always, [
  "unauthorized",
  "forbidden",
  "rate_limited",
  "internal_error",
  "corrupt_data",
  "unsupported",
  "store_failed",
  "store_blocked",
  "store_outdated",
]);
export const administering = and(keyed, ["not_found"]);
export const issuing = and(administering, ["too_large"]);
export const reading = and(keyed, ["unsupported_version"]);
export const ofRun = and(reading, ["not_found"]);
const writing: readonly ErrorCode[] = ["too_large", "conflict", "quota_exceeded"];
export const starting = and(and(ofRun, writing), ["idempotency_conflict"]);
export const moving = and(and(ofRun, writing), ["invalid_transition", "precondition_failed"]);
export const deciding = and(moving, ["idempotency_conflict"]);
export const signaling = and(deciding, ["inbox_full"]);
export const saving = and(and(ofRun, writing), ["precondition_failed"]);
export const descending = and(saving, ["idempotency_conflict"]);
export const importing = and(reading, writing);
export const exporting = and(ofRun, ["conflict"]);
