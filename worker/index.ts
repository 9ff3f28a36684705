import type { D1Database, ExecutionContext, ScheduledController } from "@cloudflare/workers-types";
import { d1Store } from "../adapters/d1/index.ts";
import { type AnyCapability, createRuntime, DurableError, type Runtime, type Skill } from "../src/index.ts";
import { apiKeys, createApp } from "./app.ts";
import { summarizeCapabilities, summarizeSkill } from "./skills/simple-summarize.ts";

/** The bindings that the Worker is deployed with. */
export interface Env {
  readonly DB: D1Database;
  /** The key that clients send. A secret; without it nothing is served. */
  readonly API_KEY?: string;
  /** How long a run stays with a Worker that says nothing more, in milliseconds. Default 30,000. */
  readonly LEASE_MS?: string;
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

/** The tenant of the one key. */
const tenant = "default";

// A Worker lives for 30 seconds after its answer: a run that is not finished by then is handed over to the cron trigger.
const passMs = 25_000;

// A scheduled call may make a thousand queries and requests, and a pass over a run some ten to fifty.
const drainLimit = 20;

/** A Worker that serves these skills over D1, and takes due runs from a cron trigger. */
export function createWorker<Bindings extends Env = Env>(options: WorkerOptions<Bindings>): DurableWorker<Bindings> {
  const { skills, capabilities } = options;
  const runtimeOf = (env: Bindings, background: (work: Promise<unknown>) => void): Runtime =>
    createRuntime({
      skills,
      capabilities: typeof capabilities === "function" ? capabilities(env) : capabilities,
      store: d1Store(env.DB),
      passMs,
      background,
      ...leaseOf(env),
    });
  const app = createApp<Bindings>({
    authenticate: ({ request, env }) => apiKeys(env.API_KEY ? [[env.API_KEY, tenant]] : [])(request),
    runs: (tenant, { env, background }) => runtimeOf(env, background).for(tenant),
  });
  return {
    fetch: (request, env, context) => app.fetch(request, env, context),
    scheduled(_controller, env, context) {
      const runtime = runtimeOf(env, (work) => context.waitUntil(work));
      context.waitUntil(runtime.drain({ limit: drainLimit, signal: AbortSignal.timeout(passMs) }));
    },
  };
}

function leaseOf({ LEASE_MS }: Env): { leaseMs?: number } {
  if (LEASE_MS === undefined) return {};
  const leaseMs = Number(LEASE_MS);
  if (leaseMs > 0 && Number.isFinite(leaseMs)) return { leaseMs };
  throw new DurableError("internal_error", "LEASE_MS: expected a positive number of milliseconds");
}

export default createWorker({ skills: [summarizeSkill], capabilities: summarizeCapabilities });
