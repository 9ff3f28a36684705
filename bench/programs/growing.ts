import { encodeState, writeState } from "../../src/codec/index.ts";
import { createRuntime, defineSkill, type Runs } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";

export const tenant = "bench";

/** What the step with this number adds to the state: a kilobyte that differs for every step. */
export function kilobyte(number: number): string {
  return `${number} `.padEnd(1_024, "x");
}

export interface Grown {
  /** The milliseconds per step, from the first handler call to the last. */
  readonly stepMs: number;
  /** All stored data by kind, in bytes of UTF-8. */
  readonly bytes: Readonly<Record<string, number>>;
  /** The bytes by which the file of the database grew, if it has one that can be measured. */
  readonly fileBytes?: number;
}

/** Measures the time between the first and the last handler call. */
export class Pace {
  #first = 0;
  #last = 0;
  #calls = 0;

  called(): void {
    this.#last = performance.now();
    if (this.#calls === 0) this.#first = this.#last;
    this.#calls += 1;
  }

  /** @throws if not every step was called once. */
  stepMs(steps: number): number {
    if (this.#calls !== steps) throw new Error(`${this.#calls} steps were executed instead of ${steps}.`);
    return (this.#last - this.#first) / (steps - 1);
  }
}

export interface Growth extends Grown {
  readonly runId: string;
  /** The final state, in its encoded form. */
  readonly stateBytes: number;
}

export interface GrowingOptions {
  /** What the step with that number returns. A kilobyte by default. */
  readonly result?: (number: number) => string;
  readonly onStep?: () => void;
}

/** Runs a skill of `steps` steps, each of which adds its result to the state, and returns what it left in the store. */
export async function growDurable(
  store: Store,
  steps: number,
  { result = kilobyte, onStep = () => {} }: GrowingOptions = {},
): Promise<Growth> {
  const pace = new Pace();
  const growing = defineSkill<{ steps: number }>({
    id: "growing",
    version: "1",
    run: async (step, { steps }) => {
      for (let number = 1; number <= steps; number++) {
        await step.do(`step ${number}`, async () => {
          pace.called();
          onStep();
          return result(number);
        });
      }
    },
  });
  const runtime = createRuntime({ serves: false, store, skills: [growing] });
  const runs = runtime.for(tenant);
  const { run } = await runs.start({ skillId: "growing", inputs: { steps } });
  await runtime.idle();
  const { status } = await runs.get(run.runId);
  if (status !== "completed") throw new Error(`The run is ${status}.`);
  const { runId } = run;
  return {
    runId,
    stepMs: pace.stepMs(steps),
    stateBytes: await stateBytes(runs, runId),
    bytes: await storedBytes(store, runId),
  };
}

async function stateBytes(runs: Runs, runId: string): Promise<number> {
  const { head = "" } = await runs.listCheckpoints(runId, { limit: 1 });
  const { state } = await runs.loadCheckpoint(runId, head);
  return utf8(JSON.stringify(writeState(encodeState(state))));
}

/** The stored data of the run. Keys and indexes are left out, here and for every peer. */
async function storedBytes(store: Store, runId: string) {
  const row = await store.getRun(tenant, runId);
  const bytes = { snapshots: 0, history: 0, row: utf8(row?.body ?? "") };
  for (let after = 0; ; ) {
    const entries = await store.listEntries(tenant, runId, { after, limit: 200 });
    for (const { body } of entries) bytes.history += utf8(body);
    const last = entries.at(-1);
    if (last === undefined) return bytes;
    const snapshots = await store.getSnapshots(tenant, runId, after + 1, last.revision);
    for (const { body } of snapshots) bytes.snapshots += utf8(body);
    after = last.revision;
  }
}

export function utf8(text: string): number {
  return new TextEncoder().encode(text).length;
}
