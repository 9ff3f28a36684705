import type { MiddlewareHandler } from "hono";
import type { OnError } from "../../../src/index.ts";
import type { Telemetry } from "../../../src/telemetry/index.ts";
import { observerOf, type RemoteSpan } from "../../../src/telemetry/telemetry.ts";
import { type AppEnv, routeOf } from "../request.ts";

/** Source: RFC 9110 and RFC 5789. Any other method is `_OTHER`, so that callers cannot create new metric series. */
const knownMethods: ReadonlySet<string> = new Set("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE".split(" "));

/**
 * Measures requests by the semantic conventions for HTTP servers: a span under the caller's `traceparent`, and the time until
 * the answer begins. The spans of a route are children of this span if the hooks have `within`.
 */
export function httpTelemetry(telemetry: Telemetry, onError: OnError): MiddlewareHandler<AppEnv> {
  const { hooks } = telemetry;
  return async (c, next) => {
    const known = knownMethods.has(c.req.method);
    const route = routeOf(c)?.path;
    const parent = callerSpan(c.req.header("traceparent"));
    const method = known ? c.req.method : "HTTP";
    const observation = observerOf(hooks, (error) => onError(error, { traceId: c.var.traceId })).begin(
      "http.server.request.duration",
      {
        name: route === undefined ? method : `${method} ${route}`,
        kind: "server",
        attributes: {
          "http.request.method": known ? c.req.method : "_OTHER",
          "url.scheme": new URL(c.req.url).protocol.slice(0, -1),
          ...(route === undefined ? {} : { "http.route": route }),
        },
        ...(parent === undefined ? {} : { parent: { remote: parent } }),
      },
    );
    let status = 500;
    try {
      await observation.within(next);
      status = c.res.status;
    } finally {
      const failure = status >= 500 ? { type: String(status), message: "" } : undefined;
      observation.end({ "http.response.status_code": status }, failure);
    }
  };
}

/** The span that made the request. Source: https://www.w3.org/TR/trace-context/ */
function callerSpan(traceparent: string | undefined): RemoteSpan | undefined {
  const form = /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
  const [, traceId, spanId, flags = ""] = form.exec(traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1 };
}
