import { type D1Database, d1Store } from "../../adapters/d1/index.ts";
import {
  type AnyCapability,
  createRuntime,
  DurableError,
  type OnError,
  type Runtime,
  type Skill,
} from "../../src/index.ts";
import type { Telemetry } from "../../src/telemetry/index.ts";
import { type Access, type AppOptions, accessLine, apiKeys, type Call, type Caller, createApp } from "../http/index.ts";
import { logError } from "../http/middleware/failure.ts";
import { inspectorPage } from "../inspector/page.ts";
import { d1Keys } from "./d1-keys.ts";
import type { ExecutionContext, RateLimit } from "./platform.ts";
import { queryBudget } from "./query-budget.ts";
import { addressKey, callerKey, countCall } from "./rate-limit.ts";

export { d1Keys } from "./d1-keys.ts";
export type { ExecutionContext, RateLimit } from "./platform.ts";

/** The bindings that the Worker is deployed with. */
export interface Env {
  readonly DB: D1Database;
  /** The key of the tenant "default" and its admin. A secret; without it and without an issued key nothing is served. */
  readonly API_KEY?: string;
  /** The origins whose pages may call, with commas between them. Default none. */
  readonly CORS_ORIGINS?: string;
  /** A binding of Cloudflare's that counts calls by key, or by tenant where no key was issued. Default no limit. */
  readonly RATE_LIMIT?: RateLimit;
  /** The same by the client's address, before its key is looked at: who tries keys is limited too. Default no limit. */
  readonly ADDRESS_RATE_LIMIT?: RateLimit;
  /** "1" prints a line of JSON for each request. */
  readonly ACCESS_LOG?: string;
  /** How long a run stays with a Worker that says nothing more, in milliseconds. Default 30,000. */
  readonly LEASE_MS?: string;
  /** How many D1 queries an invocation may make: 50 on the free plan. Default 1,000. */
  readonly D1_QUERY_LIMIT?: string;
}

export interface WorkerOptions<Bindings extends Env> {
  readonly skills: readonly Skill[];
  /** A function where they need bindings of their own. */
  readonly capabilities: readonly AnyCapability[] | ((env: Bindings) => readonly AnyCapability[]);
  /**
   * Takes the place of API keys: who makes the call, for a team with a login of its own.
   *
   * @throws `unauthorized` or `forbidden` where it is made for nobody.
   */
  authenticate?(call: Call<Bindings>): Caller | Promise<Caller>;
  /** Told of every request once it is answered. Default: printed where `ACCESS_LOG` is "1". */
  readonly onAccess?: (access: Access, call: Call<Bindings>) => void;
  /**
   * Told of failures that are not the caller's, those of background work among them. Where a request met them, with the trace
   * id that its answer has. Default `console.error`.
   */
  readonly onError?: OnError;
  /** Told what is measured, in OpenTelemetry's names; made by `defineTelemetry`. Where absent nothing is measured. */
  readonly telemetry?: Telemetry;
  /** False where there is to be no inspector at `/inspector`. */
  readonly inspector?: boolean;
}

/** What a Worker exports as its default. */
export interface DurableWorker<Bindings extends Env = Env> {
  fetch(request: Request, env: Bindings, context: ExecutionContext): Response | Promise<Response>;
  /** Called by the cron trigger; what triggered it is not looked at. */
  scheduled(controller: unknown, env: Bindings, context: ExecutionContext): void;
}

/** Callers are told by keys: the one that the deployment names, and those that were issued. */
const keyed: Pick<AppOptions<Env>, "authenticate" | "keys"> = {
  authenticate: ({ request, env: { API_KEY, DB } }) =>
    apiKeys(API_KEY ? [[API_KEY, "default"]] : [], d1Keys(DB))(request),
  keys: ({ env }) => d1Keys(env.DB),
};

// A Worker lives for 30 seconds after its answer: what is not finished by then is handed over to the cron trigger, whichever
// run it is and whenever in this time it was taken.
const passMs = 25_000;

const defaultQueryLimit = 1_000;

// To look a key up, and to see whether there is any.
const queriesOfAuth = 2;

// After a start, whose run is executed anyway, so many due runs are taken along.
const drainedWithStart = 2;

/** A Worker that serves these skills over D1, and takes due runs from a cron trigger. */
export function createWorker<Bindings extends Env = Env>(options: WorkerOptions<Bindings>): DurableWorker<Bindings> {
  const { skills, capabilities, onAccess = printAccess, onError = logError, telemetry } = options;
  const { authenticate } = options;
  const callers: Pick<AppOptions<Bindings>, "authenticate" | "keys"> = authenticate === undefined
    ? keyed
    : { authenticate };
  const invocation = (env: Bindings, background: (work: Promise<unknown>) => void): Invocation => {
    const budget = queryBudget(
      d1Store(env.DB),
      (positive(env.D1_QUERY_LIMIT, "D1_QUERY_LIMIT") ?? defaultQueryLimit) - queriesOfAuth,
    );
    const leaseMs = positive(env.LEASE_MS, "LEASE_MS");
    let endsAt = Number.POSITIVE_INFINITY;
    const runtime = createRuntime({
      skills,
      capabilities: typeof capabilities === "function" ? capabilities(env) : capabilities,
      store: budget.store,
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
    inspector: options.inspector === false ? undefined : inspectorPage,
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
      // What is only read is not executed, and a stream may go on for longer.
      if (request.method !== "GET" && request.method !== "HEAD") own?.beginToEnd();
      // 201 and 202 answer what brings work: whoever uses the service keeps it going, between one cron tick and the next.
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
  };
}

/** One call of the Worker: what it does shares the limits of the platform. */
interface Invocation {
  readonly runtime: Runtime;
  readonly concurrency: number;
  /** From now on it has {@link passMs} left. */
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
