import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineCapability, defineSkill } from "../src/index.ts";

const draft = defineCapability({ id: "letter.draft", version: "1" }, ({ to }: { to: string }) => `Dear ${to}, …`);
const send = defineCapability(
  { id: "letter.send", version: "1", requiresConfirmation: true, retry: { maxAttempts: 3 } },
  ({ text }: { text: string }, { idempotencyKey }) => `sent ${text.length} characters as ${idempotencyKey}`,
);
const letter = defineSkill({
  id: "letter",
  version: "1",
  steps: [
    { id: "draft", uses: "letter.draft", input: { to: "inputs.to" }, output: "vars.text" },
    { id: "send", uses: "letter.send", input: { text: "vars.text" }, output: "outputs.receipt" },
  ],
});

const store = memoryStore(); // or indexedDbStore() in a page, or d1Store(env.DB) in a Worker
const host = { store, skills: [letter], capabilities: [draft, send] };

const morning = createRuntime(host);
const { run } = await morning.for("acme").start({ skillId: "letter", inputs: { to: "Alice" } });
await morning.idle(); // drafted and checkpointed; now the run waits for a person
await morning.stop();

const evening = createRuntime(host); // another process over the same medium
const runs = evening.for("acme");
await runs.approve(run.runId, { approver: "Bob" });
console.log((await runs.finished(run.runId)).result); // { receipt: 'sent 13 characters as acme/run_…/send' }
