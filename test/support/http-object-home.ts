import { createExecutionContext, runDurableObjectAlarm } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createFront } from "../../worker/cloudflare/index.ts";
import { apiKeys } from "../../worker/http/index.ts";
import { scheduleApi } from "../../worker/schedules/http/index.ts";
import { type HttpHome, homeKeys, tenants } from "./http-home.ts";

/** A front before one object for each tenant. */
export function objectHome(): HttpHome {
  const authenticate = apiKeys(homeKeys());
  const namespace = env.HTTP_RUNS;
  const front = createFront({
    authenticate: ({ request }) => authenticate(request),
    objects: () => namespace,
    schedules: scheduleApi,
    inspector: false,
  });
  return {
    fetch: async (request) => front.fetch(request, {}, createExecutionContext()),
    drain: async () => {
      for (const tenant of tenants) await runDurableObjectAlarm(namespace.get(namespace.idFromName(tenant)));
    },
  };
}
