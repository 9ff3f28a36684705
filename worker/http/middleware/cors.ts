import type { Context, MiddlewareHandler } from "hono";
import type { AppEnv } from "../request.ts";

const methods = "GET, HEAD, POST, DELETE";
const taken =
  "authorization, content-type, x-api-key, idempotency-key, if-match, if-none-match, last-event-id, traceparent, x-trace-id";
const exposed = "etag, x-trace-id, traceparent, retry-after, allow";

// Firefox caps this at a day, and Chromium at two hours.
const maxAgeSeconds = 7_200;

/**
 * Allows pages of the given origins to call, and answers their preflights. Callers authenticate with a header that the page
 * sets itself, and cookies are never accepted, so `*` grants no rights.
 */
export function cors(originsOf: (c: Context<AppEnv>) => readonly string[]): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const origins = originsOf(c);
    const origin = c.req.header("origin");
    const isOpen = origins.includes("*");
    const isAllowed = origin !== undefined && (isOpen || origins.includes(origin));
    if (isAllowed && c.req.method === "OPTIONS" && c.req.header("access-control-request-method") !== undefined) {
      c.header("access-control-allow-methods", methods);
      c.header("access-control-allow-headers", taken);
      c.header("access-control-max-age", String(maxAgeSeconds));
      c.res = c.body(null, 204);
    } else await next();
    if (origins.length > 0 && !isOpen) c.header("vary", "origin", { append: true });
    if (!isAllowed) return;
    c.header("access-control-allow-origin", isOpen ? "*" : origin);
    c.header("access-control-expose-headers", exposed);
  };
}
