import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import type { Runs } from "../../src/index.ts";
import { type Caller, checkRole, type Role, roleOfMethod } from "./auth/caller.ts";
import type { KeyStore } from "./auth/keys.ts";
import type { CheckedStream, OpenStream } from "./stream.ts";

/** One request, as the app hands it to whoever knows the platform. */
export interface Call<Bindings> {
  readonly request: Request;
  /** What the platform's `fetch` was given beside the request. The app never looks into it. */
  readonly env: Bindings;
  /** Names this call in logs, and the runs that it starts. */
  readonly traceId: string;
  /** The header of that name for what is called on behalf of this call. Source: https://www.w3.org/TR/trace-context/ */
  readonly traceparent: string;
  /** Keeps the platform awake until the work is done, also after the answer. */
  background(work: Promise<unknown>): void;
}

/** What the app knows of a request by the time a route sees it. */
export interface AppEnv {
  // Hono's word for what the platform hands in; the routes must not know more of it.
  readonly Bindings: object;
  readonly Variables: {
    traceId: string;
    traceparent: string;
    maxBodyBytes: number;
    maxBodyValues: number;
    maxImportBytes: number;
    stream: CheckedStream;
    /** Tells the platform of a stream that begins. */
    watched(stream: OpenStream): void;
    /** Tells the log of a failure that no answer can tell any more. */
    report(error: unknown): void;
    caller: Caller;
    /** The runs of the caller's tenant. */
    runs: Runs;
    /** Absent where callers are not told by keys that are issued here. */
    keys: KeyStore | undefined;
  };
}

export function callOf<Bindings>(c: Context<AppEnv>): Call<Bindings> {
  const { traceId, traceparent } = c.var;
  return { request: c.req.raw, env: asBindings<Bindings>(c.env), traceId, traceparent, background: backgroundOf(c) };
}

/** The route that the request meets; undefined where there is none of its path and method. */
export function routeOf(c: Context<AppEnv>): { readonly method: string; readonly path: string } | undefined {
  // Middleware is of all methods.
  return matchedRoutes(c).findLast(({ method }) => method !== "ALL");
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

// Whoever calls `fetch` passes the bindings that the app was created for.
function asBindings<Bindings>(env: object): Bindings {
  return env as Bindings;
}

function backgroundOf(c: Context): (work: Promise<unknown>) => void {
  try {
    const { executionCtx } = c;
    return (work) => executionCtx.waitUntil(work);
  } catch {
    // A platform without such a context, as Node: it stays awake by itself.
    return () => {};
  }
}
