import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env, type ObjectStub } from "cloudflare:workers";
import { forwarded, isAboutKeys } from "../../worker/cloudflare/forwarded.ts";
import { memoryKeys } from "../../worker/http/auth/memory-keys.ts";
import { apiKeys, createApp } from "../../worker/http/index.ts";
import { apiReference } from "../../worker/http/reference.ts";
import type { FuzzHome } from "./fuzz.ts";
import { homeKeys } from "./http-home.ts";
import type { FuzzRuns } from "./objects/worker.ts";

let homes = 0;

/** A front before objects of its own, which write down each change of a row. */
export async function fuzzObjectHome(): Promise<FuzzHome> {
  const home = ++homes;
  const keys = memoryKeys();
  const authenticate = apiKeys(homeKeys(), keys);
  const stubs = new Map<string, ObjectStub>();
  // As `createFront`, with keys in memory.
  const front = createApp({
    reference: apiReference,
    authenticate: ({ request }) => authenticate(request),
    keys: () => keys,
    onError: () => {},
    runs(tenant, { request }, caller) {
      if (isAboutKeys(request)) return undefined;
      const stub = stubs.get(tenant) ?? env.FUZZ_RUNS.get(env.FUZZ_RUNS.idFromName(`${home} ${tenant}`));
      stubs.set(tenant, stub);
      return stub.fetch(forwarded(request, caller));
    },
  });
  const inEach = <R>(call: (object: FuzzRuns) => R | Promise<R>) =>
    Promise.all([...stubs.values()].map((stub) => runInDurableObject<R, FuzzRuns>(stub, call)));
  return {
    fetch: async (request) => front.fetch(request, {}, createExecutionContext()),
    idle: async () => void (await inEach((object) => object.idle())),
    state: async () => (await inEach((object) => object.changes())).join(" "),
  };
}
