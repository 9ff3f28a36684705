import type { Context } from "hono";
import type { HonoBase } from "hono/hono-base";
import { aFunction, anObject, given, type Kinds, needed } from "../../src/argument.ts";
import { DurableError, type OnError, type Runs } from "../../src/index.ts";
import { aCount, aNumber, aText, cutText, defaultMaxValues } from "../../src/json.ts";
import type { Telemetry } from "../../src/telemetry/index.ts";
import { aTelemetry } from "../../src/telemetry/instrumentation.ts";
import { addInspector, type InspectorPage } from "../inspector/routes.ts";
import type { Caller } from "./auth/caller.ts";
import type { KeyStore } from "./auth/keys.ts";
import { Hono } from "./hono.ts";
import { LargeBodies } from "./large-bodies.ts";
import { type Access, accessLog } from "./middleware/access.ts";
import { cors } from "./middleware/cors.ts";
import { failure, isOurs, logError } from "./middleware/failure.ts";
import { httpTelemetry } from "./middleware/telemetry.ts";
import type { ApiReference } from "./reference.ts";
import {
  type AppEnv,
  type Call,
  callOf,
  checkCaller,
  checkRoute,
  defaultMaxBodyBytes,
  parentHeader,
  traceHeader,
  traceOf,
} from "./request.ts";
import { checkpointRoutes } from "./routes/checkpoints.ts";
import { continuationRoutes } from "./routes/continuation.ts";
import { descentRoutes } from "./routes/descents.ts";
import { historyRoutes } from "./routes/histories.ts";
import { keyRoutes } from "./routes/keys.ts";
import { legacyRoutes } from "./routes/legacy.ts";
import { runRoutes } from "./routes/runs.ts";
import { openPaths, serviceRoutes } from "./routes/service.ts";
import { startRoutes } from "./routes/starts.ts";
import { streamRoutes } from "./routes/stream.ts";
import { defaultMaxImportBytes, transferRoutes } from "./routes/transfers.ts";
import { checkedStream, type OpenStream, type StreamOptions } from "./stream.ts";

export type { Caller, Role } from "./auth/caller.ts";
export { apiKeys, type KeyRecord, type KeyStore } from "./auth/keys.ts";
export { memoryKeys } from "./auth/memory-keys.ts";
export type { Access } from "./middleware/access.ts";
export { accessLine } from "./middleware/access.ts";
export type { AppEnv, Call } from "./request.ts";
export type { CheckedStream, OpenStream, StreamOptions } from "./stream.ts";

/**
 * What the app needs from the platform on which it runs. `Bindings` is the type of the second argument of the platform's
 * `fetch`.
 */
export interface AppOptions<Bindings extends object> {
  /**
   * Returns the caller: the tenant and the role. See {@link apiKeys}.
   *
   * @throws `unauthorized` or `forbidden` if the caller is not allowed to call.
   */
  authenticate(call: Call<Bindings>): Caller | Promise<Caller>;
  /**
   * Returns the tenant's runs for this one call. They must be the result of `runtime.for`, not a wrapper around it. A front whose
   * runs are in another place returns the answer of that place instead, and undefined for a call about
   * keys, which it answers itself.
   */
  runs(tenant: string, call: Call<Bindings>, caller: Caller): Runs | Promise<Response> | undefined;
  /**
   * Returns the store of the API keys that admins issue and revoke over HTTP, each for their own tenant. Without one, those
   * routes answer 404.
   */
  keys?(call: Call<Bindings>): KeyStore | undefined;
  /**
   * Checks whether the call is allowed now. Use it for rate limits.
   *
   * @throws `rate_limited` with `retryAfterMs` if the call is not allowed now.
   */
  admit?(caller: Caller, call: Call<Bindings>): void | Promise<void>;
  /** The origins whose pages can call, such as `https://app.example.com`; `*` allows every origin. Default: none. */
  corsOrigins?(call: Call<Bindings>): readonly string[];
  /** The maximum number of bytes in the body of a request. Default: 10 MiB. */
  readonly maxBodyBytes?: number;
  /**
   * The maximum number of values in the body of a request. Each object, array, text, number, boolean and null is a value.
   * Values cost memory and time that the length of the text does not show. Default: 250,000.
   */
  readonly maxBodyValues?: number;
  /** The maximum number of bytes in an import, which is read as a stream. Default: 100 MiB. */
  readonly maxImportBytes?: number;
  /** The inspector at `/inspector`: `inspectorPage` of `orca-durable/inspector/page`. Default: no inspector. */
  readonly inspector?: InspectorPage | undefined;
  /**
   * What `/openapi.json` and `/reference` answer: `apiReference` of `orca-durable/reference`. Default: they answer 404.
   */
  readonly reference?: ApiReference | undefined;
  /**
   * The routes to schedules: `scheduleApi` of `orca-durable/schedules/http`. Default: they answer 404.
   */
  readonly schedules?: ScheduleApi | undefined;
  /** The intervals at which event streams poll and send heartbeats, and the time after which they close. */
  readonly stream?: StreamOptions;
  /** Called when an event stream begins. */
  readonly onStream?: (stream: OpenStream, call: Call<Bindings>) => void;
  /** Called with each failure that the caller did not cause. The answer shows only its code. Default: `console.error`. */
  readonly onError?: OnError;
  /** Called after every request is answered. See {@link accessLine}. */
  readonly onAccess?: (access: Access, call: Call<Bindings>) => void;
  /** Measures requests, under OpenTelemetry's names; made by `defineTelemetry`. The runtime behind `runs` has its own option. */
  readonly telemetry?: Telemetry | undefined;
}

/** Routes that an app has only if it is made with them. */
export interface ScheduleApi {
  readonly routes: HonoBase<AppEnv>;
}

const pageKinds: Kinds<InspectorPage> = { html: aText, script: aText, style: aText };
const referenceKinds: Kinds<ApiReference> = { document: anObject, page: aFunction };
const bytes = aNumber("a number of bytes of at least 1", (value) => value >= 1);
const optionKinds: Kinds<AppOptions<object>> = {
  authenticate: needed(aFunction),
  runs: needed(aFunction),
  keys: aFunction,
  admit: aFunction,
  corsOrigins: aFunction,
  maxBodyBytes: bytes,
  maxBodyValues: aCount(1),
  maxImportBytes: bytes,
  inspector: anObject,
  reference: anObject,
  schedules: anObject,
  stream: anObject,
  onStream: aFunction,
  onError: aFunction,
  onAccess: aFunction,
  telemetry: aTelemetry,
};

/**
 * The HTTP API of durable runs: takes a Request and returns a Response. Source: the ORCA durability contract, section 3.
 *
 * @throws `invalid_request` that names the option, if a number is out of range.
 * @example
 * ```ts
 * import { apiKeys, createApp } from "orca-durable/worker";
 * import { runtime } from "./runs.ts";
 *
 * const authenticate = apiKeys([["dev-key", "acme"]]);
 * const app = createApp({
 *   authenticate: ({ request }) => authenticate(request),
 *   runs: (tenant) => runtime.for(tenant),
 * });
 * const response = await app.request("/v1/runs", { headers: { "x-api-key": "dev-key" } });
 * console.log(await response.json());
 * ```
 */
export function createApp<Bindings extends object = object>(options: AppOptions<Bindings>): App {
  const {
    onAccess,
    maxBodyBytes = defaultMaxBodyBytes,
    maxBodyValues = defaultMaxValues,
    maxImportBytes = defaultMaxImportBytes,
    telemetry,
    inspector,
    schedules,
    ...checked
  } = given(options as AppOptions<object>, optionKinds);
  // One that is worked on, and as much that waits.
  const largeBodies = new LargeBodies(2 * maxBodyBytes);
  const stream = checkedStream(checked.stream ?? {});
  const reference =
    checked.reference && given<ApiReference>(checked.reference, referenceKinds, "reference", "reference");
  const onError = careful(checked.onError ?? logError);
  const answerOf = (c: Context<AppEnv>, error: unknown) => {
    if (isOurs(error)) onError(error, { traceId: c.var.traceId });
    return failure(c, error);
  };
  const app = new Hono<AppEnv>();
  app.onError((error, c) => answerOf(c, error));
  app.notFound((c) => {
    const { method } = c.req;
    const path = cutText(c.req.path, 200);
    const methods = methodsOf(app, c.req.path);
    if (methods.length === 0 || methods.includes(method)) {
      return failure(c, new DurableError("not_found", `unknown path: ${path}`));
    }
    c.header("allow", methods.join(", "));
    return failure(c, new DurableError("method_not_allowed", `${method} is not allowed on ${path}`));
  });
  app.use(async (c, next) => {
    const { traceId, traceparent } = traceOf(c.req.raw);
    c.set("traceId", traceId);
    c.set("traceparent", traceparent);
    c.set("maxBodyBytes", maxBodyBytes);
    c.set("maxBodyValues", maxBodyValues);
    c.set("holdBody", () => largeBodies.open());
    c.set("maxImportBytes", maxImportBytes);
    c.set("stream", stream);
    c.set("reference", reference);
    c.set("hasInspector", inspector !== undefined);
    c.set("watched", (stream) => options.onStream?.(stream, callOf<Bindings>(c)));
    c.set("report", (error) => onError(error, { traceId }));
    await next();
    c.header(traceHeader, c.var.traceId);
    c.header(parentHeader, c.var.traceparent);
    for (const [name, value] of Object.entries(secureHeaders)) if (!c.res.headers.has(name)) c.header(name, value);
    // The platform drops the body of a HEAD answer, but its producer would go on writing.
    if (c.req.method === "HEAD") await c.res.body?.cancel();
  });
  if (telemetry !== undefined) app.use(httpTelemetry(telemetry, onError));
  if (onAccess !== undefined) app.use(accessLog((c, access) => onAccess(access, callOf<Bindings>(c)), onError));
  if (options.corsOrigins !== undefined) app.use(cors((c) => options.corsOrigins?.(callOf<Bindings>(c)) ?? []));
  app.use(async (c, next) => {
    try {
      await next();
    } catch (thrown) {
      // Hono passes instances of Error to onError, but rethrows any other thrown value.
      c.res = answerOf(c, thrown);
    }
  });
  app.use(async (c, next) => (hasSlashAtEnd(c.req.path) ? c.notFound() : next()));
  if (inspector !== undefined) addInspector(app, given(inspector, pageKinds, "inspector", "inspector"));
  app.use(async (c, next) => {
    checkPath(c.req.raw);
    if (openPaths.has(c.req.path)) return next();
    const call = callOf<Bindings>(c);
    const caller = checkCaller(await options.authenticate(call));
    c.set("caller", caller);
    await options.admit?.(caller, call);
    checkRoute(c);
    c.set("keys", options.keys?.(call));
    const runs = options.runs(caller.tenant, call, caller);
    if (runs instanceof Promise) {
      const answer = await runs;
      const { headers } = answer;
      c.set("traceId", headers.get(traceHeader) ?? call.traceId);
      c.set("traceparent", headers.get(parentHeader) ?? call.traceparent);
      return answer;
    }
    c.set("runs", runs as Runs);
    return next();
  });
  if (schedules !== undefined) app.route("/", schedules.routes);
  return withRoutes(app);
}

// The router takes such a path for the one without.
function hasSlashAtEnd(path: string): boolean {
  return /.\/$/.test(path);
}

/** The methods that a path has, in order. */
function methodsOf({ router }: Hono<AppEnv>, path: string): readonly string[] {
  if (hasSlashAtEnd(path)) return [];
  return ["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"].filter((method) => {
    const [found] = router.match(method === "HEAD" ? "GET" : method, path);
    // Middleware matches all methods.
    return found.some(([[, route]]) => route.method !== "ALL");
  });
}

/** The security headers of every answer, unless its route sets its own: a page has its own policy. */
const secureHeaders = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** An app of Hono, typed by its routes: what each takes and answers. Its `fetch` takes a Request and returns a Response. */
export type App = ReturnType<typeof withRoutes>;

function withRoutes(app: Hono<AppEnv>) {
  return app
    .route("/", serviceRoutes)
    .route("/", startRoutes)
    .route("/", runRoutes)
    .route("/", continuationRoutes)
    .route("/", descentRoutes)
    .route("/", historyRoutes)
    .route("/", streamRoutes)
    .route("/", transferRoutes)
    .route("/", checkpointRoutes)
    .route("/", keyRoutes)
    .route("/", legacyRoutes);
}

/** Wraps `onError` so that an error that it throws is logged and the request is still answered. */
function careful(onError: NonNullable<AppOptions<object>["onError"]>): NonNullable<AppOptions<object>["onError"]> {
  return (error, traceId) => {
    try {
      onError(error, traceId);
    } catch (thrown) {
      logError(thrown, traceId);
      logError(error, traceId);
    }
  };
}

function checkPath(request: Request): void {
  try {
    decodeURIComponent(new URL(request.url).pathname);
  } catch (cause) {
    throw new DurableError("invalid_request", "invalid path: expected percent-encoded UTF-8", { cause });
  }
}
