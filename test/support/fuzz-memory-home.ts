import { type MemoryData, memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime } from "../../src/index.ts";
import { apiKeys, createApp } from "../../worker/app.ts";
import { memoryKeys } from "../../worker/keys/memory.ts";
import type { FuzzHome } from "./fuzz.ts";
import { homeKeys, tenants } from "./http-home.ts";
import { httpCapabilities, httpSkills } from "./http-skills.ts";

/** What a home of hostile requests takes at most, so that they can be too large. */
export const fuzzLimits = { maxBodyBytes: 100_000, maxImportBytes: 200_000 };

/** The app over memory. */
export async function fuzzMemoryHome(): Promise<FuzzHome> {
  const data: MemoryData = new Map();
  const keys = memoryKeys();
  const runtime = createRuntime({ store: memoryStore({ data }), skills: httpSkills, capabilities: httpCapabilities });
  const authenticate = apiKeys(homeKeys(), keys);
  const app = createApp({
    ...fuzzLimits,
    authenticate: ({ request }) => authenticate(request),
    runs: (tenant) => runtime.for(tenant),
    keys: () => keys,
    onError: () => {},
  });
  return {
    fetch: async (request) => app.fetch(request),
    idle: () => runtime.idle(),
    async state() {
      const rows = [...data].map(([tenant, { runs, claims }]) => [tenant, [...runs.values()], [...claims.values()]]);
      return JSON.stringify([rows, await Promise.all(tenants.map((tenant) => keys.list(tenant)))]);
    },
  };
}
