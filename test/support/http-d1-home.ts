import type { D1Database } from "@cloudflare/workers-types";
import { d1Store } from "../../adapters/d1/index.ts";
import { createRuntime } from "../../src/index.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import { apiReference } from "../../worker/http/reference.ts";
import { scheduleApi } from "../../worker/schedules/http/index.ts";
import { scheduling } from "../../worker/schedules/index.ts";
import { type HttpHome, homeKeys } from "./http-home.ts";
import { httpCapabilities, httpSkills } from "./http-skills.ts";

/** The app over a D1 database, with a runtime of its own for each request, as the Worker has it. */
export function d1Home(db: D1Database): HttpHome {
  const authenticate = apiKeys(homeKeys());
  const runtimeOf = () =>
    createRuntime({
      serves: false,
      store: d1Store(db),
      skills: [...httpSkills, scheduling],
      capabilities: httpCapabilities,
      leaseMs: 5_000,
    });
  const app = createApp({
    reference: apiReference,
    schedules: scheduleApi,
    stream: { pollMs: 20, maxPollMs: 100 },
    authenticate: ({ request }) => authenticate(request),
    runs: (tenant) => runtimeOf().for(tenant),
  });
  return {
    fetch: async (request) => app.fetch(request),
    drain: async () => void (await runtimeOf().drain()),
  };
}
