import { type Context, Hono } from "hono";
import { methodNotAllowed } from "hono/method-not-allowed";
import { matchedRoutes } from "hono/route";
import { DurableError, type Runs } from "../src/index.ts";
import type { HealthAnswer } from "./answers.ts";
import { defaultMaxBodyBytes } from "./body.ts";
import { type AppEnv, type Call, callOf } from "./call.ts";
import { type Caller, checkRole, roleOfMethod } from "./caller.ts";
import { checkpointRoutes } from "./checkpoints.ts";
import { failure, isOurs } from "./failure.ts";
import { legacyRoutes } from "./legacy.ts";
import document from "./openapi.generated.json" with { type: "json" };
import { runRoutes } from "./runs.ts";
import { startRoutes } from "./starts.ts";
import { traceHeader, traceIdOf } from "./trace-id.ts";

export { apiKeys } from "./auth.ts";
export type { Call } from "./call.ts";
export type { Caller, Role } from "./caller.ts";

/** What the app needs of the platform on which it runs. `Bindings` is what the platform's `fetch` passes along. */
export interface AppOptions<Bindings extends object> {
  /**
   * Who makes the call: for which tenant, and in which role.
   *
   * @throws `unauthorized` or `forbidden` where it is made for nobody. See {@link apiKeys}.
   */
  authenticate(call: Call<Bindings>): Caller | Promise<Caller>;
  /** The tenant's runs, for the time of this one call. */
  runs(tenant: string, call: Call<Bindings>): Runs;
  /** The most bytes of a request's body. Default 10 MiB. */
  readonly maxBodyBytes?: number;
  /** Told of failures that are not the caller's, of which the answer tells little. Default `console.error`. */
  readonly onError?: (error: unknown, traceId: string) => void;
}

/** Routes that answer without a key. */
const openPaths: ReadonlySet<string> = new Set(["/v1/health", "/openapi.json"]);

/** The HTTP face of durable runs: Request in, Response out. Source: the ORCA durability contract, section 3. */
export function createApp<Bindings extends object = object>(options: AppOptions<Bindings>) {
  const { maxBodyBytes = defaultMaxBodyBytes, onError = logError } = options;
  const answerOf = (c: Context<AppEnv>, error: unknown) => {
    if (isOurs(error)) onError(error, c.var.traceId);
    return failure(c, error);
  };
  const app = new Hono<AppEnv>();
  app.onError((error, c) => answerOf(c, error));
  app.notFound((c) => failure(c, new DurableError("not_found", `there is no ${shownPath(c)}`)));
  app.use(async (c, next) => {
    c.set("traceId", traceIdOf(c.req.raw));
    c.set("maxBodyBytes", maxBodyBytes);
    try {
      await next();
    } catch (thrown) {
      // Hono hands errors to onError, and throws on what is thrown without being one.
      c.res = answerOf(c, thrown);
    }
    c.header(traceHeader, c.var.traceId);
  });
  app.use(async (c, next) => {
    checkPath(c.req.raw);
    if (openPaths.has(c.req.path)) return next();
    const call = callOf<Bindings>(c);
    const caller = await options.authenticate(call);
    const route = matchedRoutes(c).findLast(({ method }) => method !== "ALL");
    if (route !== undefined) checkRole(caller, roleOfMethod(route.method));
    c.set("caller", caller);
    c.set("runs", options.runs(caller.tenant, call));
    await next();
  });
  app.use(
    methodNotAllowed({
      app,
      onMethodNotAllowed: (c, methods) => {
        c.header("allow", [...methods].sort().join(", "));
        return failure(c, new DurableError("method_not_allowed", `there is no ${c.req.method} ${shownPath(c)}`));
      },
    }),
  );
  return app
    .get("/v1/health", (c) => c.json<HealthAnswer>({ status: "ok" }))
    .get("/openapi.json", (c) => c.json(document))
    .route("/", startRoutes)
    .route("/", runRoutes)
    .route("/", checkpointRoutes)
    .route("/", legacyRoutes);
}

function checkPath(request: Request): void {
  try {
    decodeURIComponent(new URL(request.url).pathname);
  } catch (cause) {
    throw new DurableError("invalid_request", "the path is not percent-encoded UTF-8", { cause });
  }
}

function shownPath(c: Context): string {
  return c.req.path.length <= 200 ? c.req.path : `${c.req.path.slice(0, 200)}…`;
}

function logError(error: unknown, traceId: string): void {
  console.error(`trace ${traceId}:`, error);
}
