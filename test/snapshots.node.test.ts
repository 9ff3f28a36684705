import { expect, test } from "vitest";
import { budget, bytesOf, grow, snapshotCases } from "./snapshots.cases.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { onStage } from "./support/stage.ts";

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
