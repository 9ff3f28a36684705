import { expectTypeOf, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, type Runs, type RunsApi, saveCheckpoint } from "../../src/index.ts";
import { type Client, createClient } from "../../worker/client/index.ts";
import { createApp } from "../../worker/http/index.ts";
import { apiSkills, testRunsApi } from "./contract/runs-api.ts";

const onError = () => {};
const runtime = createRuntime({ store: memoryStore(), skills: apiSkills, onError });
const app = createApp({
  stream: { pollMs: 20, maxPollMs: 100 },
  authenticate: () => ({ tenant: "served", role: "admin" }),
  runs: (tenant) => runtime.for(tenant),
});

testRunsApi("the runs of a runtime over memory", runtime.for("local"), saveCheckpoint);
testRunsApi(
  "the client of a service over memory",
  createClient("http://orca.test", { fetch: (request) => app.fetch(request) }),
  (client, runId, request) => client.saveCheckpoint(runId, request),
);

test("the runs of a runtime and those of a service are one interface", () => {
  expectTypeOf<Runs>().toExtend<RunsApi>();
  expectTypeOf<Client>().toExtend<RunsApi>();
  expectTypeOf<keyof Runs>().toEqualTypeOf<keyof RunsApi>();
  expectTypeOf<keyof Client>().toEqualTypeOf<keyof RunsApi | "saveCheckpoint" | "wire">();
});
