import type { Context } from "hono";
import type { Runs } from "../src/index.ts";
import type { Caller } from "./caller.ts";

/** One request, as the app hands it to whoever knows the platform. */
export interface Call<Bindings> {
  readonly request: Request;
  /** What the platform's `fetch` was given beside the request. The app never looks into it. */
  readonly env: Bindings;
  /** Keeps the platform awake until the work is done, also after the answer. */
  background(work: Promise<unknown>): void;
}

/** What the app knows of a request by the time a route sees it. */
export interface AppEnv {
  // Hono's word for what the platform hands in; the routes must not know more of it.
  readonly Bindings: object;
  readonly Variables: {
    traceId: string;
    maxBodyBytes: number;
    caller: Caller;
    /** The runs of the caller's tenant. */
    runs: Runs;
  };
}

export function callOf<Bindings>(c: Context<AppEnv>): Call<Bindings> {
  return { request: c.req.raw, env: asBindings<Bindings>(c.env), background: backgroundOf(c) };
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
