import { expect } from "vitest";
import type { StoreHarness } from "../../src/conformance/index.ts";
import {
  createRuntime,
  isDurableError,
  type OnError,
  type RunEvent,
  type RunStatus,
  type Runs,
  type Runtime,
  type RuntimeOptions,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import type { Run } from "../../src/types.ts";
import { type VirtualClock, virtualClock } from "./clock.ts";
import { type Workshop, workshop } from "./workshop.ts";

/** What a test of the runtime has to play with: a medium of its own, a clock, and skills that remember. */
export interface Stage extends Workshop {
  readonly tenant: string;
  readonly clock: VirtualClock;
  /** The first handle on the medium. */
  readonly store: Store;
  /** One more handle on the same medium. */
  readonly open: () => Promise<Store>;
  /** A runtime, by default over the first handle. */
  readonly runtime: (options?: Partial<RuntimeOptions>) => Runtime;
  /** The tenant's runs in a first runtime. */
  readonly runs: Runs;
  /** The first runtime. */
  readonly home: Runtime;
  /** Failures of background work. A test that leaves any in here fails. */
  readonly errors: unknown[];
}

export const leaseMs = 30_000;

let stages = 0;

/** A test over a medium of its own. */
export type OnStage = (act: (stage: Stage) => Promise<void>) => () => Promise<void>;

export function onStage(harness: StoreHarness): OnStage {
  return (act) => async () => {
    const medium = await harness.fresh();
    const handles: Store[] = [];
    const runtimes: Runtime[] = [];
    const errors: unknown[] = [];
    const open = async () => {
      const handle = await medium.open();
      handles.push(handle);
      return handle;
    };
    const shop = workshop();
    const clock = virtualClock();
    const store = await open();
    const { capabilities, skills } = shop;
    // What a step throws is its own matter, and told too.
    const onError: OnError = (error, context) => {
      if (context?.stepId === undefined) errors.push(error);
    };
    const runtime = (options: Partial<RuntimeOptions> = {}) => {
      const made = createRuntime({ store, clock, capabilities, skills, leaseMs, onError, ...options });
      runtimes.push(made);
      return made;
    };
    const home = runtime({ executor: "home" });
    // One of its own, so that what a test that ran out of time still does is no matter to the next.
    stages += 1;
    const tenant = `acme ${stages}`;
    try {
      await act({ ...shop, tenant, clock, store, open, runtime, home, runs: home.for(tenant), errors });
      expect(errors).toEqual([]);
    } finally {
      for (const made of runtimes) await made.stop();
      for (const handle of handles) await handle.close();
      await medium.remove?.();
    }
  };
}

/** Waits for what happens in the background, however long the medium takes. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 5_000; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, tries < 20 ? 0 : 2));
  }
  throw new Error(`it never came about that ${what}`);
}

/** Waits until the run has that status, and answers with it. */
export async function untilStatus(runs: Runs, runId: string, status: RunStatus): Promise<Run> {
  let run = await runs.get(runId);
  await until(`run "${runId}" is ${status}`, async () => {
    run = await runs.get(runId);
    return run.status === status;
  });
  return run;
}

/** A promise, and what settles it. */
export function deferred<T = void>() {
  return Promise.withResolvers<T>();
}

/** Everything that the store has of some runs; compare two of them to see what was written. */
export async function rowsOf(store: Store, tenant: string, ...runIds: readonly string[]) {
  const rows = [];
  for (const runId of runIds) {
    const run = await store.getRun(tenant, runId);
    rows.push({
      run,
      entries: await store.listEntries(tenant, runId, { limit: 1_000 }),
      snapshots: await store.getSnapshots(tenant, runId, 0, Number.MAX_SAFE_INTEGER),
      claims: await store.listClaims(tenant, runId, { limit: 1_000 }),
    });
  }
  return { rows, count: await store.countRuns(tenant, {}) };
}

/** The refusal of a call that must be refused. */
export async function refusalOf(call: Promise<unknown>) {
  try {
    await call;
  } catch (error) {
    if (!isDurableError(error)) throw error;
    const { code, message, missing, path, retryAfterMs, details } = error;
    return { code, message, missing, path, retryAfterMs, details };
  }
  throw new Error("it was not refused");
}

/** The ids of the run's checkpoints by kind, in the order in which they were written. */
export async function kindsOf(runs: Runs, runId: string): Promise<readonly string[]> {
  const { items: checkpoints } = await runs.listCheckpoints(runId);
  return checkpoints.map(({ kind, stepId }) => (kind === "step_completed" ? `${kind} ${stepId}` : kind));
}

/** The id of the checkpoint that was written when that step settled, for the nth time. */
export async function checkpointAfter(runs: Runs, runId: string, stepId: string): Promise<string> {
  const { items: checkpoints } = await runs.listCheckpoints(runId);
  const found = checkpoints.find((one) => one.kind === "step_completed" && one.stepId === stepId);
  if (found === undefined) throw new Error(`run "${runId}" has no checkpoint after step "${stepId}"`);
  return found.checkpointId;
}

export async function checkpointOfKind(runs: Runs, runId: string, kind: string): Promise<string> {
  const { items: checkpoints } = await runs.listCheckpoints(runId);
  const found = checkpoints.find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`run "${runId}" has no checkpoint "${kind}"`);
  return found.checkpointId;
}

/** The types of the run's events, without `checkpoint.saved`. */
export async function eventTypesOf(runs: Runs, runId: string): Promise<readonly string[]> {
  const events = await eventsOf(runs, runId);
  return events.map((event) => event.eventType).filter((type) => type !== "checkpoint.saved");
}

export async function eventsOf(runs: Runs, runId: string): Promise<readonly RunEvent[]> {
  return (await runs.history(runId)).items.flatMap((entry) => entry.events);
}

/** Starts a run and waits until it is completed. */
export async function completed({ home, runs }: Stage, skillId: string, runId: string, inputs = {}): Promise<Run> {
  await runs.start({ skillId, runId, inputs });
  await home.idle();
  const run = await runs.get(runId);
  expect(run.status).toBe("completed");
  return run;
}
