import { expect } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { initialState } from "../../src/codec/index.ts";
import { defineCapability, defineSkill, isDurableError, type RuntimeOptions, saveCheckpoint } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { importRun } from "../../src/transfer.ts";
import type { VirtualClock } from "./clock.ts";
import { exported } from "./lines.ts";
import { refusalOf, type Stage } from "./stage.ts";

// A skill with everything that an export carries, and its runs.

export const hourMs = 60 * 60 * 1000;

/** Sends mails, and then waits for an hour and for a word. */
export function office() {
  const sent: unknown[] = [];
  const mail = defineCapability(
    { id: "mail", version: "1", sideEffects: "external_action", replayPolicy: "use_recorded_result" },
    (input) => {
      sent.push(input);
      return { at: new Date(0), to: new Map([["ann", 1n]]) };
    },
  );
  const skill = defineSkill<{ more: string }>({
    id: "office",
    version: "1",
    run: async (step, { more }) => {
      await step.use("first", "mail", { to: "ann", more });
      await step.use("second", "mail", { to: "bob" });
      await step.sleep("nap", hourMs);
      const said = await step.waitForEvent<string>("word", { type: "word", timeout: 48 * hourMs });
      return `${said.payload} after ${sent.length} mails`;
    },
  });
  return { sent, options: { skills: [skill], capabilities: [mail] } satisfies Partial<RuntimeOptions> };
}

/** A place where runs live: one medium, one clock, one runtime. */
export function home(stage: Stage, store: Store, clock: VirtualClock = stage.clock) {
  const { sent, options } = office();
  const runtime = stage.runtime({ store, clock, holdMs: 0, ...options });
  return { store, clock, sent, runtime, runs: runtime.for(stage.tenant) };
}

export type Home = ReturnType<typeof home>;

/** A run that has slept, been forked and been spoken to, and now waits for a word: with claims, deltas and an early signal. */
export async function restingRun({ runs, runtime, clock }: Home, runId = "r"): Promise<string> {
  const odd = { [`__proto__`]: 1, text: "\ud800 \u{1f600}", map: new Map([[1, new Set([undefined])]]) };
  const inputs = { more: "é".repeat(2_000), odd };
  await runs.start({ skillId: "office", runId, inputs, idempotencyKey: `key of ${runId}`, metadata: { odd } });
  await runtime.idle();
  await runs.signal(runId, { name: "other", payload: odd });
  await clock.advance(hourMs);
  await runtime.drain();
  expect((await runs.get(runId)).status).toBe("waiting_for_signal");
  return runId;
}

/** The lines of a run whose entries go into three commits. */
export async function longRun(
  stage: Stage,
  runId = "r",
  { entries = 250, padding = 0 } = {},
): Promise<readonly string[]> {
  const { runs } = home(stage, memoryStore());
  await runs.create({ skillId: "office", runId, inputs: { more: "é".repeat(2_000) }, idempotencyKey: "key" });
  const state = { ...initialState("office", { more: "" }), skillVersion: "1" };
  for (let iteration = 1; iteration < entries; iteration++) {
    const vars = { padding: `${iteration} `.repeat(padding / 4) };
    await saveCheckpoint(runs, runId, { kind: "saved", state: { ...state, iteration, vars } });
  }
  return exported(runs, runId);
}

/** A home in memory with a resting run, and the run's lines. */
export async function restingLines(stage: Stage): Promise<{ readonly first: Home; readonly lines: readonly string[] }> {
  const first = home(stage, memoryStore());
  await restingRun(first);
  return { first, lines: await exported(first.runs, "r") };
}

/** False if the medium failed. */
export async function isImported({ runs }: Home, lines: readonly string[]): Promise<boolean> {
  try {
    await importRun(runs, lines);
    return true;
  } catch (error) {
    if (!isDurableError(error, "store_failed")) throw error;
    return false;
  }
}

/** No call shows anything of the run. */
export async function expectHidden({ runs, runtime }: Home, runId: string): Promise<void> {
  expect(await refusalOf(runs.get(runId))).toMatchObject({ code: "not_found", missing: "run" });
  expect(await refusalOf(runs.listCheckpoints(runId))).toMatchObject({ code: "not_found" });
  expect((await runs.list()).items.map((run) => run.runId)).not.toContain(runId);
  expect(await runs.count()).toBe((await runs.list()).items.length);
  expect(await runtime.drain()).toEqual({ taken: 0, passedOver: 0 });
}
