import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../src/index.ts";

const letter = defineSkill({
  id: "letter",
  version: "1",
  async run(step, { to }: { to: string }) {
    const text = await step.do("draft", async () => `Dear ${to}, …`);
    const { approver } = await step.waitForApproval("sign");
    return step.do("send", { sideEffects: "external_action" }, async ({ idempotencyKey }) => {
      return `sent “${text}” for ${approver} under the key ${idempotencyKey}`;
    });
  },
});

const store = memoryStore(); // or indexedDbStore() in a page, or d1Store(env.DB) in a Worker

const morning = createRuntime({ store, skills: [letter] });
const { run } = await morning.for("acme").start(letter, { to: "Alice" });
await morning.idle(); // the draft is committed; the run now waits for a person and needs no process
await morning.stop();

const evening = createRuntime({ store, skills: [letter] }); // a later process with the same store
const runs = evening.for("acme");
await runs.approve(run.runId, { approver: "Bob" });
console.log(await runs.result(letter, run.runId)); // sent “Dear Alice, …” for Bob under the key acme/run_…
