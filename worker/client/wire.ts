import { hc } from "hono/client";
import { expectKind } from "../../src/argument.ts";
import { aText } from "../../src/json.ts";
import type { createApp } from "../http/index.ts";
import { calls } from "./calls.ts";
import { type ClientOptions, requests } from "./requests.ts";

/** Every route with its types, as Hono's client has them: `routes.v1.runs[":run_id"].$get({ param: { run_id } })`. */
export type Routes = ReturnType<typeof hc<ReturnType<typeof createApp>>>;

/**
 * A client of the service at `baseUrl` in the names of the wire, for tools. Each call answers with the JSON of its route, and
 * fails as those of {@link createClient} do.
 *
 * @example
 * ```ts
 * import { createWireClient } from "orca-durable/client";
 *
 * const wire = createWireClient("https://runs.example.com", { apiKey: "dev-key" });
 * const { run_id } = await wire.start("letter", { to: "Alice" });
 * console.log((await wire.lineage(run_id)).descendants);
 * ```
 */
export function createWireClient(baseUrl: string, options: ClientOptions = {}): WireClient {
  expectKind(baseUrl, aText, "baseUrl");
  const send = requests(options);
  const routes: Routes = hc<ReturnType<typeof createApp>>(baseUrl, { fetch: send });
  return { routes, ...calls(baseUrl, send) };
}

/** The client that {@link createWireClient} returns. */
export type WireClient = ReturnType<typeof calls> & { readonly routes: Routes };
