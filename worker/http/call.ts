import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { isId, randomHex } from "../../src/ids.ts";
import { DurableError, type Runs } from "../../src/index.ts";
import { type Caller, type Role, roles } from "./auth/caller.ts";
import type { KeyStore } from "./auth/keys.ts";
import type { CheckedStream, OpenStream } from "./stream.ts";

/** One request, as the app passes it to the functions of the platform. */
export interface Call<Bindings> {
  readonly request: Request;
  /** The second argument of the platform's `fetch`. The app never reads it. */
  readonly env: Bindings;
  /** Identifies this call in logs, and becomes the trace id of runs that it starts. */
  readonly traceId: string;
  /** The `traceparent` header for requests made on behalf of this call. Source: https://www.w3.org/TR/trace-context/ */
  readonly traceparent: string;
  /** Keeps the platform awake until the work settles, also after the answer. */
  background(work: Promise<unknown>): void;
}

/** What the app knows about a request when it reaches a route. */
export interface AppEnv {
  // Hono's name for the second argument of `fetch`. Routes must not know more about it.
  readonly Bindings: object;
  readonly Variables: {
    traceId: string;
    traceparent: string;
    maxBodyBytes: number;
    maxBodyValues: number;
    /** Begins to count a body that is read; see `LargeBodies`. */
    holdBody(): { add(length: number): void; turn(): Promise<void>; close(): void };
    maxImportBytes: number;
    stream: CheckedStream;
    /** Reports a stream that begins to the platform. */
    watched(stream: OpenStream): void;
    /** Reports a failure to the log when no answer can carry it any more. */
    report(error: unknown): void;
    caller: Caller;
    /** The runs of the caller's tenant. */
    runs: Runs;
    /** Absent if this service does not issue keys. */
    keys: KeyStore | undefined;
  };
}

export function callOf<Bindings>(c: Context<AppEnv>): Call<Bindings> {
  const { traceId, traceparent } = c.var;
  return { request: c.req.raw, env: asBindings<Bindings>(c.env), traceId, traceparent, background: backgroundOf(c) };
}

/** The route that matches the request; undefined if no route has its path and method. */
export function routeOf(c: Context<AppEnv>): { readonly method: string; readonly path: string } | undefined {
  // Middleware matches all methods.
  return matchedRoutes(c).findLast(({ method }) => method !== "ALL");
}

/** @throws `internal_error` if the caller is invalid: authentication is code of the deployment, and may be wrong. */
export function checkCaller(caller: Caller): Caller {
  if (isId(caller?.tenant) && roles.includes(caller.role)) return caller;
  throw new DurableError("internal_error", "authenticate() must return a caller with a tenant id and a role");
}

/** The roles that the gates of {@link needs} require. */
const neededBy = new WeakMap<object, Role>();

/**
 * For a route that requires a role other than the default. The gate only carries the role; {@link checkRoute} checks it before
 * the route is entered.
 */
export function needs(role: Role): MiddlewareHandler<AppEnv> {
  const gate: MiddlewareHandler<AppEnv> = (_, next) => next();
  neededBy.set(gate, role);
  return gate;
}

/** The role that a route requires, by its method and its handlers. Default: `read` for GET, `execute` for other methods. */
export function roleOf(method: string, handlers: readonly object[]): Role {
  return handlers.flatMap((handler) => neededBy.get(handler) ?? []).at(-1) ?? (method === "GET" ? "read" : "execute");
}

/**
 * Checks the role of the caller for the route of the request. If there is no such route, that is reported later.
 *
 * @throws `forbidden` if the role of the caller does not allow the call.
 */
export function checkRoute(c: Context<AppEnv>): void {
  const route = routeOf(c);
  if (route === undefined) return;
  const needed = roleOf(
    route.method,
    matchedRoutes(c).map(({ handler }) => handler),
  );
  const { caller } = c.var;
  if (roles.indexOf(caller.role) >= roles.indexOf(needed)) return;
  throw new DurableError(
    "forbidden",
    `this call requires the role "${needed}"; the caller has the role "${caller.role}"`,
  );
}

// The caller of `fetch` passes the bindings for which the app was created.
function asBindings<Bindings>(env: object): Bindings {
  return env as Bindings;
}

function backgroundOf(c: Context): (work: Promise<unknown>) => void {
  try {
    const { executionCtx } = c;
    return (work) => executionCtx.waitUntil(work);
  } catch {
    // A platform without an execution context, such as Node, stays awake by itself.
    return () => {};
  }
}

export const traceHeader = "x-trace-id";
export const parentHeader = "traceparent";

/** The ids of a request: its own, and those of the W3C. */
export interface Trace {
  readonly traceId: string;
  /** The value of the `traceparent` header: the caller's trace, with this request as the parent. */
  readonly traceparent: string;
}

/**
 * The caller's trace if it is valid, or else a new one. The trace id is that of `x-trace-id`, or else that of `traceparent`.
 * Source: https://www.w3.org/TR/trace-context/
 */
export function traceOf({ headers }: Request): Trace {
  const given = headers.get(traceHeader);
  const parent = parentOf(headers.get(parentHeader));
  const w3c = parent?.traceId ?? ownForm.exec(given ?? "")?.[1] ?? hex(16);
  const traceId = isId(given) ? given : (parent?.traceId ?? `trace_${w3c}`);
  return { traceId, traceparent: `00-${w3c}-${hex(8)}-${parent?.flags ?? "00"}` };
}

/** A trace id of the W3C, or one that was made from it. */
const ownForm = /^(?:trace_)?((?!0{32})[0-9a-f]{32})$/;

interface Parent {
  readonly traceId: string;
  /** Whether the trace is sampled. The other flags are not passed on. */
  readonly flags: "00" | "01";
}

// A later version may append fields. "ff" is not a version, and zeros are not an id.
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

function parentOf(header: string | null): Parent | undefined {
  const [, version, traceId = "", flags = "", more] = form.exec(header ?? "") ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return { traceId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? "01" : "00" };
}

function hex(bytes: number): string {
  return randomHex((length) => crypto.getRandomValues(new Uint8Array(length)), bytes);
}
