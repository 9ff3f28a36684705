import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime } from "../../src/index.ts";
import { order } from "./skill.ts";

const runtime = createRuntime({ store: memoryStore(), skills: [order] });
const runs = runtime.for("example");

const { run } = await runs.start({ skillId: "order", inputs: { item: "kettle", cents: 4_200 } });
await runs.signal(run.runId, { name: "paid", payload: { reference: "p-17" } });
const { status, result } = await runs.settled(run.runId);

console.log(JSON.stringify({ status, result }));
await runtime.stop();
