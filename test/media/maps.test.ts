import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { defineSkill } from "../../src/index.ts";
import { maps } from "../../src/steps.ts";
import { once, playedOn, recordedSteps } from "../support/standing.ts";

// What `step.map` promises, on one medium.
const played = playedOn(harness);

const define = { id: "body", version: "1", uses: [maps] } as const;
const letters = ["a", "b", "c", "d", "e", "f", "g"];

/** Counts calls, and how many of them are under way. */
function office() {
  const calls: string[] = [];
  let now = 0;
  const most = { atOnce: 0 };
  const work = async <T>(name: string, does: () => T | Promise<T>): Promise<T> => {
    calls.push(name);
    most.atOnce = Math.max(most.atOnce, ++now);
    try {
      await new Promise((resolve) => setTimeout(resolve, 0));
      return await does();
    } finally {
      now--;
    }
  };
  return { calls, most, work };
}

describe(`maps on ${medium}`, () => {
  played(
    "each item is a step named by its position, and the results have the order of the items",
    async ({ actor }) => {
      const { calls, most, work } = office();
      const skill = defineSkill({
        ...define,
        run: (step) =>
          step.map("item", letters, { concurrency: 3 }, (letter, _, index) => work(letter, () => `${letter}${index}`)),
      });
      const { start, runs } = actor({ skills: [skill] });
      const run = await start();
      expect(run).toMatchObject({ status: "completed", result: letters.map((letter, index) => `${letter}${index}`) });
      expect(calls.toSorted()).toEqual(letters);
      expect(most.atOnce).toBe(3);
      expect((await recordedSteps(runs, run.runId)).toSorted()).toEqual(letters.map((_, index) => `item[${index}]`));
    },
  );

  played("a key names the step of an item", async ({ actor }) => {
    const skill = defineSkill({
      ...define,
      run: (step) => step.map("item", ["x", "y"], { key: (letter) => `no ${letter}` }, async (letter) => letter),
    });
    const { start, runs } = actor({ skills: [skill] });
    const run = await start();
    expect((await recordedSteps(runs, run.runId)).toSorted()).toEqual(["item[no x]", "item[no y]"]);
  });

  played("a pass whose time is over begins no further item, and the next one calls none again", async (scene) => {
    const { calls, work } = office();
    const skill = defineSkill({
      ...define,
      run: (step) =>
        step.map("item", letters, { concurrency: 2 }, (letter) =>
          work(letter, () => {
            if (letter === "c") scene.clock.advance(2_000);
            return letter;
          }),
        ),
    });
    const first = scene.actor({ skills: [skill], passMs: 1_000 });
    const { runId, status } = await first.start();
    expect(status).toBe("running");
    // One more may have been in flight.
    expect(calls.length).toBeLessThanOrEqual(4);
    await first.die();
    const end = await scene.actor({ skills: [skill] }).later(0, runId);
    expect(end).toMatchObject({ status: "completed", result: letters });
    expect(calls.toSorted()).toEqual(letters);
  });

  played(
    "by default a failure stops new items; those in flight settle, and a resume calls only the rest",
    async (scene) => {
      const { calls, work } = office();
      let isBroken = true;
      const skill = defineSkill({
        ...define,
        run: (step) =>
          step.map("item", letters, { concurrency: 2, ...once }, (letter) =>
            work(letter, () => {
              if (letter === "c" && isBroken) throw new RangeError("no c");
              return letter;
            }),
          ),
      });
      const { start, runs, settled } = scene.actor({ skills: [skill] });
      const failed = await start();
      expect(failed).toMatchObject({ status: "failed", error: { message: "no c", stepId: "item[2]" } });
      const before = calls.length;
      expect(before).toBeGreaterThanOrEqual(3);
      expect(before).toBeLessThanOrEqual(4);
      isBroken = false;
      await runs.resume(failed.runId);
      expect(await settled(failed.runId)).toMatchObject({ status: "completed", result: letters });
      expect(calls.toSorted()).toEqual([...letters, "c"].toSorted());
    },
  );

  played("with `collect` every item settles, and each has its outcome", async ({ actor }) => {
    const skill = defineSkill({
      ...define,
      run: (step) =>
        step.map("item", ["a", "b", "c"], { concurrency: 2, onFailure: "collect", ...once }, async (letter) => {
          if (letter === "b") throw new RangeError("no b");
          return letter;
        }),
    });
    const run = await actor({ skills: [skill] }).start();
    expect(run).toMatchObject({
      status: "completed",
      result: [
        { status: "completed", value: "a" },
        { status: "failed", error: new RangeError("no b") },
        { status: "completed", value: "c" },
      ],
    });
  });

  played(
    "an item that waits for its next attempt keeps its place, and the run parks with the others",
    async (scene) => {
      const { calls, work } = office();
      const skill = defineSkill({
        ...define,
        run: (step) =>
          step.map("item", letters, { concurrency: 2, retries: { limit: 1, delay: "1 hour" } }, (letter) =>
            work(letter, () => {
              const isFirst = calls.filter((call) => call === letter).length === 1;
              if ((letter === "a" || letter === "d") && isFirst) throw new Error("later");
              return letter;
            }),
          ),
      });
      const first = scene.actor({ skills: [skill] });
      const { runId } = await first.start();
      // Both places are taken by items that wait.
      expect(calls).toEqual(["a", "b", "c", "d"]);
      await first.die();
      const end = await scene.actor({ skills: [skill] }).later(3_600_000, runId);
      expect(end).toMatchObject({ status: "completed", result: letters });
      expect(calls.toSorted()).toEqual([...letters, "a", "d"].toSorted());
    },
  );

  played("a replay calls no item again", async ({ actor }) => {
    const { calls, work } = office();
    const skill = defineSkill({
      ...define,
      run: (step) => step.map("item", letters, { concurrency: 3 }, (letter) => work(letter, () => letter)),
    });
    const { start, runs, settled } = actor({ skills: [skill] });
    const { runId } = await start();
    const { run } = await runs.replay(runId);
    expect(await settled(run.runId)).toMatchObject({ status: "completed", result: letters });
    expect(calls.toSorted()).toEqual(letters);
  });
});
