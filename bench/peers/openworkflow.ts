import { DatabaseSync } from "node:sqlite";
import { OpenWorkflow } from "openworkflow";
import { BackendSqlite } from "openworkflow/sqlite";
import { type GrowingOptions, type Grown, kilobyte, Pace } from "../programs/growing.ts";

/** The maximum number of steps of a run in OpenWorkflow. */
export const openWorkflowStepLimit = 1_000;

/** The run of `growDurable`. OpenWorkflow stores the result of each step once, and no states. */
export async function growOpenWorkflow(
  path: string,
  steps: number,
  { result = kilobyte }: Pick<GrowingOptions, "result"> = {},
): Promise<Grown> {
  const pace = new Pace();
  const backend = BackendSqlite.connect(path);
  const client = new OpenWorkflow({ backend });
  const growing = client.defineWorkflow<{ steps: number }, number>({ name: "growing" }, async ({ input, step }) => {
    let length = 0;
    for (let number = 1; number <= input.steps; number++) {
      const text = await step.run({ name: `step ${number}` }, () => {
        pace.called();
        return result(number);
      });
      length += text.length;
    }
    return length;
  });
  const worker = client.newWorker();
  const handle = await growing.run({ steps });
  await worker.tick();
  // Its own `result()` polls once per second.
  while (!isOver((await backend.getWorkflowRun({ workflowRunId: handle.workflowRun.id }))?.status)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const run = await backend.getWorkflowRun({ workflowRunId: handle.workflowRun.id });
  const expected = Array.from({ length: steps }, (_, index) => result(index + 1).length);
  if (run?.output !== expected.reduce((sum, length) => sum + length, 0))
    throw new Error(`OpenWorkflow's run is ${run?.status}: ${JSON.stringify(run?.error)}`);
  await backend.stop();
  return { stepMs: pace.stepMs(steps), bytes: storedBytes(path) };
}

function isOver(status: string | undefined): boolean {
  return status !== "pending" && status !== "running";
}

function storedBytes(path: string): Record<string, number> {
  const db = new DatabaseSync(path);
  const row = db
    .prepare(
      `SELECT (SELECT sum(length(CAST(coalesce(output, '') AS BLOB)) + length(CAST(coalesce(context, '') AS BLOB))
          + length(CAST(config AS BLOB))) FROM step_attempts) AS attempts,
        (SELECT sum(length(CAST(coalesce(input, '') AS BLOB)) + length(CAST(coalesce(output, '') AS BLOB))
          + length(CAST(config AS BLOB))) FROM workflow_runs) AS runs`,
    )
    .get();
  db.close();
  return { attempts: Number(row?.attempts), runs: Number(row?.runs) };
}
