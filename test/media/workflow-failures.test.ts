import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { intercepted } from "../../src/conformance/faults.ts";
import type { WorkflowBody, WorkflowStep } from "../../src/index.ts";
import { type Actor, leaseMs, until } from "../support/scene.ts";
import { once, playedOn, recordedSteps, turns, untilRecorded } from "../support/standing.ts";

const minute = 60_000;
const hour = 60 * minute;

// What a failure of a step or of a body does to its run, now and when it is resumed, on one medium.
const played = playedOn(harness);

describe(`failures on ${medium}`, () => {
  played(
    "a step whose error ends the body is named by the run, and is tried afresh when resumed",
    async ({ actor }) => {
      const attempts: number[] = [];
      let isDown = true;
      const { start, runs, settled, later } = actor({
        body: async (step) => {
          const before = await step.do("before", async () => "kept");
          const call = step.do("call", { retries: { limit: 1, delay: "1 minute" } }, async ({ attempt }) => {
            attempts.push(attempt);
            if (isDown) throw new Error("down");
            return "up";
          });
          return [before, await call.catch((cause) => Promise.reject(new Error("no call", { cause })))];
        },
      });
      const { runId } = await start();
      expect(await later(minute, runId)).toMatchObject({
        status: "failed",
        error: { code: "step_failed", stepId: "call", message: "no call" },
      });
      expect(attempts).toEqual([1, 2]);
      await runs.resume(runId);
      await settled(runId);
      expect(await later(minute, runId)).toMatchObject({ status: "failed" });
      isDown = false;
      await runs.resume(runId);
      expect(await settled(runId)).toMatchObject({ status: "completed", result: ["kept", "up"] });
      expect(attempts).toEqual([1, 2, 1, 2, 1]);
      expect((await recordedSteps(runs, runId)).filter((id) => id === "before")).toHaveLength(1);
    },
  );

  played("what a failed run left recorded answers in a replay as it did in the resumed run", async ({ actor }) => {
    let isDown = true;
    let isSlow = false;
    const racers = raceTo();
    const player = actor({
      body: async (step) => {
        const race = racers.race(step, isSlow);
        const risky = step.do("risky", once, async () => {
          if (isDown) throw new Error("down");
        });
        return (await racers.untilEnd(Promise.all([race, risky])))[0];
      },
    });
    const { runs, settled } = player;
    const runId = await racers.failedBeside(player);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "risky" } });
    expect((await recordedSteps(runs, runId)).slice(-2)).toEqual(["worked", "other"]);

    [isDown, isSlow] = [false, true];
    await runs.resume(runId);
    const { result } = await settled(runId);
    for (isSlow of [false, true]) {
      const { run: replay } = await runs.replay(runId);
      expect(await settled(replay.runId)).toMatchObject({ status: "completed", result });
    }
  });

  played(
    "what failed beside a failure, and fails the resumed run, has a new place in the next one",
    async ({ actor }) => {
      const down = new Set(["a", "b"]);
      const { start, runs, settled } = actor({
        body: async (step) => {
          const seen: string[] = [];
          const call = async (name: string, after?: Promise<void>) => {
            await step.do(name, once, async () => {
              await after;
              if (down.has(name)) throw new Error(name);
            });
            seen.push(name);
          };
          // The second one ends once the body knows of the first.
          const isKnown = Promise.withResolvers<void>();
          await Promise.all([call("b", isKnown.promise), call("a").finally(isKnown.resolve)]);
          return seen;
        },
      });
      const { runId } = await start();
      for (const stepId of ["a", "b"]) {
        expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId } });
        down.delete(stepId);
        await runs.resume(runId);
      }
      expect(await settled(runId)).toMatchObject({ status: "completed", result: ["a", "b"] });
      const { run: replay } = await runs.replay(runId);
      expect(await settled(replay.runId)).toMatchObject({ status: "completed", result: ["a", "b"] });
    },
  );

  played("what a failed run left recorded answers in the same order after a hand-over", async ({ actor }) => {
    let isSpent = false;
    const passes: string[][] = [];
    const { start, runs, settled, later } = actor({
      isSpent: () => isSpent,
      body: async (step) => {
        const seen: string[] = [];
        passes.push(seen);
        const call = async (name: string, after?: Promise<void>) => {
          await step
            .do(name, once, async () => {
              await after;
              throw new Error(name);
            })
            .finally(() => seen.push(name));
        };
        const isKnown = Promise.withResolvers<void>();
        await Promise.all([call("second", isKnown.promise), call("first").finally(isKnown.resolve)]);
      },
    });
    const { runId } = await start();
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "first" } });
    isSpent = true;
    await runs.resume(runId);
    await settled(runId);
    expect((await runs.listCheckpoints(runId)).items.at(-1)).toMatchObject({ kind: "step_started" });
    isSpent = false;
    expect(await later(0, runId)).toMatchObject({ status: "failed" });
    expect(passes.slice(1)).toEqual([["second"], ["second", "first"]]);
  });

  played(
    "what a failed run left recorded keeps its place beside a step that is being recorded",
    async ({ actor, store }) => {
      let isDown = true;
      let isSlow = false;
      const slow = intercepted(store, async ({ method }, proceed) => {
        // The body gets many turns while the commit is under way.
        if (isSlow && method === "commit") await turns(40);
        return proceed();
      });
      const passes: string[][] = [];
      const { start, runs, settled, later } = actor({
        store: slow,
        body: async (step) => {
          const seen: string[] = [];
          passes.push(seen);
          const see = async (name: string, answer: Promise<unknown>) => {
            await answer;
            seen.push(name);
          };
          const isKnown = Promise.withResolvers<void>();
          await Promise.all([
            see(
              "steady",
              step.do("steady", () => isKnown.promise),
            ),
            see(
              "risky",
              step.do("risky", once, async () => {
                if (isDown) throw new Error("down");
              }),
            ).finally(isKnown.resolve),
            see("nap", step.sleep("nap", "1 hour")),
          ]);
        },
      });
      const { runId } = await start();
      expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "risky" } });

      [isDown, isSlow] = [false, true];
      await runs.resume(runId);
      await settled(runId);
      expect(await later(hour, runId)).toMatchObject({ status: "completed" });
      expect(passes.at(-2)).toHaveLength(2);
      expect(passes.at(-1)).toEqual([...(passes.at(-2) ?? []), "nap"]);
    },
  );

  played(
    "what a failed run left recorded answers as before, if the pass after it dies while it acts on it",
    async (scene) => {
      let isDown = true;
      let isSlow = false;
      let isHanging = true;
      const acted: string[] = [];
      const hang = () => (isHanging ? new Promise<void>(() => {}) : Promise.resolve());
      const racers = raceTo();
      const body: WorkflowBody = async (step) => {
        const race = racers.race(step, isSlow);
        const risky = step.do("risky", once, async () => {
          if (isDown) throw new Error("down");
          await hang();
        });
        const acts = race.then((winner) =>
          step.do(`act on ${winner}`, async () => {
            acted.push(winner);
            await hang();
          }),
        );
        await racers.untilEnd(Promise.all([risky, acts]));
      };
      const first = scene.actor({ body });
      const runId = await racers.failedBeside(first);
      expect(await first.settled(runId)).toMatchObject({ status: "failed", error: { stepId: "risky" } });
      expect(acted).toEqual([]);

      [isDown, isSlow] = [false, true];
      await first.runs.resume(runId);
      await until(() => acted.length === 1);
      await first.die();

      [isSlow, isHanging] = [false, false];
      expect(await scene.actor({ body }).later(leaseMs, runId)).toMatchObject({ status: "completed" });
      expect(acted).toEqual(["other", "other"]);
    },
  );

  const deaths: readonly (readonly [isBegun: boolean, when: string, order: readonly ("left" | "other")[]])[] = [
    [true, "while a step of it is in flight", ["left"]],
    [false, "before it has begun a step", ["left", "other"]],
    [false, "while the failed one is in flight, and before it has called what was recorded first", ["other", "left"]],
  ];
  for (const [isBegun, when, order] of deaths) {
    played(`what a failed run left recorded keeps its place, if the resumed run dies ${when}`, async (scene) => {
      const passes: string[][] = [];
      const [failing, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const ends = { left: Promise.withResolvers<void>(), other: Promise.withResolvers<void>() };
      // The pass that fails, the one that dies, and the one after it.
      const body: WorkflowBody = async (step) => {
        const seen: string[] = [];
        const pass = passes.push(seen);
        const hang = () => (pass === 2 ? new Promise<void>(() => {}) : Promise.resolve());
        const see = async (name: string, does: () => Promise<void>) => {
          await step.do(name, once, does);
          seen.push(name);
        };
        const fail = async () => {
          if (pass > 1) return hang();
          await failing.promise;
          throw new Error("down");
        };
        const late = async () => {
          if (pass > 1) await turns(10);
          const called = see("left", () => ends.left.promise);
          failing.resolve();
          await called;
        };
        const hanging = async () => {
          if (isBegun) return see("other", fail);
          await hang();
          await see("other", () => ends.other.promise);
        };
        const all = [late(), hanging()];
        // In the second case the body does not call the failed step again.
        if (!isBegun && (pass === 1 || order[0] === "other")) all.push(step.do("risky", once, fail));
        await Promise.all(all).finally(ended.resolve);
      };
      const first = scene.actor({ body });
      const runId = await first.begin();
      // The failure has ended the body; what it left in flight is recorded beside it.
      await ended.promise;
      for (const name of order) {
        ends[name].resolve();
        await untilRecorded(first.runs, runId, name);
      }
      expect(await first.settled(runId)).toMatchObject({ status: "failed", error: { message: "down" } });
      await first.runs.resume(runId);
      await until(() => passes[1]?.length === 1);
      await first.die();
      expect(await scene.actor({ body }).later(leaseMs, runId)).toMatchObject({ status: "completed" });
      expect(passes.slice(1)).toEqual([["left"], ["left", "other"]]);
    });
  }

  played("what a body did about a failure does not bind it once the failure is tried afresh", async ({ actor }) => {
    let failures = 2;
    const calls: string[] = [];
    const body: WorkflowBody = async (step) => {
      try {
        const charged = await step.do("charge", once, async () => {
          if (failures-- > 0) throw new Error("declined");
          return "charged";
        });
        await step.sleep("nap", "1 hour");
        return charged;
      } catch (error) {
        await step.do("notify", async () => calls.push("notify"));
        throw error;
      }
    };
    const { start, runs, settled, later } = actor({ body });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "failed", error: { stepId: "charge", message: "declined" } });
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { stepId: "charge" } });
    expect(calls).toEqual(["notify"]);
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "running" });
    expect(await later(hour, runId)).toMatchObject({ status: "completed", result: "charged" });
  });

  played("an error of the body itself is no step's failure", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: async (step) => {
        await step.do("fine", async () => 1);
        const loop = new Error("mine");
        loop.cause = loop;
        throw loop;
      },
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "failed", error: { code: "body_failed", message: "mine" } });
    await runs.resume(runId);
    expect(await settled(runId)).toMatchObject({ status: "failed", error: { code: "body_failed" } });
  });

  played("a result that cannot be kept fails the run, with the place of the fault", async ({ actor }) => {
    const { start } = actor({ body: async () => ({ list: [Symbol("no")] }) });
    expect(await start()).toMatchObject({
      status: "failed",
      error: { code: "invalid_output", message: expect.stringContaining("result.list[0]") },
    });
  });
});

/** Two steps side by side with pure work before one of them, which takes a different time in each pass. */
function raceTo() {
  const [ended, other, worked] = [
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
    Promise.withResolvers<void>(),
  ];
  return {
    /** With `isSlow`, the work takes until the body has the answer of the other step. */
    race(step: WorkflowStep, isSlow: boolean): Promise<string> {
      const answered = Promise.withResolvers<void>();
      return Promise.race([
        step
          .do("other", async () => {
            await other.promise;
            return "other";
          })
          .finally(answered.resolve),
        (async () => {
          if (isSlow) await answered.promise;
          return step.do("worked", async () => {
            await worked.promise;
            return "worked";
          });
        })(),
      ]);
    },
    /** Notes the end of the body, which awaits this last. */
    untilEnd: <T>(last: Promise<T>) => last.finally(ended.resolve),
    /** A run whose body has failed with both steps in flight, of which `worked` was recorded first. */
    async failedBeside({ begin, runs }: Actor): Promise<string> {
      const runId = await begin();
      await ended.promise;
      worked.resolve();
      await untilRecorded(runs, runId, "worked");
      other.resolve();
      return runId;
    },
  };
}
