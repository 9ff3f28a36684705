import type { Context, MiddlewareHandler } from "hono";
import type { OnError } from "../../../src/index.ts";
import { type AppEnv, routeOf } from "../call.ts";

/**
 * What is told of a request once it is answered. It names the route by its pattern and the key by its public id, so that
 * no payload, no key and nothing of a query is in it.
 */
export interface Access {
  readonly method: string;
  /** Such as `/v1/runs/:run_id`; absent where there is no such route. */
  readonly route?: string;
  readonly status: number;
  /** Until the answer began. */
  readonly ms: number;
  readonly traceId: string;
  /** Absent where nobody was told, like `keyId`. */
  readonly tenant?: string;
  readonly keyId?: string;
}

/** What `onAccess` throws is told to `onError`: an answer does not fail because nobody could write it down. */
export function accessLog(
  onAccess: (c: Context<AppEnv>, access: Access) => void,
  onError: OnError,
): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const startedAt = Date.now();
    await next();
    try {
      onAccess(c, { ...accessOf(c), ms: Date.now() - startedAt });
    } catch (error) {
      onError(error, { traceId: c.var.traceId });
    }
  };
}

function accessOf(c: Context<AppEnv>): Omit<Access, "ms"> {
  const route = routeOf(c);
  // A preflight, and what was refused before anybody looked at who makes it, has no caller.
  const caller: AppEnv["Variables"]["caller"] | undefined = c.var.caller;
  return {
    method: c.req.method,
    ...(route === undefined ? {} : { route: route.path }),
    status: c.res.status,
    traceId: c.var.traceId,
    ...(caller === undefined ? {} : { tenant: caller.tenant }),
    ...(caller?.keyId === undefined ? {} : { keyId: caller.keyId }),
  };
}

/** One line of JSON, as logs take it. */
export function accessLine({ method, route, status, ms, traceId, tenant, keyId }: Access): string {
  return JSON.stringify({
    method,
    route: route ?? null,
    status,
    ms,
    trace_id: traceId,
    tenant: tenant ?? null,
    key_id: keyId ?? null,
  });
}
