import type { Context } from "hono";
import { matchedRoutes } from "hono/route";
import type { Runs } from "../../src/index.ts";
import type { Caller } from "./auth/caller.ts";
import type { KeyStore } from "./auth/key-store.ts";
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
