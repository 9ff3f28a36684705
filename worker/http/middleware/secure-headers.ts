import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "../call.ts";

/** What every answer says to browsers, but where its route knows better: a page has a policy of its own. */
const secure = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

export const secureHeaders: MiddlewareHandler<AppEnv> = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(secure)) if (!c.res.headers.has(name)) c.header(name, value);
};
