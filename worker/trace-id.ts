import type { Context } from "hono";
import { isId } from "../src/ids.ts";
import type { AppEnv } from "./call.ts";

export const traceHeader = "x-trace-id";

/** The caller's trace id where it sent one that can be echoed; else a new one. */
export function traceIdOf(request: Request): string {
  const given = request.headers.get(traceHeader);
  return isId(given) ? given : `trace_${crypto.randomUUID().replaceAll("-", "")}`;
}

/** The trace id of a run that is started: the body's, which is then the request's too unless a header named another. */
export function startedTraceId(c: Context<AppEnv>, given: string | null | undefined): string {
  if (given === undefined || given === null) return c.var.traceId;
  if (c.req.header(traceHeader) === undefined) c.set("traceId", given);
  return given;
}
