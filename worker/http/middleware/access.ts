import type { Context, MiddlewareHandler } from "hono";
import type { OnError } from "../../../src/index.ts";
import { read } from "../../../src/json.ts";
import { type AppEnv, routeOf } from "../request.ts";

/**
 * The log record of an answered request. It has the pattern of the route and the public id of the key, so that it never
 * contains a payload, a key or a query.
 */
export interface Access {
  readonly method: string;
  /** Such as `/v1/runs/:run_id`; absent if no route matches. */
  readonly route?: string;
  readonly status: number;
  /** The time until the answer began, in milliseconds. */
  readonly ms: number;
  readonly traceId: string;
  /** Absent if the caller is unknown, like `keyId`. */
  readonly tenant?: string;
  readonly keyId?: string;
}

/** An error that `onAccess` throws goes to `onError`: a failing log must not fail the answer. */
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
  // A preflight has no caller, nor has a request that was rejected before authentication.
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

/**
 * The record as one line of JSON.
 * @example
 * ```ts
 * import { type Access, accessLine } from "orca-durable/worker";
 *
 * export const onAccess = (access: Access) => console.log(accessLine(access));
 * ```
 */
export function accessLine(access: Access): string {
  return read("access", () => {
    const { method, route, status, ms, traceId, tenant, keyId } = access;
    return JSON.stringify({
      method,
      route: route ?? null,
      status,
      ms,
      trace_id: traceId,
      tenant: tenant ?? null,
      key_id: keyId ?? null,
    });
  });
}
