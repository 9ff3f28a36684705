import { expect } from "vitest";
import type { StoreHarness } from "../../src/conformance/index.ts";
import {
  createRuntime,
  isDurableError,
  type OnError,
  type RunStatus,
  type Runs,
  type Runtime,
  type RuntimeOptions,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import type { Run } from "../../src/types.ts";
import { type VirtualClock, virtualClock } from "./clock.ts";
import { onFreshMedium } from "./fresh-medium.ts";
import { rowsOf } from "./stored.ts";
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
  return (act) => () =>
    onFreshMedium(harness, async (open) => {
      const runtimes: Runtime[] = [];
      const errors: unknown[] = [];
      const shop = workshop();
      const clock = virtualClock();
      const store = await open();
      const { capabilities, skills } = shop;
      // What a step throws is its own matter, and told too.
      const onError: OnError = (error, context) => {
        if (context?.stepId === undefined) errors.push(error);
      };
      const runtime = (options: Partial<RuntimeOptions> = {}) => {
        const made = createRuntime({ serves: false, store, clock, capabilities, skills, leaseMs, onError, ...options });
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
      }
    });
}

/** Waits for what happens in the background, however long the medium takes. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const patience = Date.now() + 100_000;
  for (let tries = 0; !(await holds()); tries++) {
    if (Date.now() > patience) throw new Error(`it never came about that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, tries < 20 ? 0 : 2));
  }
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

/** Checks that each of these calls is refused in this way, and that the run `r` stays as it was. */
export async function expectRefusals(
  { store, tenant }: Stage,
  refusal: object,
  calls: readonly (() => Promise<unknown>)[],
): Promise<void> {
  const before = await rowsOf(store, tenant, "r");
  for (const call of calls) expect(await refusalOf(call())).toMatchObject(refusal);
  expect(await rowsOf(store, tenant, "r")).toEqual(before);
}

/** What a call is refused with if that version of a skill is not registered. */
export function noSkill(named: string): object {
  return { code: "not_found", missing: "skill", message: expect.stringContaining(named) };
}

/** Starts the run `r`, and waits until that step has begun. Its handler ends when what is returned is settled. */
export async function heldAt(stage: Stage, stepId: string, skillId = "chain", executor = stage.home) {
  const hold = deferred<unknown>();
  stage.handlers.set(stepId, () => hold.promise);
  await executor.for(stage.tenant).start({ skillId, runId: "r" });
  await until(`step "${stepId}" has begun`, () => stage.counts()[stepId] === 1);
  return hold;
}

/** Starts the run `r`, at whose step its executor dies. */
export async function abandonedAt(stage: Stage, stepId: string, skillId = "chain", executor = stage.home) {
  await heldAt(stage, stepId, skillId, executor);
  await executor.stop();
  stage.handlers.delete(stepId);
}

/** Starts a run and waits until it is completed. */
export async function completed({ home, runs }: Stage, skillId: string, runId: string, inputs = {}): Promise<Run> {
  await runs.start({ skillId, runId, inputs });
  await home.idle();
  const run = await runs.get(runId);
  expect(run.status).toBe("completed");
  return run;
}
