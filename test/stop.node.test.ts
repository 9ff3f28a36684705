import { describe, expect, test } from "vitest";
import { intercepted } from "../src/conformance/faults.ts";
import { defineCapability, defineGraphSkill, type Store } from "../src/index.ts";
import { memoryHarness } from "./support/memory-harness.ts";
import { leaseMs, scene, turn, until } from "./support/scene.ts";

const skills = [
  defineGraphSkill({ id: "one", version: "1", steps: [{ id: "only", uses: "work", output: "outputs.by" }] }),
];
const work = (by: string) => [defineCapability({ id: "work", version: "1" }, () => by)];

/** A store whose second commit, the step's, reaches the medium no sooner than it is let go. */
function slowStore(store: Store) {
  const { promise: letGo, resolve: go } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  let isWaiting = false;
  const slow = intercepted(store, async ({ method, nth }, proceed) => {
    if (method !== "commit" || nth !== 2) return proceed();
    isWaiting = true;
    await letGo;
    const answer = proceed();
    arrive(answer.then(() => undefined));
    return answer;
  });
  return { store: slow, isWaiting: () => isWaiting, go, arrived };
}

describe("a runtime that is stopped while its store has not answered", () => {
  test("waits for the answer", () =>
    scene(memoryHarness, async ({ actor, store }) => {
      const { store: slow, isWaiting, go } = slowStore(store);
      const { begin, runtime, errors, runs } = actor({ skills, capabilities: work("itself"), store: slow });
      const runId = await begin({}, "one");
      await until(isWaiting);
      let hasStopped = false;
      const stopped = runtime.stop().then(() => {
        hasStopped = true;
      });
      await turn();
      expect(hasStopped).toBe(false);
      go();
      await stopped;
      expect(errors).toEqual([]);
      // What was under way was written, and nothing after it.
      expect((await runs.events(runId)).at(-2)?.eventType).toBe("step.completed");
      expect(await runs.get(runId)).toMatchObject({ status: "running" });
    }));

  test("waits no longer than a lease lasts, says so, and what arrives later is refused", () =>
    scene(memoryHarness, async ({ actor, store, clock }) => {
      const { store: slow, isWaiting, go, arrived } = slowStore(store);
      const sleeper = actor({ skills, capabilities: work("the first"), store: slow });
      const runId = await sleeper.begin({}, "one");
      await until(isWaiting);
      const stopped = sleeper.runtime.stop();
      await turn();
      expect(sleeper.errors).toEqual([]);
      clock.advance(leaseMs);
      await stopped;
      expect(sleeper.errors).toMatchObject([{ code: "store_failed" }]);

      const other = actor({ skills, capabilities: work("the other") });
      expect(await other.later(0, runId)).toMatchObject({ status: "completed", result: { by: "the other" } });
      const history = await other.runs.history(runId);
      go();
      await arrived;
      await sleeper.runtime.idle();
      expect(await other.runs.history(runId)).toEqual(history);
      expect(sleeper.errors).toHaveLength(1);
    }));
});
