import { env } from "cloudflare:workers";
import { d1Store } from "../../adapters/d1/index.ts";
import { createRuntime, saveCheckpoint } from "../../src/index.ts";
import { createClient } from "../../worker/client/index.ts";
import { createApp } from "../../worker/http/index.ts";
import { apiSkills, testRunsApi } from "./contract/runs-api.ts";

const onError = () => {};
const runtime = createRuntime({ store: d1Store(env.DB), skills: apiSkills, onError });
const app = createApp({
  stream: { pollMs: 20, maxPollMs: 100 },
  authenticate: () => ({ tenant: "served-api", role: "admin" }),
  runs: (tenant) => runtime.for(tenant),
});

testRunsApi("the runs of a runtime over D1", runtime.for("local-api"), saveCheckpoint);
testRunsApi(
  "the client of a Worker over D1",
  createClient("http://orca.test", { fetch: (request) => app.fetch(request) }),
  (client, runId, request) => client.saveCheckpoint(runId, request),
);
