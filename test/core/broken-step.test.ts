import { expect, test } from "vitest";
import { memoryStore } from "../../adapters/memory/index.ts";
import { createRuntime, DurableError, defineGraphSkill } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";

const skill = defineGraphSkill({ id: "nap", version: "1", steps: [{ id: "nap", sleep: 3_600_000 }] });

// The signal wakes the pass in the very turn in which the commit of its only step fails.
test("a run is due again if the medium breaks its last step while a signal wakes it", async () => {
  const store = memoryStore();
  let commits = 0;
  const failing: Store = {
    ...store,
    async commit(commit) {
      if (++commits !== 2) return store.commit(commit);
      await runs.signal("run", { name: "any" });
      throw new DurableError("store_blocked", "no medium");
    },
  };
  const runtime = createRuntime({ serves: false, store: failing, skills: [skill], holdMs: 0, onError: () => {} });
  const runs = runtime.for("acme");
  await runs.start({ skillId: "nap", runId: "run" });
  await runtime.idle();
  expect(commits).toBeGreaterThanOrEqual(3);
  expect((await store.getRun("acme", "run"))?.dueAt).toBeDefined();
});
