import { DurableError, type ErrorCode, httpStatus } from "../../src/errors.ts";
import type { FailureAnswer } from "../http/contract/records.ts";

/**
 * The error of a failed answer: the code, the hint and the retry delay of the service. `details.traceId` identifies the
 * request in the server's log. An answer that did not come from the service, such as the page of a proxy, gets the code of
 * its HTTP status.
 */
export async function failureOf(response: Response): Promise<DurableError> {
  const text = await response.text().catch(() => "");
  const { error, trace_id } = failureAnswer(text);
  const traceId = trace_id ?? response.headers.get("x-trace-id");
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new DurableError(
    codeOf(error?.code, response.status),
    error?.message ?? `the service answered with the HTTP status ${response.status}`,
    {
      ...(error?.hint === undefined ? {} : { hint: error.hint }),
      ...(error?.path === undefined ? {} : { path: error.path }),
      ...(error?.missing === undefined ? {} : { missing: error.missing }),
      ...(Number.isFinite(seconds) ? { retryAfterMs: seconds * 1000 } : {}),
      details: { status: response.status, ...(traceId === null ? {} : { traceId }) },
    },
  );
}

function failureAnswer(text: string): Partial<FailureAnswer> {
  try {
    const json = JSON.parse(text) as unknown;
    return typeof json === "object" && json !== null ? json : {};
  } catch {
    return {};
  }
}

// A newer service may have codes that this client does not know.
function codeOf(code: unknown, status: number): ErrorCode {
  if (typeof code === "string" && Object.hasOwn(httpStatus, code)) return code as ErrorCode;
  const codes = Object.keys(httpStatus) as ErrorCode[];
  return codes.find((one) => status < 500 && httpStatus[one] === status) ?? "upstream_failure";
}
