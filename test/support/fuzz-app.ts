import { createRuntime } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import type { KeyStore } from "../../worker/http/auth/keys.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import { apiReference } from "../../worker/http/reference.ts";
import type { FuzzHome } from "./fuzz.ts";
import { homeKeys } from "./http-home.ts";
import { httpCapabilities, httpSkills } from "./http-skills.ts";

/** What a home of hostile requests takes at most, so that they can be too large. */
const fuzzLimits = { maxBodyBytes: 100_000, maxImportBytes: 200_000 };

/** The app over these stores, as hostile requests meet it. */
export function fuzzApp(store: Store, keys: KeyStore): Pick<FuzzHome, "fetch" | "idle"> {
  const runtime = createRuntime({
    serves: false,
    store,
    skills: httpSkills,
    capabilities: httpCapabilities,
    onError() {},
  });
  const authenticate = apiKeys(homeKeys(), keys);
  const app = createApp({
    reference: apiReference,
    ...fuzzLimits,
    authenticate: ({ request }) => authenticate(request),
    runs: (tenant) => runtime.for(tenant),
    keys: () => keys,
    onError: () => {},
  });
  return { fetch: async (request) => app.fetch(request), idle: () => runtime.idle() };
}
