import { indexedDbStore } from "../../adapters/indexeddb/index.ts";
import { createRuntime, defineSkill, fromWorkflow } from "../../src/index.ts";
import { rollbacks } from "../../src/steps.ts";
import { bookTrip, undone } from "./trip.ts";

const trip = defineSkill({ id: "trip", version: "1", uses: [rollbacks], run: fromWorkflow(bookTrip) });

const store = indexedDbStore({ name: "orca-durable-trip-example" });
const runs = createRuntime({ store, skills: [trip], onError: () => {} }).for("example");

const { run } = await runs.start(trip, { city: "Oslo" });
const { status, error } = await runs.settled(run.runId);
const state = document.querySelector("output");
if (state !== null) state.textContent = JSON.stringify({ status, error: error?.message, undone });
