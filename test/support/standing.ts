import { expect, test } from "vitest";
import type { StoreHarness } from "../../src/conformance/index.ts";
import type { Runs, WorkflowBody } from "../../src/index.ts";
import { systemClock } from "../../src/testing/index.ts";
import { type ActorOptions, type Scene, scene, turn, until } from "./scene.ts";

/** Declares cases that are played on one medium. */
export type Played = (name: string, play: (scene: Scene) => Promise<void>) => void;

export function playedOn(harness: StoreHarness): Played {
  return (name, play) => test(name, () => scene(harness, play));
}

/**
 * Options of an actor that lives in real time, and waits a few seconds out with the lease held. A machine may stand still for
 * seconds: what must last longer than a wait ends when the test ends it, and not after a time.
 */
export const inRealTime: ActorOptions = { clock: systemClock, holdMs: 5_000 };

/** No second attempt. */
export const once = { retries: { limit: 0, delay: 1 } };

/** Time in which nothing may happen, or that work of the body takes. No order may depend on its length. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Plays the body to its first long sleep, and once more in another executor, which knows it from the store alone. */
export async function playedTwice({ actor }: Scene, body: WorkflowBody): Promise<void> {
  const first = actor({ body });
  const run = await first.start();
  expect(run).toMatchObject({ status: "running" });
  await first.die();
  expect(await actor({ body }).later(3_600_000, run.runId)).toMatchObject({ status: "completed" });
}

/** The ids of the steps that were recorded, in the order of their record. */
export async function recordedSteps(runs: Runs, runId: string): Promise<unknown[]> {
  const events = (await runs.events(runId)).items;
  return events.filter(({ eventType }) => eventType === "step.completed").map(({ payload }) => payload.step_id);
}

/** How many events of that type the run has. */
export async function countEvents(runs: Runs, runId: string, type: string): Promise<number> {
  return (await runs.events(runId)).items.filter(({ eventType }) => eventType === type).length;
}

/** Work of that many turns: long for a pass on a clock that stands still, which waits for its short pauses in turns too. */
export async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await turn();
}

/** Waits until each of these steps is recorded. */
export function untilRecorded(runs: Runs, runId: string, ...stepIds: readonly string[]): Promise<void> {
  return until(async () => {
    const recorded = new Set(await recordedSteps(runs, runId));
    return stepIds.every((stepId) => recorded.has(stepId));
  });
}

/** Waits until the run has that many events of that type. */
export function untilEvents(runs: Runs, runId: string, type: string, count = 1): Promise<void> {
  return until(async () => (await countEvents(runs, runId, type)) >= count);
}

/** The state at the head of a run. */
export async function headOf(runs: Runs, runId: string) {
  const { checkpointHead = "" } = await runs.get(runId);
  return (await runs.loadCheckpoint(runId, checkpointHead)).state;
}
