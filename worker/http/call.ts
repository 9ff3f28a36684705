import type { Context, MiddlewareHandler } from "hono";
import { matchedRoutes } from "hono/route";
import { isId, randomHex } from "../../src/ids.ts";
import { DurableError, type Runs } from "../../src/index.ts";
import { type Caller, type Role, roles } from "./auth/caller.ts";
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

/** @throws `internal_error` where this is nobody: what authenticates is code of the deployment, and may be wrong. */
export function checkCaller(caller: Caller): Caller {
  if (isId(caller?.tenant) && roles.includes(caller.role)) return caller;
  throw new DurableError("internal_error", "authenticate() must return a caller with a tenant id and a role");
}

/** What the gates of {@link needs} demand, so that a caller is told at once and not of a lesser role first. */
const neededBy = new WeakMap<object, Role>();

/** For a route that needs more than its method says: `read` for GET, `execute` for any other. */
export function needs(role: Role): MiddlewareHandler<AppEnv> {
  const gate: MiddlewareHandler<AppEnv> = async (c, next) => {
    checkRole(c.var.caller, role);
    await next();
  };
  neededBy.set(gate, role);
  return gate;
}

/**
 * Lets the caller pass to the route of the request; where there is none, that is told later.
 *
 * @throws `forbidden` where the caller's role does not reach that far.
 */
export function checkRoute(c: Context<AppEnv>): void {
  const route = routeOf(c);
  if (route === undefined) return;
  const more = matchedRoutes(c).flatMap(({ handler }) => neededBy.get(handler) ?? []);
  checkRole(c.var.caller, more.at(-1) ?? (route.method === "GET" ? "read" : "execute"));
}

function checkRole(caller: Caller, needed: Role): void {
  if (roles.indexOf(caller.role) >= roles.indexOf(needed)) return;
  throw new DurableError(
    "forbidden",
    `this call requires the role "${needed}"; the caller has the role "${caller.role}"`,
  );
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

export const traceHeader = "x-trace-id";
export const parentHeader = "traceparent";

/** By which ids a request is known, its own and those of the W3C. */
export interface Trace {
  readonly traceId: string;
  /** As the header of that name: the caller's trace, with this request as the parent of what follows. */
  readonly traceparent: string;
}

/**
 * What the caller sent of its trace where it can be echoed, else something new. The trace id is `x-trace-id`, or else
 * that of `traceparent`. Source: https://www.w3.org/TR/trace-context/
 */
export function traceOf({ headers }: Request): Trace {
  const given = headers.get(traceHeader);
  const parent = parentOf(headers.get(parentHeader));
  const w3c = parent?.traceId ?? ownForm.exec(given ?? "")?.[1] ?? hex(16);
  const traceId = isId(given) ? given : (parent?.traceId ?? `trace_${w3c}`);
  return { traceId, traceparent: `00-${w3c}-${hex(8)}-${parent?.flags ?? "00"}` };
}

/** A trace id that is the W3C's, or made from one. */
const ownForm = /^(?:trace_)?((?!0{32})[0-9a-f]{32})$/;

interface Parent {
  readonly traceId: string;
  /** Whether the trace is sampled; the other flags are not ours to pass on. */
  readonly flags: "00" | "01";
}

// A later version may say more after what this one says; "ff" is none, and ids of zeros are no ids.
const form = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;

function parentOf(header: string | null): Parent | undefined {
  const [, version, traceId = "", flags = "", more] = form.exec(header ?? "") ?? [];
  if (version === undefined || (version === "00" && more !== undefined)) return undefined;
  return { traceId, flags: (Number.parseInt(flags, 16) & 1) === 1 ? "01" : "00" };
}

function hex(bytes: number): string {
  return randomHex((length) => crypto.getRandomValues(new Uint8Array(length)), bytes);
}
