import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { broadcastNotifier, createRuntime, webLocksPresence } from "../../src/index.ts";
import { order } from "./skill.ts";

const tenant = "example";
const runtime = createRuntime({
  store: indexedDbStore({ name: "orca-durable-workflow-example" }),
  skills: [order],
  notifier: broadcastNotifier(),
  presence: webLocksPresence(),
});
const runs = runtime.for(tenant);
void runtime.serve({ tenant, signal: new AbortController().signal });

const { start, pay, state } = elements();
start.addEventListener("click", () => runs.start({ skillId: "order", inputs: { item: "kettle", cents: 4_200 } }));
pay.addEventListener("click", async () => {
  const run = await newest();
  if (run !== undefined) await runs.signal(run.runId, { name: "paid", payload: { reference: "p-17" } });
});
await show();
setInterval(show, 200);

async function newest() {
  return (await runs.list({ limit: 1 })).items[0];
}

async function show(): Promise<void> {
  const run = await newest();
  state.textContent = run === undefined ? "no order" : JSON.stringify({ status: run.status, result: run.result });
}

function elements() {
  const [start, pay] = document.querySelectorAll("button");
  const state = document.querySelector("output");
  if (start === undefined || pay === undefined || state === null) throw new Error("the page lacks an element");
  return { start, pay, state };
}
