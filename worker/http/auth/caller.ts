import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { isId } from "../../../src/ids.ts";
import { DurableError } from "../../../src/index.ts";
import { type AppEnv, routeOf } from "../call.ts";

/** What a caller may do, each with what stands before it: look, start and move runs, and administer. */
export const roles = ["read", "execute", "admin"] as const;
export type Role = (typeof roles)[number];

/** Who makes a call. */
export interface Caller {
  /** The tenant whose runs these are: 1 to 200 characters of printable ASCII. */
  readonly tenant: string;
  readonly role: Role;
  /** The public id of the API key, where one was used. */
  readonly keyId?: string;
}

/** What a route of that method needs, unless it asks for more by {@link needs}. */
export function roleOfMethod(method: string): Role {
  return method === "GET" || method === "HEAD" ? "read" : "execute";
}

/** @throws `internal_error` where this is nobody: what authenticates is code of the deployment, and may be wrong. */
export function checkCaller(caller: Caller): Caller {
  if (isId(caller?.tenant) && roles.includes(caller.role)) return caller;
  throw new DurableError("internal_error", "the authentication names no tenant and role");
}

/** @throws `forbidden` where the caller's role does not reach that far. */
export function checkRole(caller: Caller, needed: Role): void {
  if (roles.indexOf(caller.role) >= roles.indexOf(needed)) return;
  throw new DurableError("forbidden", `this needs the role "${needed}", and the caller has "${caller.role}"`);
}

/** What the gates of {@link needs} demand, so that a caller is told at once and not of a lesser role first. */
const neededBy = new WeakMap<object, Role>();

/** For a route that needs more than its method says. */
export function needs(role: Role): MiddlewareHandler<AppEnv> {
  const gate: MiddlewareHandler<AppEnv> = async (c, next) => {
    checkRole(c.var.caller, role);
    await next();
  };
  neededBy.set(gate, role);
  return gate;
}

/** The role that the route of this request needs; undefined where there is no such route. */
export function neededRole(c: Context<AppEnv>): Role | undefined {
  const route = routeOf(c);
  const more = matchedRoutes(c).flatMap(({ handler }) => neededBy.get(handler) ?? []);
  return route && (more.at(-1) ?? roleOfMethod(route.method));
}
