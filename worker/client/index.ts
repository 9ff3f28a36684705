import { hc } from "hono/client";
import type { createApp } from "../http/index.ts";
import { calls } from "./calls.ts";
import { type ClientOptions, requests } from "./requests.ts";

export type { CallOptions, ClientOptions } from "./requests.ts";
export type { WatchOptions, WatchState } from "./watch.ts";

/** The types of every route, in the form of Hono's client: `routes.v1.runs[":run_id"].$get({ param: { run_id } })`. */
export type Routes = ReturnType<typeof hc<ReturnType<typeof createApp>>>;

/**
 * A client of the service at `baseUrl`, for browsers, Workers and Node. Each call resolves with the JSON of its route, with
 * the names of the wire. It rejects with a `DurableError`: the `code` and `hint` of the service, `retryAfterMs` if the
 * service says when to try again, and `details.traceId`, which identifies the request in the server's log. The code is
 * `upstream_failure` if the service cannot be reached.
 * @example
 * const client = createClient("http://127.0.0.1:8787", { apiKey: "dev-key" });
 * const { run_id } = await client.start("text.simple-summarize", { text: "Alice fell down a well." });
 * for await (const { event_type } of client.watch(run_id)) console.log(event_type);
 */
export function createClient(baseUrl: string, options: ClientOptions = {}) {
  const send = requests(options);
  const routes: Routes = hc<ReturnType<typeof createApp>>(baseUrl, { fetch: send });
  return { routes, ...calls(baseUrl, send) };
}

/** The client that {@link createClient} returns. */
export type Client = ReturnType<typeof createClient>;
