import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../src/index.ts";

const letter = defineSkill({
  id: "letter",
  version: "1",
  async run(step, { to }: { to: string }) {
    const text = await step.do("draft", async () => `Dear ${to}, …`);
    const { approver } = await step.waitForApproval("sign");
    return step.do("send", { sideEffects: "external_action" }, async ({ idempotencyKey }) => {
      return `sent “${text}” for ${approver}, once per ${idempotencyKey}`;
    });
  },
});

const store = memoryStore(); // or indexedDbStore() in a page, or d1Store(env.DB) in a Worker

const morning = createRuntime({ store, skills: [letter] });
const { run } = await morning.for("acme").start({ skillId: "letter", inputs: { to: "Alice" } });
await morning.idle(); // drafted and checkpointed; now the run waits for a person, as data
await morning.stop();

const evening = createRuntime({ store, skills: [letter] }); // another process over the same medium
const runs = evening.for("acme");
await runs.approve(run.runId, { approver: "Bob" });
console.log((await runs.finished(run.runId)).result); // sent “Dear Alice, …” for Bob, once per acme/run_…
