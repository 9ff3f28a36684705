// A program that starts a run which sleeps for an hour, and has nothing else to do.
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";

const nap = defineSkill({ id: "nap", version: "1", run: (step) => step.sleep("nap", "1 hour") });
const runtime = createRuntime({ store: memoryStore(), skills: [nap] });
const { run } = await runtime.for("acme").start(nap);
await runtime.idle();
console.log((await runtime.for("acme").get(run.runId)).status);
