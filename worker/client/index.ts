import { Client } from "./client.ts";
import type { ClientOptions } from "./requests.ts";
import { createWireClient } from "./wire.ts";

export type { TraceAnswer } from "../http/contract/histories.ts";
export type { EventAnswer, RunAnswer } from "../http/contract/records.ts";
export type {
  Answer as RouteAnswer,
  AnswerOf as EndpointAnswer,
  Asked as RouteQuery,
  Endpoints,
  Input as RouteInput,
  Method as RouteMethod,
  Path as RoutePath,
  Sent as RouteBody,
} from "./calls.ts";
export type { Client } from "./client.ts";
export type { CallOptions, ClientOptions } from "./requests.ts";
export { schedulesOf } from "./schedules.ts";
export type { StreamWatchOptions, WatchState } from "./watch.ts";
export { createWireClient, type Routes, type WireClient } from "./wire.ts";

/**
 * The runs of the service at `baseUrl`, for browsers, Workers and Node: the same calls, values and errors as those of
 * `runtime.for(tenant)`. A call that fails throws a `DurableError` with the service's own `code`, `path`, `missing` and `hint`,
 * `retryAfterMs` if it says when to try again, and `details.traceId`, which identifies the request in the service's log.
 * `upstream_failure` is a service that cannot be reached.
 *
 * @example
 * ```ts
 * import { createClient } from "orca-durable/client";
 * import { letter } from "./skills.ts";
 *
 * const client = createClient("https://runs.example.com", { apiKey: "dev-key" });
 * const { run } = await client.start(letter, { to: "Alice" });
 * for await (const { eventType } of client.watch(run.runId)) console.log(eventType);
 * console.log(await client.result(letter, run.runId));
 * ```
 */
export function createClient(baseUrl: string, options: ClientOptions = {}): Client {
  return new Client(createWireClient(baseUrl, options));
}
