import type { D1Database } from "@cloudflare/workers-types";
import { CloudflareD1Saver } from "langgraph-checkpoint-cloudflare-d1";
import { d1Store } from "../../adapters/d1/index.ts";
import { createRuntime, defineSkill, type Runs } from "../../src/index.ts";
import { growLangGraph } from "../peers/langgraph.ts";
import { growDurable, kilobyte, tenant } from "../programs/growing.ts";
import { type Bill, difference, metered } from "./metered.ts";

export interface Operation extends Bill {
  readonly name: string;
}

/** The cost of each operation on D1. For steps it is the middle one, and the most expensive one. */
export async function bills(db: D1Database, others: D1Database, steps: number): Promise<readonly Operation[]> {
  return [
    ...(await durableSteps(db, steps)),
    ...(await operations(db, steps)),
    ...(await langGraphSteps(others, steps)),
  ];
}

async function durableSteps(db: D1Database, steps: number): Promise<Operation[]> {
  const meter = metered(db);
  const marks: Bill[] = [];
  await growDurable(d1Store(meter.db), steps, { onStep: () => marks.push(meter.bill()) });
  return perStep("a step", marks);
}

async function langGraphSteps(db: D1Database, steps: number): Promise<Operation[]> {
  const meter = metered(db);
  const marks: Bill[] = [];
  await growLangGraph(new CloudflareD1Saver(meter.db), crypto.randomUUID(), steps, "whole", {
    onStep: () => marks.push(meter.bill()),
  });
  return perStep("LangGraph: a step", marks);
}

/** From the costs at the call of each step's handler. */
function perStep(name: string, marks: readonly Bill[]): Operation[] {
  const steps = marks.slice(1).map((mark, index) => difference(mark, marks[index] ?? mark));
  const sorted = steps.toSorted((a, b) => a.written + a.read - b.written - b.read);
  const [middle, dearest] = [sorted[Math.floor(sorted.length / 2)], sorted.at(-1)];
  if (middle === undefined || dearest === undefined) throw new Error("There were too few steps.");
  return [
    { name, ...middle },
    { name: `${name}, the dearest of ${steps.length}`, ...dearest },
  ];
}

/** Each operation on a run that has executed `steps` steps. */
async function operations(db: D1Database, steps: number): Promise<Operation[]> {
  const meter = metered(db);
  let atStep: Bill | undefined;
  const skill = defineSkill<{ steps: number }>({
    id: "billed",
    version: "1",
    run: async (step, { steps }) => {
      for (let number = 1; number <= steps; number++) await step.do(`step ${number}`, async () => kilobyte(number));
      await step.waitForEvent("wait", { type: "go" });
      await step.do("last", async () => {
        atStep = meter.bill();
      });
    },
  });
  const store = d1Store(meter.db);
  const runtime = createRuntime({ serves: false, store, skills: [skill] });
  const clerk: Runs = createRuntime({ serves: false, store, skills: [skill], executes: false }).for(tenant);
  const worker = runtime.for(tenant);

  const done: Operation[] = [];
  const bill = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const before = meter.bill();
    const result = await work();
    done.push({ name, ...difference(meter.bill(), before) });
    return result;
  };
  await bill("start", () => clerk.start({ skillId: "billed", inputs: { steps } }));
  const { run } = await worker.start({ skillId: "billed", inputs: { steps } });
  await runtime.idle();
  const { items: checkpoints } = await worker.listCheckpoints(run.runId);
  const last = checkpoints.findLast(({ kind }) => kind === "step_completed");
  if (last === undefined) throw new Error("The run took no step.");
  const first = checkpoints.find(({ kind }) => kind === "step_completed") ?? last;
  const { checkpointId } = last;
  await bill("load a checkpoint", () => clerk.loadCheckpoint(run.runId, checkpointId));
  const fork = await bill("fork", () => clerk.fork(run.runId, { checkpointId }));
  await bill("fork, from the first step", () => clerk.fork(run.runId, { checkpointId: first.checkpointId }));
  await bill("resume", () => clerk.resume(fork.run.runId));
  const replay = await bill("replay", () => clerk.replay(run.runId, { checkpointId }));
  await bill("cancel", () => clerk.cancel(replay.run.runId));
  const before = meter.bill();
  await worker.signal(run.runId, { name: "go" });
  await runtime.idle();
  if (atStep === undefined) throw new Error("The signal led to no step.");
  done.push({ name: "a signal, until the step behind it is called", ...difference(atStep, before) });
  return done;
}
