import { countingStore } from "../../src/conformance/faults.ts";
import { createRuntime, defineSkill, exportRun, importRun } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { timed } from "../spread.ts";
import { kilobyte, tenant } from "./growing.ts";

/** A skill that executes `steps` steps and then one more for each signal, and reports when its steps are called. */
function longSkill(called: () => void) {
  return defineSkill<{ steps: number }>({
    id: "long",
    version: "1",
    run: async (step, { steps }) => {
      for (let number = 1; ; number++) {
        if (number > steps) await step.waitForEvent(`wait ${number}`, { type: "go" });
        await step.do(`step ${number}`, async () => {
          called();
          return kilobyte(number);
        });
      }
    },
  });
}

/** A run that has executed `steps` steps and waits, as the lines of its export. */
export async function longRun(store: Store, steps: number): Promise<readonly string[]> {
  const runtime = createRuntime({ store, skills: [longSkill(() => {})] });
  const runs = runtime.for(tenant);
  const { run } = await runs.start({ skillId: "long", runId: `long ${steps}`, inputs: { steps } });
  await runtime.idle();
  const { status } = await runs.get(run.runId);
  if (status !== "waiting_for_signal") throw new Error(`The run is ${status}.`);
  const lines: string[] = [];
  for await (const line of exportRun(runs, run.runId)) lines.push(line);
  return lines;
}

/** Imports a run of {@link longRun} into a store, and returns its id. */
export async function takeIn(store: Store, lines: readonly string[]): Promise<string> {
  const { runId } = await importRun(createRuntime({ store }).for(tenant), lines);
  return runId;
}

/** The store calls of one operation, and its time. */
export interface Cost {
  readonly calls: number;
  /** The size of the snapshots, in bytes of UTF-8. */
  readonly bytesRead: number;
  readonly ms: readonly number[];
}

export interface LoadCosts {
  readonly load: Cost;
  /** The time from the signal to the call of the next step's handler, in a runtime that does not know the run yet. */
  readonly step: Cost;
}

/** Loads the head of a run and makes it execute its next step, each in a new runtime as after a crash. */
export async function loadCosts(store: Store, runId: string, rounds: number): Promise<LoadCosts> {
  const { head = "" } = await createRuntime({ store }).for(tenant).listCheckpoints(runId, { limit: 1 });
  const load = (over: Store) => createRuntime({ store: over }).for(tenant).loadCheckpoint(runId, head);
  return {
    load: await costOf(store, rounds, async (over) => timed(() => load(over))),
    step: await costOf(store, rounds, async (over) => firstStep(over, runId)),
  };
}

/** Measured once with a counting store, and without it in the rounds, since counting bytes takes time. */
async function costOf(store: Store, rounds: number, measure: (over: Store) => Promise<number>): Promise<Cost> {
  const counting = countingStore(store);
  await measure(counting);
  const { calls, snapshotBytesRead } = counting.counts;
  const ms: number[] = [];
  for (let round = 0; round < rounds; round++) ms.push(await measure(store));
  return { calls: Object.values(calls).reduce((sum, count) => sum + count, 0), bytesRead: snapshotBytesRead, ms };
}

async function firstStep(store: Store, runId: string): Promise<number> {
  let calledAt = 0;
  const skill = longSkill(() => {
    calledAt = performance.now();
  });
  const runtime = createRuntime({ store, skills: [skill] });
  const start = performance.now();
  await runtime.for(tenant).signal(runId, { name: "go" });
  await runtime.idle();
  if (calledAt === 0) throw new Error("The run took no step.");
  return calledAt - start;
}
