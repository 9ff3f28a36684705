import { nodeSqliteStore } from "../../adapters/node-sqlite/index.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";

// A process that starts runs in a file without end, and prints the id of each that was acknowledged.

export const threeSteps = defineSkill({
  id: "three",
  version: "1",
  async run(step) {
    for (const name of ["one", "two", "three"]) await step.do(name, async () => name);
    return "done";
  },
});

const [path, name] = process.argv.slice(2);
if (path !== undefined) {
  const runs = createRuntime({ store: nodeSqliteStore(path), skills: [threeSteps], leaseMs: 500 }).for("t");
  for (let round = 0; ; round++) {
    const { run } = await runs.start(threeSteps, undefined, { runId: `${name}-${round}` });
    process.stdout.write(`${run.runId}\n`);
  }
}
