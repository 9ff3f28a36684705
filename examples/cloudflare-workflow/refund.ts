import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineCapability, defineSkill } from "../../src/index.ts";

// What Cloudflare's WorkflowStep does not have: approvals, registered capabilities, and the ledger of side effects.

/** Stands for a bank: its payments, by idempotency key. */
const paid = new Map<string, string>();
const mails: string[] = [];

const mail = defineCapability(
  { id: "mail.send", version: "1", sideEffects: "external_action", replayPolicy: "require_human", isIdempotent: false },
  ({ to, text }: { to: string; text: string }) => mails.push(`${to}: ${text}`),
);

const refund = defineSkill({
  id: "refund",
  version: "1",
  run: async (step, { to, cents }: { to: string; cents: number }) => {
    const text = await step.do("draft", async () => `You get ${cents} cents back.`);
    const { approver } = await step.waitForApproval("manager");
    const receipt = await step.do("pay", { sideEffects: "external_action" }, async ({ idempotencyKey }) => {
      if (!paid.has(idempotencyKey)) paid.set(idempotencyKey, `receipt ${paid.size + 1}`);
      return paid.get(idempotencyKey);
    });
    await step.use("tell", "mail.send", { to, text });
    return { approver, receipt };
  },
});

const runtime = createRuntime({ store: memoryStore(), skills: [refund], capabilities: [mail] });
const runs = runtime.for("example");

const { run } = await runs.start({ skillId: "refund", inputs: { to: "ada", cents: 4_200 } });
await runtime.idle(); // it waits for its manager
await runs.approve(run.runId, { approver: "bob" });
const { result } = await runs.settled(run.runId);

// A replay from the first checkpoint: the payment comes from the ledger, and the mail asks a person first.
const { items: checkpoints } = await runs.listCheckpoints(run.runId);
const first = checkpoints[0]?.checkpointId ?? "";
const { run: replay } = await runs.replay(run.runId, { checkpointId: first });
await runtime.idle();
await runs.approve(replay.runId, { approver: "bob" });
await runtime.idle();
const { status, approvalRequest } = await runs.get(replay.runId);

console.log(JSON.stringify({ result, replay: { status, asks: approvalRequest?.stepId }, paid: paid.size, mails }));
await runtime.stop();
