import { type D1Database, d1Store } from "../../adapters/d1/index.ts";
import { aFunction, anObject, expectKind, given, type Kinds, needed, withMethods } from "../../src/argument.ts";
import {
  type AnyCapability,
  createRuntime,
  DurableError,
  type OnError,
  type Runs,
  type Runtime,
  type Skill,
} from "../../src/index.ts";
import { aFlag, type Kind } from "../../src/json.ts";
import type { Telemetry } from "../../src/telemetry/index.ts";
import { aTelemetry } from "../../src/telemetry/instrumentation.ts";
import {
  type Access,
  type AppOptions,
  accessLine,
  apiKeys,
  type Call,
  type Caller,
  createApp,
  type ScheduleApi,
} from "../http/index.ts";
import { logError } from "../http/middleware/failure.ts";
import { apiReference } from "../http/reference.ts";
import { inspectorPage } from "../inspector/page.ts";
import { d1Keys } from "./d1-keys.ts";
import type { ExecutionContext, RateLimit } from "./platform.ts";
import { countedDatabase, queryBudget } from "./query-budget.ts";
import { addressKey, callerKey, countCall } from "./rate-limit.ts";

export { d1Keys } from "./d1-keys.ts";
export type { ExecutionContext, RateLimit } from "./platform.ts";

/** The bindings of the Worker. */
export interface Env {
  readonly DB: D1Database;
  /**
   * The API key of the tenant "default", with the role admin. A secret. Without it and without an issued key, every call is
   * rejected.
   */
  readonly API_KEY?: string;
  /** The origins whose pages can call, separated by commas. Default: none. */
  readonly CORS_ORIGINS?: string;
  /** A rate limiting binding that counts calls by issued key, or by tenant if the key was not issued. Default: no limit. */
  readonly RATE_LIMIT?: RateLimit;
  /**
   * A rate limiting binding that counts calls by client address, before the key is checked, so that guessing keys is limited
   * too. Default: no limit.
   */
  readonly ADDRESS_RATE_LIMIT?: RateLimit;
  /** "1" logs one line of JSON for each request. */
  readonly ACCESS_LOG?: string;
  /** The lease of a run, in milliseconds: how long a run stays with a Worker that reports nothing more. Default: 30,000. */
  readonly LEASE_MS?: string;
  /** The maximum number of D1 queries per invocation: 50 on the free plan. Default: 1,000. */
  readonly D1_QUERY_LIMIT?: string;
}

/** The options of `createWorker`. */
export interface WorkerOptions<Bindings extends Env> {
  /** The skills, or a function of the bindings that returns them. */
  readonly skills: readonly Skill[] | ((env: Bindings) => readonly Skill[]);
  /** The capabilities, or a function of the bindings that returns them. */
  readonly capabilities: readonly AnyCapability[] | ((env: Bindings) => readonly AnyCapability[]);
  /**
   * Replaces API keys: returns the caller, for a service with its own login.
   *
   * @throws `unauthorized` or `forbidden` if the caller is not allowed to call.
   */
  authenticate?(call: Call<Bindings>): Caller | Promise<Caller>;
  /** Called after every request is answered. Default: logs it if `ACCESS_LOG` is "1". */
  readonly onAccess?: (access: Access, call: Call<Bindings>) => void;
  /**
   * Called with each failure that the caller did not cause, including failures of background work. If a request met it, the
   * context has the trace id of its answer. Default: `console.error`.
   */
  readonly onError?: OnError;
  /** Receives the measurements, under OpenTelemetry's names; made by `defineTelemetry`. Default: nothing is measured. */
  readonly telemetry?: Telemetry;
  /** The routes to schedules: `scheduleApi` of `orca-durable/schedules/http`. Default: they answer 404. */
  readonly schedules?: ScheduleApi;
  /** False to serve no inspector at `/inspector`. Default: true. */
  readonly inspector?: boolean;
}

/** The default export of a Worker. */
export interface DurableWorker<Bindings extends Env = Env> {
  fetch(request: Request, env: Bindings, context: ExecutionContext): Response | Promise<Response>;
  /** Called by the cron trigger; what triggered it is not looked at. */
  scheduled(controller: unknown, env: Bindings, context: ExecutionContext): void;
  /**
   * The runs of a tenant, for the Worker's own code: a form, an email, a queue. They are those that the API serves, without a
   * key. `context` keeps the Worker alive for what they execute. The default tenant, "default", is that of `API_KEY`.
   *
   * @throws `invalid_request` if the tenant is not a valid id.
   */
  runs(env: Bindings, context: ExecutionContext, tenant?: string): Runs;
}

/** Callers authenticate with the key of the deployment or with an issued key. */
const keyed: Pick<AppOptions<Env>, "authenticate" | "keys"> = {
  authenticate: ({ request, env: { API_KEY, DB } }) =>
    apiKeys(API_KEY ? [[API_KEY, "default"]] : [], d1Keys(DB))(request),
  keys: ({ env }) => d1Keys(env.DB),
};

// A Worker lives for 30 seconds after its answer. What is not finished by then is handed over to the cron trigger, whichever
// run it is and whenever it was taken.
const passMs = 25_000;

const defaultQueryLimit = 1_000;

// One query to find a key, and one to check whether there are keys.
const queriesOfAuth = 2;

// The number of other due runs that an invocation executes after a start.
const drainedWithStart = 2;

const anArrayOrFunction: Kind = [
  "an array, or a function that returns one",
  (value) => Array.isArray(value) || typeof value === "function",
];
const optionKinds: Kinds<WorkerOptions<Env>> = {
  skills: needed(anArrayOrFunction),
  capabilities: needed(anArrayOrFunction),
  authenticate: aFunction,
  onAccess: aFunction,
  onError: aFunction,
  telemetry: aTelemetry,
  inspector: aFlag,
  schedules: anObject,
};

/**
 * A Worker that serves these skills over D1, and executes due runs from a cron trigger. Its `runs` are for handlers of your own.
 *
 * @example
 * ```ts
 * import { createWorker } from "orca-durable/cloudflare";
 * import { capabilities, skills } from "./skills.ts";
 *
 * export default createWorker({ skills, capabilities });
 * ```
 */
export function createWorker<Bindings extends Env = Env>(options: WorkerOptions<Bindings>): DurableWorker<Bindings> {
  const checked = given(options as WorkerOptions<Env>, optionKinds) as WorkerOptions<Bindings>;
  const { skills, capabilities, onAccess = printAccess, onError = logError, telemetry, authenticate } = checked;
  const callers: Pick<AppOptions<Bindings>, "authenticate" | "keys"> = authenticate === undefined
    ? keyed
    : { authenticate };
  const invocation = (env: Bindings, background: (work: Promise<unknown>) => void): Invocation => {
    const queryLimit = positive(env.D1_QUERY_LIMIT, "D1_QUERY_LIMIT") ?? defaultQueryLimit;
    const budget = queryBudget(queryLimit - queriesOfAuth);
    const leaseMs = positive(env.LEASE_MS, "LEASE_MS");
    let endsAt = Number.POSITIVE_INFINITY;
    const runtime = createRuntime({
      skills: typeof skills === "function" ? skills(env) : skills,
      capabilities: typeof capabilities === "function" ? capabilities(env) : capabilities,
      store: d1Store(countedDatabase(env.DB, budget)),
      isSpent: (steps) => budget.isSpent(steps) || Date.now() >= endsAt,
      passMs,
      background,
      onError,
      telemetry,
      ...(leaseMs === undefined ? {} : { leaseMs }),
    });
    const beginToEnd = () => {
      endsAt = Date.now() + passMs;
    };
    return { runtime, concurrency: budget.concurrency, beginToEnd };
  };
  const invocations = new WeakMap<Request, Invocation>();
  const app = createApp<Bindings>({
    ...callers,
    async authenticate(call) {
      const { request, env, traceId } = call;
      const key = addressKey(request);
      if (key !== undefined) await countCall(env.ADDRESS_RATE_LIMIT, key, (error) => onError(error, { traceId }));
      return callers.authenticate(call);
    },
    admit: (caller, { env, traceId }) =>
      countCall(env.RATE_LIMIT, callerKey(caller), (error) => onError(error, { traceId })),
    corsOrigins: ({ env }) => (env.CORS_ORIGINS ?? "").split(/[\s,]+/).filter((origin) => origin !== ""),
    onAccess,
    onError,
    telemetry,
    inspector: checked.inspector === false ? undefined : inspectorPage,
    reference: apiReference,
    schedules: checked.schedules,
    runs(tenant, { request, env, background }) {
      const own = invocation(env, background);
      invocations.set(request, own);
      return own.runtime.for(tenant);
    },
  });
  return {
    async fetch(request, env, context) {
      const response = await app.fetch(request, env, context);
      const own = invocations.get(request);
      // A read executes nothing, and a stream may last longer.
      if (request.method !== "GET" && request.method !== "HEAD") own?.beginToEnd();
      // The statuses 201 and 202 answer calls that create work. So traffic keeps the service going between two cron ticks.
      if (own !== undefined && [201, 202].includes(response.status)) {
        context.waitUntil(drain(own, drainedWithStart).catch((error) => onError(error)));
      }
      return response;
    },
    scheduled(_controller, env, context) {
      const own = invocation(env, (work) => context.waitUntil(work));
      own.beginToEnd();
      context.waitUntil(drain(own));
    },
    runs(env, context, tenant = "default") {
      expectKind(context, withMethods("waitUntil"), "context");
      return invocation(env, (work) => context.waitUntil(work)).runtime.for(tenant);
    },
  };
}

/** One invocation of the Worker. Everything in it shares the limits of the platform. */
interface Invocation {
  readonly runtime: Runtime;
  readonly concurrency: number;
  /** Called when the invocation has {@link passMs} left. */
  beginToEnd(): void;
}

function drain({ runtime, concurrency }: Invocation, limit?: number): Promise<unknown> {
  const signal = AbortSignal.timeout(passMs);
  return runtime.drain({ concurrency, signal, ...(limit === undefined ? {} : { limit }) });
}

function printAccess(access: Access, { env }: Call<Env>): void {
  if (env.ACCESS_LOG === "1") console.log(accessLine(access));
}

function positive(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new DurableError("internal_error", `${name}: expected a positive number, not "${text}"`);
}
