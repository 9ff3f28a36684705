import { defineCapability, defineGraphSkill, defineSkill, type StepContext } from "../../../src/index.ts";
import { createWorker, type Env } from "../../../worker/cloudflare/index.ts";

interface ScheduledEnv extends Env {
  /** The server that hears of every call of a step, and answers when it likes. */
  readonly OUTSIDE_URL: string;
}

type Told = Pick<StepContext, "runId" | "stepId" | "attempt" | "idempotencyKey">;

let outside = "";

async function tell(told: Told): Promise<unknown> {
  const response = await fetch(outside, { method: "POST", body: JSON.stringify(told) });
  return response.json();
}

const graph = defineGraphSkill({
  id: "graph",
  version: "1",
  steps: [
    { id: "before", uses: "tell", output: "outputs.before" },
    { id: "held", uses: "tell", output: "outputs.held" },
    { id: "after", uses: "tell", output: "outputs.after" },
  ],
});

const sleeper = defineGraphSkill({
  id: "sleeper",
  version: "1",
  steps: [
    { id: "before", uses: "tell", output: "outputs.before" },
    // Longer than a Worker waits timers out, and than it takes until the Worker is killed.
    { id: "nap", sleep: 20_000 },
    { id: "after", uses: "tell", output: "outputs.after" },
  ],
});

const body = defineSkill({
  id: "body",
  version: "1",
  run: async (step, _, { runId }) => {
    const call = (stepId: string) =>
      step.do(stepId, ({ attempt, idempotencyKey }) => tell({ runId, stepId, attempt, idempotencyKey }));
    return { before: await call("before"), held: await call("held"), after: await call("after") };
  },
});

export default createWorker<ScheduledEnv>({
  skills: [graph, sleeper, body],
  capabilities(env) {
    outside = env.OUTSIDE_URL;
    return [
      defineCapability({ id: "tell", version: "1" }, (_, { runId, stepId, attempt, idempotencyKey }) =>
        tell({ runId, stepId, attempt, idempotencyKey }),
      ),
    ];
  },
});
