import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { defineSkill } from "../../src/index.ts";
import { childRuns, readChildren } from "../../src/steps.ts";
import type { RunRow, Store } from "../../src/store.ts";
import { schedulesOf, scheduling } from "../../worker/schedules/index.ts";
import { leaseMs, scene, tenant, until } from "../support/scene.ts";

const child = defineSkill({
  id: "child",
  version: "1",
  async run(step) {
    return (await step.waitForEvent<string>("word", { type: "word" })).payload;
  },
});
const parent = defineSkill({
  id: "parent",
  version: "1",
  uses: [childRuns],
  run: (step) => step.run("child", child),
});

/** The store, whose answer to the first such commit of a run comes only once `release` is called. */
function answeringLate(store: Store, isIt: (row: RunRow) => boolean) {
  const gate = Promise.withResolvers<void>();
  let isHeld = false;
  const late: Store = Object.create(store, {
    commit: {
      value: async (commit: Parameters<Store["commit"]>[0]) => {
        const delivery = await store.commit(commit);
        if (!isHeld && isIt(commit.run)) {
          isHeld = true;
          await gate.promise;
        }
        return delivery;
      },
    },
  });
  return { late, isHeld: () => isHeld, release: gate.resolve };
}

// A pass is over here only once it knows that it has released its run. Whatever comes in between makes the run due, and no
// drain is to be needed for it.
describe(`a pass that is leaving on ${medium}`, () => {
  test("does not keep its parent waiting when its child ends", () =>
    scene(harness, async ({ actor, store }) => {
      const { late, isHeld, release } = answeringLate(
        store,
        ({ skillId, status }) => skillId === "parent" && status === "waiting_for_signal",
      );
      const home = actor({ store: late, skills: [parent, child] });
      const runId = await home.begin({}, "parent");
      await until(async () => isHeld());
      const [only] = (await readChildren(home.runs, runId)).items;
      await home.runs.signal(only?.runId as string, { name: "word", payload: "done" });
      await until(async () => (await home.runs.get(runId)).status === "completed");
      release();
      expect(await home.settled(runId)).toMatchObject({ status: "completed", result: "done" });
      expect((await home.runtime.drain()).taken).toBe(0);
      expect(home.errors).toEqual([]);
    }));

  test("does not keep a schedule waiting when it is triggered", () =>
    scene(harness, async ({ actor, store, clock }) => {
      const { late, isHeld, release } = answeringLate(
        store,
        ({ skillId, dueAt = 0 }) => skillId === "orca.schedule" && dueAt > clock.now() + leaseMs,
      );
      const job = defineSkill({ id: "job", version: "1", run: async () => "done" });
      const home = actor({ store: late, skills: [scheduling, job] });
      const schedules = schedulesOf(home.runs);
      await schedules.create({ id: "s", skill: job, cron: "0 3 * * *" });
      await until(async () => isHeld());
      const { runId } = await schedules.trigger("s");
      await until(async () => (await store.getRun(tenant, runId))?.status === "completed");
      release();
      await home.runtime.idle();
      expect((await home.runtime.drain()).taken).toBe(0);
      expect(home.errors).toEqual([]);
    }));
});
