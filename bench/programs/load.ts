import { countingStore } from "../../src/conformance/faults.ts";
import { createRuntime, defineSkill } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { exportRun, importRun } from "../../src/transfer.ts";
import { interleaved, timed } from "../spread.ts";
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
  const runtime = createRuntime({ serves: false, store, skills: [longSkill(() => {})] });
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
  const { runId } = await importRun(createRuntime({ serves: false, store }).for(tenant), lines);
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
  /** The time of reading the snapshots that this step reads, and of `JSON.parse` of each, in turns with the step. */
  readonly bareMs: readonly number[];
}

/** Loads the head of a run and makes it execute its next step, each in a new runtime as after a crash. */
export async function loadCosts(store: Store, runId: string, rounds: number): Promise<LoadCosts> {
  const { head = "" } = await createRuntime({ serves: false, store }).for(tenant).listCheckpoints(runId, { limit: 1 });
  const load = (over: Store) => createRuntime({ serves: false, store: over }).for(tenant).loadCheckpoint(runId, head);
  const step = (over: Store) => firstStep(over, runId);
  const [loaded, stepped] = [await countsOf(store, load), await countsOf(store, step)];
  const ms = await interleaved(rounds, {
    load: () => timed(() => load(store)),
    step: () => step(store),
    bare: () => timed(() => parseAll(store, stepped.reads)),
  });
  return { load: { ...loaded.cost, ms: ms.load }, step: { ...stepped.cost, ms: ms.step }, bareMs: ms.bare };
}

type Read = Parameters<Store["getSnapshots"]>;

/** What an operation asks of the store. It is not measured at the same time, since counting bytes takes time. */
async function countsOf(store: Store, measure: (over: Store) => Promise<unknown>) {
  const reads: Read[] = [];
  const getSnapshots: Store["getSnapshots"] = (...read) => {
    reads.push(read);
    return store.getSnapshots(...read);
  };
  const counting = countingStore({ ...store, getSnapshots });
  await measure(counting);
  const { calls, snapshotBytesRead: bytesRead } = counting.counts;
  return { cost: { calls: Object.values(calls).reduce((sum, count) => sum + count, 0), bytesRead }, reads };
}

/** The least that a load of these snapshots can do. */
async function parseAll(store: Store, reads: readonly Read[]): Promise<void> {
  const bodies = (await Promise.all(reads.map((read) => store.getSnapshots(...read)))).flat();
  const states = bodies.map(({ body }): unknown => JSON.parse(body));
  if (states.length === 0) throw new Error("The step read no snapshot.");
}

async function firstStep(store: Store, runId: string): Promise<number> {
  let calledAt = 0;
  const skill = longSkill(() => {
    calledAt = performance.now();
  });
  const runtime = createRuntime({ serves: false, store, skills: [skill] });
  const start = performance.now();
  await runtime.for(tenant).signal(runId, { name: "go" });
  await runtime.idle();
  if (calledAt === 0) throw new Error("The run took no step.");
  return calledAt - start;
}
