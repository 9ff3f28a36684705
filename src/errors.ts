/** Every code a {@link DurableError} can carry. Codes are stable: match on them, never on a message or a class. */
export type ErrorCode = keyof typeof httpStatus;

/**
 * The HTTP status of each code, the one table from which the worker answers.
 * Source: the ORCA durability contract, section 3; the codes that it lacks are ours.
 */
export const httpStatus = {
  invalid_request: 400,
  invalid_definition: 400,
  unsupported_version: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  invalid_transition: 409,
  idempotency_conflict: 409,
  inbox_full: 409,
  run_canceled: 409,
  precondition_failed: 412,
  too_large: 413,
  nondeterminism: 422,
  nested_step: 422,
  rate_limited: 429,
  internal_error: 500,
  corrupt_data: 500,
  recovery_exhausted: 500,
  run_failed: 500,
  step_failed: 500,
  invalid_output: 500,
  unsupported: 501,
  upstream_failure: 502,
  store_failed: 503,
  store_blocked: 503,
  store_outdated: 503,
  step_timeout: 504,
  quota_exceeded: 507,
} as const;

/** What is missing, on a `not_found`. */
export type MissingKind = "run" | "checkpoint" | "state" | "skill" | "capability";

/** The options of a `DurableError`. */
export interface DurableErrorOptions {
  /** The place of the fault in the input, such as `state.vars.items[3]`. */
  readonly path?: string;
  /** What the reader can do about it. */
  readonly hint?: string;
  readonly cause?: unknown;
  /** The number of milliseconds after which the same call may succeed. */
  readonly retryAfterMs?: number;
  readonly missing?: MissingKind;
  /** Plain facts about the fault, for programs. */
  readonly details?: Readonly<Record<string, string | number | boolean>>;
}

/**
 * The one error class of this package. Classes do not survive bundles, realms or JSON, so distinguish errors by `code`;
 * {@link isDurableError} reads it from any value.
 *
 * @example
 * ```ts
 * import { DurableError } from "orca-durable";
 *
 * export function customerOf(headers: Headers): string {
 *   const customer = headers.get("x-customer");
 *   if (customer !== null) return customer;
 *   throw new DurableError("unauthorized", "the request names no customer", { hint: "send the header x-customer" });
 * }
 * ```
 */
export class DurableError extends Error {
  override readonly name = "DurableError";
  readonly code: ErrorCode;
  readonly path?: string;
  readonly hint?: string;
  readonly retryAfterMs?: number;
  readonly missing?: MissingKind;
  readonly details?: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, options: DurableErrorOptions = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    const { path, hint, retryAfterMs, missing, details } = options;
    Object.assign(this, { path, hint, retryAfterMs, missing, details });
  }
}

const codeForm = /^[a-z_]{1,40}$/;

/**
 * True for a {@link DurableError} of any copy of this package, also of a newer one that has more codes; if there are `codes`,
 * only for one of these.
 *
 * @example
 * ```ts
 * import { isDurableError, type Runs } from "orca-durable";
 *
 * export async function find(runs: Runs, runId: string) {
 *   try {
 *     return await runs.get(runId);
 *   } catch (error) {
 *     if (isDurableError(error, "not_found")) return undefined;
 *     throw error;
 *   }
 * }
 * ```
 */
export function isDurableError(error: unknown, ...codes: readonly ErrorCode[]): error is DurableError {
  if (typeof error !== "object" || error === null) return false;
  try {
    const { name, code } = error as Partial<DurableError>;
    if (name !== "DurableError" || typeof code !== "string") return false;
    return codes.length === 0 ? codeForm.test(code) : codes.includes(code);
  } catch {
    // Anything can be thrown, also what throws when it is looked at.
    return false;
  }
}

/** True for the error of stored data that is damaged, or of a newer version. */
export function isUnreadableData(error: unknown): error is DurableError {
  return isDurableError(error, "corrupt_data", "unsupported_version");
}

const passing: readonly ErrorCode[] = [
  "rate_limited",
  "upstream_failure",
  "store_failed",
  "store_blocked",
  "store_outdated",
  "internal_error",
];

/** True if the same request may succeed later. */
export function isPassing({ code }: DurableError): boolean {
  return passing.includes(code);
}

/** A `not_found` that names what was missing. */
export function notFound(missing: MissingKind, message: string, options: DurableErrorOptions = {}): DurableError {
  return new DurableError("not_found", message, { ...options, missing });
}

/** An `invalid_request`, or an error of another code for what a caller passed, that names the place. */
export function invalidRequest(
  path: string | undefined,
  problem: string,
  options: DurableErrorOptions = {},
  code: ErrorCode = "invalid_request",
): DurableError {
  const message = path === undefined || path === "" ? problem : `${path}: ${problem}`;
  return new DurableError(code, message, { ...options, path: path ?? "" });
}

/** An `invalid_definition` that names the place. */
export function invalidDefinition(path: string, problem: string, options?: DurableErrorOptions): DurableError {
  return invalidRequest(path, problem, options, "invalid_definition");
}

/** The context in which an error occurred. */
export interface ErrorContext {
  readonly tenantId?: string;
  readonly runId?: string;
  readonly skillId?: string;
  /** The step that failed, if the error is a step's own. */
  readonly stepId?: string;
  /** The trace id of the run, or of the request that caused the error. */
  readonly traceId?: string;
}

/** A function that is called with a failure and where it occurred. */
export type OnError = (error: unknown, context?: ErrorContext) => void;

/** What a caller passed, as text for an error message. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value).slice(0, 100);
  if (Array.isArray(value)) return "an array";
  // An object need not have a text.
  return typeof value === "object" && value !== null ? "an object" : String(value).slice(0, 100);
}
