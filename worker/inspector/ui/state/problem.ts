import { isDurableError } from "../../../../src/errors.ts";

/** A failure, as it is shown. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** The status of the service's answer; absent if there was none. */
  readonly status?: number;
  readonly traceId?: string;
}

/**
 * The thrown error as a problem, in the words of the service if it answered. An error that the client did not throw is a
 * fault of the inspector.
 */
export function problemOf(thrown: unknown): Problem {
  if (!isDurableError(thrown)) {
    return { code: "inspector_error", message: thrown instanceof Error ? thrown.message : String(thrown) };
  }
  const { code, message, hint, details: { status, traceId } = {} } = thrown;
  if (code === "upstream_failure" && status === undefined) {
    return { code, message: "The service cannot be reached.", hint: "The inspector tries again automatically." };
  }
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(typeof status === "number" ? { status } : {}),
    ...(typeof traceId === "string" ? { traceId } : {}),
  };
}
