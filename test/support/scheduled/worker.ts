import { defineCapability, defineSkill } from "../../../src/index.ts";
import { createWorker } from "../../../worker/index.ts";

const takesASecond = defineCapability({ id: "scheduled.wait", version: "1" }, async () => {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  return "waited";
});

/** Long enough to be killed in the middle. */
const slow = defineSkill({
  id: "scheduled.slow",
  version: "1",
  steps: ["first", "second", "third", "fourth"].map((id) => ({
    id,
    uses: "scheduled.wait",
    output: `outputs.${id}`,
  })),
});

export default createWorker({ skills: [slow], capabilities: [takesASecond] });
