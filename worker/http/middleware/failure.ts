import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { httpStatus } from "../../../src/errors.ts";
import { DurableError, isDurableError } from "../../../src/index.ts";
import { present } from "../../../src/json.ts";
import type { ErrorContext } from "../../../src/types.ts";
import type { FailureAnswer } from "../contract/records.ts";
import type { AppEnv } from "../request.ts";

/**
 * The answer to a failed request: the status of the code, and a body that says what was wrong and where. An error that is not
 * a {@link DurableError} becomes an `internal_error` without any of its details.
 */
export function failure(c: Context<AppEnv>, error: unknown): Response {
  const known = isKnown(error) ? error : unknownError();
  const status = httpStatus[known.code];
  if (known.retryAfterMs !== undefined)
    c.header("retry-after", String(Math.ceil(Math.max(known.retryAfterMs, 0) / 1000)));
  if (known.code === "unauthorized") c.header("www-authenticate", "Bearer");
  const body: FailureAnswer = {
    error: {
      code: known.code,
      message: known.message,
      type: known.name,
      status,
      ...present({ hint: known.hint, path: known.path || undefined, missing: known.missing }),
    },
    trace_id: c.var.traceId,
  };
  return c.json(body, status satisfies ContentfulStatusCode);
}

/** False for a code that this version has no status for. */
function isKnown(error: unknown): error is DurableError {
  return isDurableError(error) && Object.hasOwn(httpStatus, error.code);
}

function unknownError(): DurableError {
  return new DurableError("internal_error", "internal error; the server logs the cause under this trace id");
}

/** True for a failure that the caller cannot have caused, so that it belongs in the server's log. */
export function isOurs(error: unknown): boolean {
  return !isKnown(error) || httpStatus[error.code] >= 500;
}

/** Logs a failure, with the trace id of its request if there is one. */
export function logError(error: unknown, { traceId }: ErrorContext = {}): void {
  console.error(...(traceId === undefined ? [error] : [`trace ${traceId}:`, error]));
}
