import { type D1Database, d1Store } from "../../adapters/d1/index.ts";
import { expectKind, given, type Kinds, needed, withMethods } from "../../src/argument.ts";
import { type AnyCapability, createRuntime, type Runs, type Runtime, type Skill } from "../../src/index.ts";
import { createApp } from "../http/index.ts";
import { type DoorEnv, type DoorOptions, doorKinds, doorOf, positive } from "./doorkeeper.ts";
import type { ExecutionContext } from "./platform.ts";
import { countedDatabase, queryBudget } from "./query-budget.ts";
import { aSource, type Source, sourced } from "./sources.ts";

export { d1Keys } from "./d1-keys.ts";
export type { DoorEnv, DoorOptions } from "./doorkeeper.ts";
export { createFront, type Front, type FrontEnv, type FrontOptions } from "./front.ts";
export type { ExecutionContext, ObjectNamespace, ObjectState, RateLimit } from "./platform.ts";
export { type RunsObject, type RunsObjectOptions, runsObject } from "./runs-object.ts";
export type { Source } from "./sources.ts";

/** The bindings of the Worker. */
export interface Env extends DoorEnv {
  readonly DB: D1Database;
  /** The lease of a run, in milliseconds: how long a run stays with a Worker that reports nothing more. Default: 30,000. */
  readonly LEASE_MS?: string;
  /** The maximum number of D1 queries per invocation: 50 on the free plan. Default: 1,000. */
  readonly D1_QUERY_LIMIT?: string;
}

/** The options of `createWorker`. */
export interface WorkerOptions<Bindings extends Env> extends DoorOptions<Bindings> {
  /** The skills, or a function of the bindings that returns them. */
  readonly skills: Source<Skill, Bindings>;
  /** The capabilities, or a function of the bindings that returns them. */
  readonly capabilities: Source<AnyCapability, Bindings>;
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

// A Worker lives for 30 seconds after its answer. What is not finished by then is handed over to the cron trigger, whichever
// run it is and whenever it was taken.
const passMs = 25_000;

const defaultQueryLimit = 1_000;

// One query to find a key, and one to check whether there are keys.
const queriesOfAuth = 2;

// The number of other due runs that an invocation executes after a start.
const drainedWithStart = 2;

const optionKinds: Kinds<WorkerOptions<Env>> = {
  ...(doorKinds as Kinds<DoorOptions<Env>>),
  skills: needed(aSource),
  capabilities: needed(aSource),
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
  const { skills, capabilities, telemetry } = checked;
  const door = doorOf(checked);
  const { onError } = door;
  const invocation = (env: Bindings, background: (work: Promise<unknown>) => void): Invocation => {
    const queryLimit = positive(env.D1_QUERY_LIMIT, "D1_QUERY_LIMIT") ?? defaultQueryLimit;
    const budget = queryBudget(queryLimit - queriesOfAuth);
    const leaseMs = positive(env.LEASE_MS, "LEASE_MS");
    let endsAt = Number.POSITIVE_INFINITY;
    const runtime = createRuntime({
      skills: sourced(skills, env),
      capabilities: sourced(capabilities, env),
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
    ...door,
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
