import type { D1Database, ExecutionContext, ScheduledController } from "@cloudflare/workers-types";
import { d1Store } from "../adapters/d1/index.ts";
import { type AnyCapability, createRuntime, DurableError, type Runtime, type Skill } from "../src/index.ts";
import { apiKeys, createApp } from "./app.ts";
import { queryBudget } from "./query-budget.ts";
import { summarizeCapabilities, summarizeSkill } from "./skills/simple-summarize.ts";

/** The bindings that the Worker is deployed with. */
export interface Env {
  readonly DB: D1Database;
  /** The key that clients send. A secret; without it nothing is served. */
  readonly API_KEY?: string;
  /** How long a run stays with a Worker that says nothing more, in milliseconds. Default 30,000. */
  readonly LEASE_MS?: string;
  /** How many D1 queries an invocation may make: 50 on the free plan. Default 1,000. */
  readonly D1_QUERY_LIMIT?: string;
}

export interface WorkerOptions<Bindings extends Env> {
  readonly skills: readonly Skill[];
  /** A function where they need bindings of their own. */
  readonly capabilities: readonly AnyCapability[] | ((env: Bindings) => readonly AnyCapability[]);
}

/** What a Worker exports as its default. */
export interface DurableWorker<Bindings extends Env = Env> {
  fetch(request: Request, env: Bindings, context: ExecutionContext): Response | Promise<Response>;
  scheduled(controller: ScheduledController, env: Bindings, context: ExecutionContext): void;
}

/** Whose key API_KEY is. */
const keyTenant = "default";

// A Worker lives for 30 seconds after its answer: a run that is not finished by then is handed over to the cron trigger.
const passMs = 25_000;

const defaultQueryLimit = 1_000;

// After a start, whose run is executed anyway, so many due runs are taken along.
const drainedWithStart = 2;

/** A Worker that serves these skills over D1, and takes due runs from a cron trigger. */
export function createWorker<Bindings extends Env = Env>(options: WorkerOptions<Bindings>): DurableWorker<Bindings> {
  const { skills, capabilities } = options;
  const invocation = (env: Bindings, background: (work: Promise<unknown>) => void): Invocation => {
    const budget = queryBudget(d1Store(env.DB), positive(env.D1_QUERY_LIMIT, "D1_QUERY_LIMIT") ?? defaultQueryLimit);
    const leaseMs = positive(env.LEASE_MS, "LEASE_MS");
    const runtime = createRuntime({
      skills,
      capabilities: typeof capabilities === "function" ? capabilities(env) : capabilities,
      store: budget.store,
      isSpent: budget.isSpent,
      passMs,
      background,
      ...(leaseMs === undefined ? {} : { leaseMs }),
    });
    return { runtime, concurrency: budget.concurrency };
  };
  const invocations = new WeakMap<Request, Invocation>();
  const app = createApp<Bindings>({
    authenticate: ({ request, env }) => apiKeys(env.API_KEY ? [[env.API_KEY, keyTenant]] : [])(request),
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
      // 201 and 202 answer what brings work: whoever uses the service keeps it going, between one cron tick and the next.
      if (own !== undefined && [201, 202].includes(response.status)) context.waitUntil(drain(own, drainedWithStart));
      return response;
    },
    scheduled(_controller, env, context) {
      context.waitUntil(drain(invocation(env, (work) => context.waitUntil(work))));
    },
  };
}

/** One call of the Worker: what it does shares the limits of the platform. */
interface Invocation {
  readonly runtime: Runtime;
  readonly concurrency: number;
}

function drain({ runtime, concurrency }: Invocation, limit?: number): Promise<unknown> {
  const signal = AbortSignal.timeout(passMs);
  return runtime.drain({ concurrency, signal, ...(limit === undefined ? {} : { limit }) });
}

function positive(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new DurableError("internal_error", `${name}: expected a positive number, not "${text}"`);
}

export default createWorker({ skills: [summarizeSkill], capabilities: summarizeCapabilities });
