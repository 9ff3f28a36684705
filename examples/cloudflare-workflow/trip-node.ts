import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill, fromWorkflow } from "../../src/index.ts";
import { rollbacks } from "../../src/steps.ts";
import { bookTrip, undone } from "./trip.ts";

const trip = defineSkill({ id: "trip", version: "1", uses: [rollbacks], run: fromWorkflow(bookTrip) });

const runtime = createRuntime({ store: memoryStore(), skills: [trip], onError: () => {} });
const runs = runtime.for("example");

const { run } = await runs.start(trip, { city: "Oslo" });
const { status, error } = await runs.settled(run.runId);

const failed = undone.splice(0);

const waiting = await runs.start(trip, { city: "Rome", waits: true });
while ((await runs.get(waiting.run.runId)).status !== "waiting_for_signal")
  await new Promise((go) => setTimeout(go, 20));
await runs.cancel(waiting.run.runId, { rollback: true });
const canceled = await runs.settled(waiting.run.runId);

console.log(
  JSON.stringify([
    { status, error: error?.message, undone: failed },
    { status: canceled.status, undone },
  ]),
);
await runtime.stop();
