import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { harness, isThorough } from "#medium";
import { memoryStore } from "../../adapters/memory/index.ts";
import {
  encodeState,
  encodeValue,
  initialState,
  type Json,
  type JsonObject,
  writeState,
} from "../../src/codec/index.ts";
import { countingStore, intercepted } from "../../src/conformance/faults.ts";
import type { Host } from "../../src/engine/host.ts";
import {
  createRuntime,
  defineSkill,
  type ExecutionState,
  isDurableError,
  localNotifier,
  type Runs,
  saveCheckpoint,
} from "../../src/index.ts";
import type { Held } from "../../src/journal/change.ts";
import { write } from "../../src/journal/commit.ts";
import { getCheckpoint, getRun } from "../../src/journal/held.ts";
import { canonicalJson } from "../../src/json.ts";
import type { SnapshotRow, Store } from "../../src/store.ts";
import type { Clock, RunId, TenantId } from "../../src/types.ts";
import { someNoon, virtualClock } from "../support/clock.ts";
import { completed, onStage, type Stage } from "../support/stage.ts";
import { checkpointAfter, kindsOf, rowsOf } from "../support/stored.ts";
import { workshop } from "../support/workshop.ts";

const on = onStage(harness);

/** In bytes of UTF-8. */
function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

async function stateBytes(runs: Runs, runId: string, checkpointId: string): Promise<number> {
  const { state } = await runs.loadCheckpoint(runId, checkpointId);
  return bytesOf(JSON.stringify(writeState(encodeState(state))));
}

/** How much a run may store in snapshots for each byte of its final state. */
const budget = 1.2;

/** A kilobyte of UTF-8 that is not one of UTF-16. */
const kilobyte = "é".repeat(512);

/** Grows by a kilobyte and a little more at each of its steps. */
const growing = defineSkill<{ steps: number; text: string }>({
  id: "growing",
  version: "1",
  run: async (step, { steps, text }) => {
    for (let number = 1; number <= steps; number++) await step.do(`step ${number}`, async () => text);
  },
});

/** Time that stands still even while a medium is slow, so that what is written does not depend on it. */
const stoppedClock: Clock = {
  now: () => someNoon,
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (ms <= 500 || signal?.aborted) setTimeout(resolve, 0);
      else signal?.addEventListener("abort", () => resolve());
    }),
};

/** What a growing run has written and holds in the end. */
async function grow(stage: Stage, store: Store, steps: number, text = kilobyte) {
  const counting = countingStore(store);
  const runtime = stage.runtime({ store: counting, skills: [growing], executor: "grower", clock: stoppedClock });
  const runs = runtime.for(stage.tenant);
  const runId = `growing ${steps} by ${text.length}`;
  await runs.start({ skillId: "growing", runId, inputs: { steps, text } });
  await runtime.idle();
  expect((await runs.get(runId)).status).toBe("completed");
  const written = counting.counts.snapshotBytesWritten;
  const { head = "" } = await runs.listCheckpoints(runId);
  return { runs, runId, head, written, final: await stateBytes(runs, runId, head), counting };
}

/** What one load costs. */
async function costOfLoad(store: Store, load: (store: Store) => Promise<unknown>) {
  const counting = countingStore(store);
  await load(counting);
  const { calls, snapshotBytesRead } = counting.counts;
  return { calls, bytes: snapshotBytesRead };
}

function state(vars: Readonly<Record<string, unknown>>): ExecutionState {
  return { ...initialState("chain", {}), vars };
}

/** A run with this number of checkpoints, each larger by what a short step adds, without executing anything. */
async function longRun(store: Store, tenant: string, checkpoints: number): Promise<{ runId: RunId; head: string }> {
  const { host, runs } = hostOver(store, tenant);
  const { run } = await runs.create({ skillId: "chain", runId: `long ${checkpoints}`, inputs: { text: "a" } });
  const { runId } = run;
  let held: Held = await getRun({ host, tenant: tenant as TenantId }, runId);
  const { state: first, snapshot } = await getCheckpoint(
    { host, tenant: tenant as TenantId },
    runId,
    held.record.run.checkpointHead as never,
  );
  let [messages, over]: [readonly Json[], typeof snapshot] = [[], snapshot];
  for (let number = 1; number <= checkpoints; number++) {
    messages = [...messages, "x".repeat(128)];
    const state = { ...first, working: { ...first.working, messages } };
    const checkpoint = { kind: "k", state, over };
    const outcome = await write(host, held, { record: held.record, events: [], checkpoint });
    if (outcome.kind !== "committed" || outcome.checkpoint === undefined) throw new Error("it was not committed");
    held = outcome.held;
    over = outcome.checkpoint.snapshot;
  }
  return { runId, head: held.record.run.checkpointHead ?? "" };
}

function hostOver(store: Store, tenant: string) {
  const clock = virtualClock();
  const { skills, capabilities } = workshop();
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const maxStateBytes = 64 * 1024 * 1024;
  const limits = { maxStateBytes, maxStateValues: 1_000_000 };
  const host = asHost({ store, clock, random, ...limits, notifier: localNotifier(), ready: Promise.resolve() });
  const runtime = createRuntime({ serves: false, store, clock, skills, capabilities });
  return { host, runtime, runs: runtime.for(tenant) };
}

// Writing and reading checkpoints takes no more of a host than that.
function asHost(
  host: Pick<Host, "store" | "clock" | "random" | "maxStateBytes" | "maxStateValues" | "notifier" | "ready">,
): Host {
  return host as Host;
}

/** The rows of the run's checkpoints: which of them stand on which keyframe. */
async function chainOf({ store, tenant }: Stage, runId: string) {
  const entries = await store.listEntries(tenant, runId, { limit: 1_000, checkpointsOnly: true });
  return entries.map(({ revision, keyframe, checkpointId = "" }) => ({ revision, keyframe, checkpointId }));
}

/** A run with a keyframe, deltas over it, another keyframe and deltas over that. */
async function twoChains(
  stage: Stage,
): Promise<readonly { revision: number; checkpointId: string; part: "first" | "second" }[]> {
  const { runs } = stage;
  await runs.create({ skillId: "chain", runId: "r", inputs: { text: "x".repeat(20_000) } });
  for (let number = 1; number <= 4; number++) {
    const vars = { large: "a".repeat(5_000), number };
    await saveCheckpoint(runs, "r", { checkpointId: `a${number}`, kind: "k", state: state(vars) });
  }
  for (let number = 1; number <= 4; number++) {
    const vars = { large: "b".repeat(3_000), number };
    await saveCheckpoint(runs, "r", { checkpointId: `b${number}`, kind: "k", state: state(vars) });
  }
  const chain = (await chainOf(stage, "r")).slice(1);
  expect(chain.map(({ checkpointId }) => checkpointId)).toEqual(["a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"]);
  const first = chain[0]?.revision;
  const second = chain[4]?.revision;
  expect(chain.map(({ keyframe }) => keyframe)).toEqual([first, first, first, first, second, second, second, second]);
  return chain.map((one) => ({ ...one, part: one.keyframe === first ? ("first" as const) : ("second" as const) }));
}

/** The store with something done to the snapshots that are read. */
function damaged(store: Store, damage: (rows: readonly SnapshotRow[]) => readonly SnapshotRow[]): Store {
  return intercepted(store, async (call, proceed) => {
    const answer = await proceed();
    return call.method === "getSnapshots" ? (damage(answer as never) as typeof answer) : answer;
  });
}

const replaced = (at: number, body: (body: string) => string) => (rows: readonly SnapshotRow[]) =>
  rows.map((row) => (row.revision === at ? { ...row, body: body(row.body) } : row));
const dropped = (at: number) => (rows: readonly SnapshotRow[]) => rows.filter(({ revision }) => revision !== at);
const edited = (at: number, edit: (json: JsonObject) => Json) =>
  replaced(at, (body) => JSON.stringify(edit(JSON.parse(body) as JsonObject)));

async function outcomeOf(load: Promise<unknown>): Promise<{ code: string; message: string } | "loaded"> {
  try {
    await load;
    return "loaded";
  } catch (error) {
    if (isDurableError(error)) return { code: error.code, message: error.message };
    throw error;
  }
}

/** What each checkpoint of {@link twoChains} is, once its store is damaged. */
async function outcomes(stage: Stage, store: Store): Promise<Record<string, string>> {
  const runs = stage.runtime({ store, executor: "reader" }).for(stage.tenant);
  const found: Record<string, string> = {};
  for (const { checkpointId } of (await runs.listCheckpoints("r")).items.slice(1)) {
    const outcome = await outcomeOf(runs.loadCheckpoint("r", checkpointId));
    found[checkpointId] = outcome === "loaded" ? "loaded" : outcome.code;
    if (outcome !== "loaded") expect(outcome.message).toContain(`checkpoint "${checkpointId}" of run "r"`);
  }
  return found;
}

// Keyframes and deltas, as tests over the stores of one medium.

describe("what is stored of a growing run", () => {
  test.each([100, 400, 1_600])(
    "of %i steps of a kilobyte is at most 1.2 times its final state, and the same on every medium",
    { timeout: 300_000 },
    (steps) =>
      on(async (stage) => {
        const here = await grow(stage, stage.store, steps);
        expect(here.final).toBeGreaterThan(steps * 1024);
        expect(here.written / here.final).toBeLessThanOrEqual(budget);
        const inMemory = await grow(stage, memoryStore(), steps);
        expect({ written: here.written, final: here.final }).toEqual({
          written: inMemory.written,
          final: inMemory.final,
        });
      })(),
  );

  test.each([
    [100, kilobyte.length * 2, 1.5 * 1024],
    [400, kilobyte.length * 2, 1.5 * 1024],
    [1_600, kilobyte.length * 2, 1.5 * 1024],
    [400, 10, 450],
  ])(
    "of %i steps that return %i bytes is in all bodies at most %i bytes for each",
    { timeout: 300_000 },
    (steps, bytes, most) =>
      on(async (stage) => {
        const { store, tenant } = stage;
        const { runId, head } = await grow(stage, store, steps, "é".repeat(bytes / 2));
        const row = await store.getRun(tenant, runId);
        let stored = bytesOf(row?.body ?? "");
        for (let after = 0, isMore = true; isMore; ) {
          const entries = await store.listEntries(tenant, runId, { after, limit: 500 });
          for (const { body } of entries) stored += bytesOf(body);
          after = entries.at(-1)?.revision ?? 0;
          isMore = entries.length === 500;
        }
        for (const { body } of await store.getSnapshots(tenant, runId, 0, Number.MAX_SAFE_INTEGER))
          stored += bytesOf(body);
        expect(stored / steps).toBeLessThanOrEqual(most);
        expect(head).not.toBe("");
      })(),
  );

  test(
    "from outside is deltas as well",
    on(async ({ store, tenant, runtime }) => {
      const counting = countingStore(store);
      const runs = runtime({ store: counting, executor: "saver" }).for(tenant);
      await runs.create({ skillId: "chain", runId: "r" });
      let vars: Record<string, unknown> = {};
      for (let number = 1; number <= 60; number++) {
        vars = { ...vars, [`var ${number}`]: kilobyte };
        await saveCheckpoint(runs, "r", { checkpointId: `c${number}`, kind: "k", state: state(vars) });
      }
      const written = counting.counts.snapshotBytesWritten;
      expect(written / (await stateBytes(runs, "r", "c60"))).toBeLessThanOrEqual(budget);
      for (const number of [1, 30, 60]) {
        const loaded = await runs.loadCheckpoint("r", `c${number}`);
        expect(Object.keys(loaded.state.vars).length).toBe(number);
      }
    }),
  );

  test(
    "that is another state each time is no more than those states",
    on(async (stage) => {
      const { runs, store, tenant } = stage;
      await runs.create({ skillId: "chain", runId: "r" });
      const counting = countingStore(store);
      const others = stage.runtime({ store: counting, executor: "saver" }).for(tenant);
      let final = 0;
      for (let number = 1; number <= 8; number++) {
        const vars = { text: String(number).repeat(10_000) };
        await saveCheckpoint(others, "r", { checkpointId: `c${number}`, kind: "k", state: state(vars) });
        final = await stateBytes(runs, "r", `c${number}`);
        const { keyframe = 0, revision } = (await chainOf(stage, "r")).at(-1) ?? { revision: 0 };
        const rows = await store.getSnapshots(tenant, "r", keyframe, revision);
        expect(rows.reduce((sum, { body }) => sum + bytesOf(body), 0)).toBeLessThanOrEqual(2 * final);
      }
      expect(counting.counts.snapshotBytesWritten).toBeLessThanOrEqual(8 * final);
    }),
  );

  test(
    "of a state that shrinks is read without what it was, as soon as that is the larger part",
    on(async (stage) => {
      const { runs, store, tenant } = stage;
      await runs.create({ skillId: "chain", runId: "r" });
      const counting = countingStore(store);
      const others = stage.runtime({ store: counting, executor: "saver" }).for(tenant);
      const bulk = Object.fromEntries(Array.from({ length: 20 }, (_, index) => [`part ${index}`, kilobyte]));
      let largest = 0;
      for (let number = 0; number <= 20; number++) {
        const vars = Object.fromEntries(Object.entries(bulk).slice(number));
        await saveCheckpoint(others, "r", { checkpointId: `c${number}`, kind: "k", state: state(vars) });
        const final = await stateBytes(runs, "r", `c${number}`);
        largest = Math.max(largest, final);
        const cost = await costOfLoad(store, (counting) =>
          stage.runtime({ store: counting, executor: "loader" }).for(tenant).loadCheckpoint("r", `c${number}`),
        );
        expect(cost.bytes, `checkpoint ${number}`).toBeLessThanOrEqual(2 * final);
      }
      expect(counting.counts.snapshotBytesWritten).toBeLessThanOrEqual(3 * largest);
    }),
  );

  test(
    "of a tiny state that changes often reads few rows",
    on(async (stage) => {
      const { runs, store, tenant } = stage;
      await runs.create({ skillId: "chain", runId: "r" });
      for (let number = 1; number <= 40; number++) {
        await saveCheckpoint(runs, "r", { checkpointId: `c${number}`, kind: "k", state: state({ number }) });
      }
      for (const { keyframe = 0, revision, checkpointId } of await chainOf(stage, "r")) {
        const rows = await store.getSnapshots(tenant, "r", keyframe, revision);
        const [first = 0, ...deltas] = rows.map(({ body }) => bytesOf(body));
        expect(first + deltas.length * 256).toBeLessThanOrEqual(2 * (await stateBytes(runs, "r", checkpointId)));
      }
    }),
  );
});

describe("a load", () => {
  test(
    "reads at most twice the state, in as many store calls after 200 steps as after 20",
    on(async (stage) => {
      const { tenant, runtime, store } = stage;
      const costs = [];
      for (const steps of [20, 200]) {
        const { runId, head, final } = await grow(stage, store, steps);
        const cost = await costOfLoad(store, (counting) =>
          runtime({ store: counting, executor: "loader" }).for(tenant).loadCheckpoint(runId, head),
        );
        expect(cost.bytes).toBeLessThanOrEqual(2 * final);
        costs.push(cost.calls);
      }
      expect(costs[1]).toEqual(costs[0]);
      expect(costs[0]?.getSnapshots).toBe(1);
    }),
  );

  test(
    "of the head, and a first step from it, takes as many store calls after 10,000 checkpoints as after 100",
    { timeout: 300_000 },
    on(async ({ store, tenant }) => {
      const costs = [];
      for (const checkpoints of [100, 10_000]) {
        const { runId, head } = await longRun(store, tenant, checkpoints);
        const final = await stateBytes(hostOver(store, tenant).runs, runId, head);
        expect(final).toBeGreaterThan(checkpoints * 128);
        const load = await costOfLoad(store, (counting) => hostOver(counting, tenant).runs.loadCheckpoint(runId, head));
        expect(load.bytes).toBeLessThanOrEqual(2 * final);
        const step = await costOfLoad(store, async (counting) => {
          const { runs, runtime } = hostOver(counting, tenant);
          await runs.resume(runId);
          await runtime.idle();
          expect((await runs.get(runId)).status).toBe("completed");
        });
        expect(step.bytes).toBeLessThanOrEqual(2 * final);
        costs.push([load.calls, step.calls]);
      }
      expect(costs[1]).toEqual(costs[0]);
    }),
  );

  test(
    "of any checkpoint of a run gives the state that was saved",
    on(async (stage) => {
      const { runs } = stage;
      await runs.create({ skillId: "chain", runId: "r" });
      const saved: ExecutionState[] = [];
      let vars: Record<string, unknown> = {};
      for (let number = 0; number < 60; number++) {
        vars = number % 20 === 19 ? {} : changed(vars, number);
        const next = { ...state(vars), iteration: number, events: someEvents(number) };
        saved.push(next);
        await saveCheckpoint(runs, "r", { checkpointId: `c${number}`, kind: "k", state: next });
      }
      const chain = await chainOf(stage, "r");
      const keyframes = chain.filter(({ keyframe, revision }) => keyframe === revision);
      expect(keyframes.length).toBeGreaterThan(2);
      expect(keyframes.length).toBeLessThan(chain.length / 2);
      for (const [number, given] of saved.entries()) {
        const { state } = await runs.loadCheckpoint("r", `c${number}`);
        expect(state, `checkpoint ${number}`).toEqual(given);
      }
    }),
  );

  test(
    "knows a keyframe by what it is, whatever unknown fields are in the state",
    on(async ({ runs }) => {
      await runs.create({ skillId: "chain", runId: "r" });
      const unknownFields = { _delta_version: 1, base: 1, delta: ["=", null] };
      for (const checkpointId of ["c1", "c2"]) {
        const given = { ...state({ checkpointId, large: "a".repeat(9_000) }), unknownFields };
        await saveCheckpoint(runs, "r", { checkpointId, kind: "k", state: given });
        expect((await runs.loadCheckpoint("r", checkpointId)).state).toEqual(given);
      }
    }),
  );

  test.each(["_checkpoint_version", "skill_id", "vars"])(
    "is never of a state whose unknown field %s would be written over a known one",
    (field) =>
      on(async ({ runs, store, tenant }) => {
        await runs.create({ skillId: "chain", runId: "r" });
        const before = await rowsOf(store, tenant, "r");
        const given = { ...state({}), unknownFields: { [field]: 2 } };
        await expect(saveCheckpoint(runs, "r", { kind: "k", state: given })).rejects.toMatchObject({
          code: "invalid_request",
          path: `state.${field}`,
        });
        expect(await rowsOf(store, tenant, "r")).toEqual(before);
      })(),
  );
});

describe("a resume", () => {
  test(
    "from the head goes on with deltas, from an older checkpoint with a keyframe, and what it skips stays",
    on(async (stage) => {
      const { runs, home, handlers } = stage;
      handlers.set("three", () => {
        throw new Error("not yet");
      });
      await runs.start({ skillId: "chain", runId: "r", inputs: { text: "a", more: "b".repeat(9_000) } });
      await home.idle();
      const older = await checkpointAfter(runs, "r", "one");
      await runs.resume("r");
      await home.idle();
      const fromHead = await chainOf(stage, "r");
      expect(new Set(fromHead.map(({ keyframe }) => keyframe)).size).toBe(1);
      const skipped = await runs.loadCheckpoint("r", fromHead.at(-1)?.checkpointId ?? "");

      handlers.delete("three");
      await runs.resume("r", { checkpointId: older });
      await home.idle();
      const chain = await chainOf(stage, "r");
      expect(chain.slice(0, fromHead.length)).toEqual(fromHead);
      const [resumed, ...rest] = chain.slice(fromHead.length);
      expect(resumed?.keyframe).toBe(resumed?.revision);
      expect(rest.map(({ keyframe }) => keyframe)).toEqual(rest.map(() => resumed?.revision));
      expect(await runs.loadCheckpoint("r", fromHead.at(-1)?.checkpointId ?? "")).toEqual(skipped);
      const head = await runs.loadCheckpoint("r", chain.at(-1)?.checkpointId ?? "");
      expect(Object.keys(head.state.stepResults)).toEqual(["one", "two", "three"]);
    }),
  );
});

describe("a damaged chain", () => {
  const all = ["a1", "a2", "a3", "a4", "b1", "b2", "b3", "b4"];
  const besides = (code: string, ...lost: readonly string[]) =>
    Object.fromEntries(all.map((id) => [id, lost.includes(id) ? code : "loaded"]));
  const wholeFirst = ["a1", "a2", "a3", "a4"];
  const fromSecond = ["a2", "a3", "a4"];

  type Damage = (at: number) => (rows: readonly SnapshotRow[]) => readonly SnapshotRow[];
  test.each<[string, number, Damage, Record<string, string>]>([
    ["whose keyframe is missing", 0, dropped, besides("corrupt_data", ...wholeFirst)],
    [
      "whose keyframe is cut off",
      0,
      (at) => replaced(at, (body) => body.slice(0, -20)),
      besides("corrupt_data", ...wholeFirst),
    ],
    ["whose keyframe is empty", 0, (at) => replaced(at, () => ""), besides("corrupt_data", ...wholeFirst)],
    ["whose keyframe is no state", 0, (at) => replaced(at, () => "[]"), besides("corrupt_data", ...wholeFirst)],
    [
      "whose keyframe is of a newer format",
      0,
      (at) => edited(at, (json) => ({ ...json, _checkpoint_version: 3 })),
      besides("unsupported_version", ...wholeFirst),
    ],
    [
      "whose keyframe is of a newer state",
      0,
      (at) =>
        edited(at, ({ delta, ...json }) => {
          const [kind, set, ...rest] = delta as [Json, JsonObject, ...Json[]];
          return { ...json, delta: [kind, { ...set, state_version: "2.0.0" }, ...rest] };
        }),
      besides("unsupported_version", ...wholeFirst),
    ],
    ["with a missing link", 1, dropped, besides("corrupt_data", ...fromSecond)],
    [
      "with a link cut off",
      1,
      (at) => replaced(at, (body) => body.slice(0, -1)),
      besides("corrupt_data", ...fromSecond),
    ],
    ["with a link that is no delta", 1, (at) => replaced(at, () => "17"), besides("corrupt_data", ...fromSecond)],
    [
      "with a link that stands elsewhere",
      1,
      (at) => edited(at, (json) => ({ ...json, base: 1 })),
      besides("corrupt_data", ...fromSecond),
    ],
    [
      "with a link that says nothing",
      1,
      (at) => edited(at, ({ delta: _, ...json }) => json),
      besides("corrupt_data", ...fromSecond),
    ],
    [
      "with a link that does not fit",
      1,
      (at) => edited(at, (json) => ({ ...json, delta: ["a", 0, 0, []] })),
      besides("corrupt_data", ...fromSecond),
    ],
    [
      "with a link that makes no state",
      1,
      (at) => edited(at, (json) => ({ ...json, delta: ["=", {}] })),
      besides("corrupt_data", ...fromSecond),
    ],
    [
      "with a link of a newer format",
      1,
      (at) => edited(at, (json) => ({ ...json, _delta_version: 3 })),
      besides("unsupported_version", ...fromSecond),
    ],
  ])("%s loses what stands on it, by name, and nothing else", (_what, link, damage, expected) =>
    on(async (stage) => {
      const chain = await twoChains(stage);
      const found = await outcomes(stage, damaged(stage.store, damage(chain[link]?.revision ?? 0)));
      // The last link that is missing is a state that is gone, not a chain that is damaged.
      const missing = damage === dropped ? (all[link] ?? "") : "";
      expect(found).toEqual(missing === "" ? expected : { ...expected, [missing]: "not_found" });
    })(),
  );

  test(
    "is begun anew by the next checkpoint from outside",
    on(async (stage) => {
      const { runs, store, tenant, runtime } = stage;
      const chain = await twoChains(stage);
      const last = chain.at(-1)?.revision ?? 0;
      const broken = damaged(
        store,
        replaced(last, () => "{"),
      );
      const others = runtime({ store: broken, executor: "other" }).for(tenant);
      await saveCheckpoint(others, "r", { checkpointId: "next", kind: "k", state: state({ again: 1 }) });
      expect((await chainOf(stage, "r")).at(-1)).toMatchObject({ keyframe: last + 1, revision: last + 1 });
      expect((await others.loadCheckpoint("r", "next")).state.vars).toEqual({ again: 1 });
      expect((await runs.listCheckpoints("r")).items.length).toBe(chain.length + 2);
    }),
  );

  test(
    "refuses resume, replay and fork by the checkpoint's name and writes nothing, and others are free",
    on(async (stage) => {
      const { store, tenant, runtime, home } = stage;
      const chain = await twoChains(stage);
      const broken = damaged(
        store,
        replaced(chain.at(-1)?.revision ?? 0, () => "{"),
      );
      const others = runtime({ store: broken, executor: "other" }).for(tenant);
      const before = await rowsOf(store, tenant, "r");
      for (const attempt of [others.resume("r"), others.replay("r"), others.fork("r", { checkpointId: "b4" })]) {
        await expect(attempt).rejects.toMatchObject({
          code: "corrupt_data",
          message: expect.stringContaining('"b4"'),
        });
      }
      expect(await rowsOf(store, tenant, "r")).toEqual(before);
      await others.fork("r", { checkpointId: "b3", newRunId: "f" });
      expect((await others.loadCheckpoint("f", "b3")).state.vars.number).toBe(3);
      await others.resume("r", { checkpointId: "a2" });
      await home.idle();
    }),
  );
});

describe("any value", () => {
  const key = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("__proto__", "constructor", "$durable", "$$durable", "_delta_version", "", "0", "\ud800"),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom(null, true, undefined, Number.NaN, Number.NEGATIVE_INFINITY, -0, "\u0000", "\udc00"),
      fc.oneof(fc.double(), fc.string({ unit: "binary" }), fc.bigInt(), fc.date({ noInvalidDate: false })),
      fc.oneof(
        fc.uint8Array(),
        fc.float64Array(),
        fc.string().map((message) => new RangeError(message)),
      ),
      fc.array(tie("value")),
      fc.array(fc.tuple(key, tie("value"))).map((entries) => Object.fromEntries(entries)),
      fc.array(fc.tuple(tie("value"), tie("value"))).map((entries) => new Map(entries)),
      fc.array(tie("value")).map((items) => new Set(items)),
    ),
  }));

  test(
    "that is accepted comes back equal, from keyframes and from deltas",
    on(async ({ runs }) => {
      await runs.create({ skillId: "chain", runId: "r", inputs: { bulk: "x".repeat(50_000) } });
      let number = 0;
      const vars = fc.array(fc.tuple(key, value), { maxLength: 20 }).map((entries) => Object.fromEntries(entries));
      const sample = fc.record({ vars, metadata: value });
      await fc.assert(
        fc.asyncProperty(sample, async ({ vars, metadata }) => {
          number++;
          const given = { ...state(vars), inputs: { bulk: "x".repeat(50_000) } };
          await saveCheckpoint(runs, "r", { checkpointId: `c${number}`, kind: "k", state: given });
          // Compared in their encoded form, of which a test of the codec shows that it says all. The order of an object's
          // keys is not kept.
          const loaded = await runs.loadCheckpoint("r", `c${number}`);
          expect(canonical(loaded.state)).toBe(canonical(given));
          const run = { skillId: "chain", runId: `run ${number}`, metadata: { metadata } };
          const { metadata: kept } = (await runs.create(run)).run;
          expect(encodeValue(kept, "v")).toEqual(encodeValue({ metadata }, "v"));
          expect(encodeValue((await runs.get(run.runId)).metadata, "v")).toEqual(encodeValue({ metadata }, "v"));
        }),
        { numRuns: 40, endOnFailure: true },
      );
    }),
  );

  test.each<[string, unknown, string]>([
    ["a function", { list: [1, () => 1] }, "state.vars.a.list[1]"],
    ["a symbol", [{ "odd key": Symbol("s") }], 'state.vars.a[0]["odd key"]'],
    ["an instance of a class", new Map([["k", new (class Point {})()]]), "state.vars.a"],
    ["a promise", Promise.resolve(1), "state.vars.a"],
  ])("that cannot be kept, such as %s, is refused by its path before anything is written", (_what, a, path) =>
    on(async ({ runs, store, tenant }) => {
      await runs.create({ skillId: "chain", runId: "r" });
      const before = await rowsOf(store, tenant, "r");
      const refusal = saveCheckpoint(runs, "r", { kind: "k", state: state({ a }) });
      await expect(refusal).rejects.toMatchObject({ code: "invalid_request", path: expect.stringContaining(path) });
      expect(await rowsOf(store, tenant, "r")).toEqual(before);
    })(),
  );
});

test(
  "each commit of a run writes its snapshot over the one before, and never reads one",
  on(async (stage) => {
    const counting = countingStore(stage.store);
    const home = stage.runtime({ store: counting, executor: "counter" });
    await completed({ ...stage, home, runs: home.for(stage.tenant) }, "chain", "r", {
      text: "a",
      more: "b".repeat(9_000),
    });
    expect(counting.counts.calls.getSnapshots).toBe(0);
    expect(await kindsOf(stage.runs, "r")).toHaveLength(5);
    expect(new Set((await chainOf(stage, "r")).map(({ keyframe }) => keyframe)).size).toBe(1);
  }),
);

function canonical(state: ExecutionState): string {
  return canonicalJson(writeState(encodeState(state)));
}

function changed(vars: Readonly<Record<string, unknown>>, number: number): Record<string, unknown> {
  const { [`list ${number % 7}`]: list = [], ...rest } = vars;
  switch (number % 5) {
    case 0:
      return { ...vars, [`text ${number}`]: `${kilobyte}${number}` };
    case 1:
      return { ...vars, [`list ${number % 7}`]: [...(list as unknown[]), { number, date: new Date(number) }] };
    case 2:
      return rest;
    case 3:
      return { ...vars, odd: new Map([[number, new Set([1n, undefined])]]), __proto_: { ["__proto__"]: number } };
    default:
      return { ...vars, log: `${vars.log ?? ""}line ${number} \u{1f600}\n` };
  }
}

function someEvents(number: number): ExecutionState["events"] {
  return Array.from({ length: number % 4 }, (_, index) => ({
    type: `t${index}`,
    message: "m",
    data: { number, index },
  }));
}

// Minutes long where a medium takes its time.
if (isThorough) {
  test(
    "what is stored of 1,600 steps of a kilobyte is at most 1.2 times the state, in the end and at each keyframe",
    on(async (stage) => {
      const { store, tenant } = stage;
      const { runId, written, final } = await grow(stage, store, 1_600);
      expect(final).toBeGreaterThan(1_600 * 1024);
      expect(written / final).toBeLessThanOrEqual(budget);
      // It is largest where a keyframe was just written, and that is the state.
      let stored = 0;
      for (const { revision, body } of await store.getSnapshots(tenant, runId, 0, Number.MAX_SAFE_INTEGER)) {
        stored += bytesOf(body);
        const isKeyframe = body.includes('"base":0,');
        if (isKeyframe && revision > 20) expect(stored / bytesOf(body), `at ${revision}`).toBeLessThanOrEqual(budget);
      }
      expect(stored).toBe(written);
    }),
  );
}
