import type { D1Database, ExecutionContext, ScheduledController } from "@cloudflare/workers-types";
import { d1Store } from "../../adapters/d1/index.ts";
import { createRuntime } from "../../src/index.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import { apiReference } from "../../worker/http/reference.ts";
import { capabilities, skills } from "./skill.ts";

interface Env {
  readonly DB: D1Database;
  readonly API_KEY: string;
}

function runtimeOf(env: Env, background: (work: Promise<unknown>) => void) {
  // A Worker may run for 30 seconds after its response. Before that, a run is handed over to the cron trigger.
  return createRuntime({ store: d1Store(env.DB), skills, capabilities, background, passMs: 25_000 });
}

const app = createApp<Env>({
  authenticate: ({ request, env }) => apiKeys([[env.API_KEY, "acme"]])(request),
  runs: (tenant, { env, background }) => runtimeOf(env, background).for(tenant),
  reference: apiReference,
});

export default {
  fetch: (request: Request, env: Env, context: ExecutionContext) => app.fetch(request, env, context),
  scheduled(_: ScheduledController, env: Env, context: ExecutionContext) {
    context.waitUntil(runtimeOf(env, (work) => context.waitUntil(work)).drain({ limit: 20 }));
  },
};
