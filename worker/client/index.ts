import { hc } from "hono/client";
import type { createApp } from "../http/index.ts";
import { calls } from "./calls.ts";
import { type ClientOptions, requests } from "./requests.ts";

export type { CallOptions, ClientOptions } from "./requests.ts";
export type { WatchOptions, WatchState } from "./watch.ts";

/** Every route with its types, as Hono's client has them: `routes.v1.runs[":run_id"].$get({ param: { run_id } })`. */
export type Routes = ReturnType<typeof hc<ReturnType<typeof createApp>>>;

/**
 * A client of the service at `baseUrl`, for browsers, Workers and Node. Each call answers with the JSON of its route, in the
 * names of the wire, and fails with a `DurableError`: the service's own `code` and `hint`, `retryAfterMs` where it says
 * when to try again, and `details.traceId`, by which its log knows the request. `upstream_failure` is a service that cannot
 * be reached.
 */
export function createClient(baseUrl: string, options: ClientOptions = {}) {
  const send = requests(options);
  const routes: Routes = hc<ReturnType<typeof createApp>>(baseUrl, { fetch: send });
  return { routes, ...calls(baseUrl, send) };
}

/** What {@link createClient} makes. */
export type Client = ReturnType<typeof createClient>;
