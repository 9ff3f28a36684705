import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";
import { childRuns, readChildren } from "../../src/steps.ts";
import { createClient } from "../../worker/client/index.ts";
import { createApp } from "../../worker/http/index.ts";

const leaf = defineSkill({ id: "leaf", version: "1", run: async () => "done" });
const root = defineSkill({ id: "root", version: "1", uses: [childRuns], run: (step) => step.run("below", leaf) });

test("a child names its parent over HTTP, and other runs name none", async () => {
  const runtime = createRuntime({ store: memoryStore(), skills: [leaf, root] });
  const runs = runtime.for("acme");
  const { run } = await runs.start(root);
  await runs.settled(run.runId);
  const { items: children } = await readChildren(runs, run.runId);
  const childId = children[0]?.runId ?? "";
  const app = createApp({ authenticate: () => ({ tenant: "acme", role: "admin" }), runs: () => runs });
  const client = createClient("http://orca.test", { fetch: (request) => app.fetch(request) });
  expect(await client.get(childId)).toEqual(await runs.get(childId));
  expect(await client.get(childId)).toMatchObject({ parentRunId: run.runId, parentStepId: "below", result: "done" });
  expect(await client.get(run.runId)).not.toHaveProperty("parentRunId");
  const answer = await app.fetch(new Request(`http://orca.test/v1/runs/${childId}`));
  expect(await answer.json()).toMatchObject({ parent_run_id: run.runId, parent_step_id: "below" });
});
