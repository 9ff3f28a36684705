import { expect, test } from "vitest";
import { memoryStore } from "../adapters/memory/index.ts";
import { write } from "../src/engine/commit.ts";
import { getCheckpoint, getRun, type Held } from "../src/engine/held.ts";
import type { Host } from "../src/engine/host.ts";
import { createRuntime, type Json, localNotifier, type RunId, type Store, type TenantId } from "../src/index.ts";
import { budget, bytesOf, costOfLoad, grow, kilobyte, snapshotCases, stateBytes } from "./snapshots.cases.ts";
import { virtualClock } from "./support/clock.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";
import { workshop } from "./support/workshop.ts";

const on = onStage(memoryHarness);

snapshotCases(on);

test(
  "what is stored of 1,600 steps of a kilobyte is at most 3.25 times the state, in the end and at each keyframe",
  { timeout: 120_000 },
  on(async (stage) => {
    const { store, tenant } = stage;
    const { runId, written, final } = await grow(stage, store, 1_600);
    expect(final).toBeGreaterThan(1_600 * 1024);
    expect(written / final).toBeLessThanOrEqual(budget);
    // It is largest where a keyframe was just written, and that is the state.
    let stored = 0;
    for (const { revision, body } of await store.getSnapshots(tenant, runId, 0, Number.MAX_SAFE_INTEGER)) {
      stored += bytesOf(body);
      const isKeyframe = !body.startsWith('{"_delta_version"');
      if (isKeyframe && revision > 20) expect(stored / bytesOf(body), `at ${revision}`).toBeLessThanOrEqual(budget);
    }
    expect(stored).toBe(written);
  }),
);

/** A run with so many checkpoints, each a kilobyte larger, without executing anything. */
async function longRun(store: Store, tenant: TenantId, checkpoints: number): Promise<{ runId: RunId; head: string }> {
  const { host, runs } = hostOver(store, tenant);
  const { run } = await runs.create({ skillId: "chain", runId: `long ${checkpoints}`, inputs: { text: "a" } });
  const { runId } = run;
  let held: Held = await getRun(host, tenant, runId);
  const { state: first, snapshot } = await getCheckpoint(host, tenant, runId, held.record.run.checkpointHead as never);
  let [messages, over]: [readonly Json[], typeof snapshot] = [[], snapshot];
  for (let number = 1; number <= checkpoints; number++) {
    messages = [...messages, kilobyte];
    const state = { ...first, working: { ...first.working, messages } };
    const checkpoint = { kind: "k", state, over };
    const outcome = await write(host, held, { record: held.record, events: [], checkpoint });
    if (outcome.kind !== "committed" || outcome.checkpoint === undefined) throw new Error("it was not committed");
    held = outcome.held;
    over = outcome.checkpoint.snapshot;
  }
  return { runId, head: held.record.run.checkpointHead ?? "" };
}

function hostOver(store: Store, tenant: TenantId) {
  const clock = virtualClock();
  const { skills, capabilities } = workshop();
  const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));
  const maxStateBytes = 64 * 1024 * 1024;
  const host = asHost({ store, clock, random, maxStateBytes, notifier: localNotifier(), ready: Promise.resolve() });
  const runtime = createRuntime({ store, clock, skills, capabilities });
  return { host, runtime, runs: runtime.for(tenant) };
}

// Writing and reading checkpoints takes no more of a host than that.
function asHost(host: Pick<Host, "store" | "clock" | "random" | "maxStateBytes" | "notifier" | "ready">): Host {
  return host as Host;
}

test("loading the head, and going on from it, takes as many store calls after 10,000 checkpoints as after 100", {
  timeout: 120_000,
}, async () => {
  const tenant = "acme" as TenantId;
  const costs = [];
  for (const checkpoints of [100, 10_000]) {
    const store = memoryStore();
    const { runId, head } = await longRun(store, tenant, checkpoints);
    const final = await stateBytes(hostOver(store, tenant).runs, runId, head);
    expect(final).toBeGreaterThan(checkpoints * 1024);
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
});
