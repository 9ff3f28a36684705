import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime } from "../../src/index.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import { apiReference } from "../../worker/http/reference.ts";
import { scheduleApi } from "../../worker/schedules/http/index.ts";
import { scheduling } from "../../worker/schedules/index.ts";
import { type HttpHome, homeKeys } from "./http-home.ts";
import { httpCapabilities, httpSkills } from "./http-skills.ts";

/** The app over a store in memory, in this very process. */
export function memoryHome(): HttpHome {
  // Steps that fail on purpose are not printed.
  const onError = () => {};
  const runtime = createRuntime({
    serves: false,
    store: memoryStore(),
    skills: [...httpSkills, scheduling],
    capabilities: httpCapabilities,
    onError,
  });
  const authenticate = apiKeys(homeKeys());
  const app = createApp({
    reference: apiReference,
    schedules: scheduleApi,
    stream: { pollMs: 20, maxPollMs: 100 },
    authenticate: ({ request }) => authenticate(request),
    runs: (tenant) => runtime.for(tenant),
  });
  return {
    fetch: async (request) => app.fetch(request),
    drain: async () => void (await runtime.drain()),
  };
}
