import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineCapability, defineSkill, NothingHappenedError } from "../src/index.ts";

// Stands for a bank without idempotency keys. First it is busy, and then the connection breaks: did it charge the card?
const answers = [429, undefined, 200];
const bank = createServer((_, response) => {
  const status = answers.shift();
  if (status === undefined) response.destroy();
  else response.writeHead(status, { "content-type": "application/json" }).end('{"receipt":"r-1"}');
});
await new Promise<void>((resolve) => bank.listen(0, "127.0.0.1", resolve));
const charges = `http://127.0.0.1:${(bank.address() as AddressInfo).port}/charges`;

const charge = defineCapability(
  {
    id: "card.charge",
    version: "1",
    sideEffects: "external_action",
    isIdempotent: false,
    retries: { limit: 2, delay: 100 },
  },
  async ({ cents }: { cents: number }, { signal }) => {
    const response = await fetch(charges, { method: "POST", body: JSON.stringify({ cents }), signal });
    // The bank rejected the request before any money moved. After any other error a person is asked before the next attempt.
    if (response.status === 429) throw new NothingHappenedError("the bank is busy");
    if (!response.ok) throw new Error(`the bank answered ${response.status}`);
    return response.json();
  },
);

const order = defineSkill({
  id: "order",
  version: "1",
  run: async (step, { cents }: { cents: number }) => step.use<{ receipt: string }>("charge", "card.charge", { cents }),
});

const runtime = createRuntime({ store: memoryStore(), skills: [order], capabilities: [charge], onError: () => {} });
const runs = runtime.for("example");
const { run } = await runs.start({ skillId: "order", inputs: { cents: 4_200 } });
await runtime.idle(); // the 429 was retried; now the run asks a person, who looks at the bank's books
const { approvalRequest } = await runs.get(run.runId);
const events = (await runs.events(run.runId)).items;
const asked = events.find(({ eventType }) => eventType === "step.waiting")?.payload.reason;
await runs.approve(run.runId, { stepId: "charge", approver: "ada" });
const { result } = await runs.settled(run.runId);
console.log(JSON.stringify({ asks: approvalRequest?.stepId, asked, result, left: answers.length }));
await runtime.stop();
bank.close();
