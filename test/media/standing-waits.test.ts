import { describe, expect } from "vitest";
import { harness, medium } from "#medium";
import { intercepted } from "../../src/conformance/faults.ts";
import {
  defineCapability,
  defineGraphSkill,
  type GraphStep,
  localNotifier,
  type WorkflowBody,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { type ActorOptions, leaseMs, type Scene, tenant, turn, until } from "../support/scene.ts";
import {
  countEvents,
  headOf,
  inRealTime,
  pause,
  playedOn,
  recordedSteps,
  turns,
  untilEvents,
  untilRecorded,
} from "../support/standing.ts";

const minute = 60_000;
const hour = 60 * minute;

/** Waits until the run's row names these steps as waiting. */
function untilWaiting(store: Store, runId: string, ...stepIds: readonly string[]): Promise<void> {
  return until(async () => {
    const { body = "" } = (await store.getRun(tenant, runId)) ?? {};
    return stepIds.every((stepId) => body.includes(`"${stepId}"`));
  });
}

// That a pass looks at every wait when it is over, whatever else is in flight.
const played = playedOn(harness);

describe(`the end of a wait on ${medium}`, () => {
  played("an event's timeout below what is held comes", async ({ actor }) => {
    const { start } = actor({
      ...inRealTime,
      body: (step) =>
        step.waitForEvent("word", { type: "word", timeout: "1 second" }).catch((error: Error) => error.message),
    });
    const began = Date.now();
    expect(await start()).toMatchObject({ status: "completed", result: 'signal "word" did not arrive in time' });
    expect(Date.now() - began).toBeGreaterThanOrEqual(990);
  });

  played("so does that of a graph's `waitFor`", async ({ actor }) => {
    const { start } = actor({
      ...inRealTime,
      skills: [
        defineGraphSkill({
          id: "graph",
          version: "1",
          steps: [{ id: "word", waitFor: { signal: "word", timeout: 300 } }],
        }),
      ],
    });
    expect(await start({}, "graph")).toMatchObject({ status: "failed", error: { stepId: "word" } });
  });

  played("also beside a step in flight", async ({ actor }) => {
    const long = Promise.withResolvers<string>();
    const { begin, runs, settled } = actor({
      ...inRealTime,
      body: async (step) =>
        Promise.race([
          step.do("long", () => long.promise),
          step.waitForEvent("word", { type: "word", timeout: 300 }).catch(() => "timeout"),
        ]),
    });
    const runId = await begin();
    await untilRecorded(runs, runId, "word");
    expect(await recordedSteps(runs, runId)).toEqual(["word"]);
    long.resolve("long");
    expect(await settled(runId)).toMatchObject({ status: "completed", result: "timeout" });
  });

  played(
    "is fixed when it is first asked for, whichever executor takes the run over",
    async ({ actor, clock, store }) => {
      const body =
        (isFirst: boolean): WorkflowBody =>
        async (step) => {
          const word = step.waitForEvent("word", { type: "word", timeout: "1 hour" }).catch(() => "timeout");
          await step.do("work", async () => {
            if (isFirst) await new Promise(() => {});
          });
          return word;
        };
      const first = actor({ body: body(true) });
      const runId = await first.begin();
      await untilWaiting(store, runId, "word");
      clock.advance(40 * minute);
      await first.die();
      const second = actor({ body: body(false) });
      expect(await second.later(leaseMs, runId)).toMatchObject({ status: "waiting_for_signal" });
      expect(await second.later(20 * minute - leaseMs - 1, runId)).toMatchObject({ status: "waiting_for_signal" });
      expect(await second.later(1, runId)).toMatchObject({ status: "completed", result: "timeout" });
    },
  );

  played("and when it is handed over", async ({ actor }) => {
    let isSpent = false;
    const body: WorkflowBody = async (step) => {
      const word = step.waitForEvent("word", { type: "word", timeout: "1 hour" }).catch(() => "timeout");
      const nap = step.sleep("nap", "1 hour").then(() => "slept");
      await step.do("work", async () => {
        isSpent = true;
      });
      return Promise.all([word, nap]);
    };
    const first = actor({ body, isSpent: () => isSpent });
    const { runId } = await first.start();
    expect(await countEvents(first.runs, runId, "run.handed_over")).toBe(1);
    await first.die();
    const second = actor({ body });
    expect(await second.later(20 * minute, runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await second.later(40 * minute - 1, runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await second.later(1, runId)).toMatchObject({ status: "completed", result: ["timeout", "slept"] });
    expect(await countEvents(second.runs, runId, "step.sleeping")).toBe(1);
  });
});

describe(`a pass that comes late to a wait of the pass before on ${medium}`, () => {
  /** Waits once work is done that is no step, which lasts longer than the run takes to wait at the gate alone. */
  const body =
    (isFirst: boolean): WorkflowBody =>
    async (step) => {
      const late = async () => {
        await turns(40);
        return Promise.all([
          step.sleep("nap", "1 hour").then(() => "slept"),
          step.waitForEvent("word", { type: "word", timeout: "1 hour" }).catch(() => "timeout"),
          step
            .do("flaky", { retries: { limit: 1, delay: "1 hour" } }, async ({ attempt }) => {
              throw new Error(`attempt ${attempt}`);
            })
            .catch((error: Error) => error.message),
          step.waitForApproval("late").then(({ approver }) => approver),
        ]);
      };
      const work = step.do("work", async () => {
        if (isFirst) await new Promise(() => {});
      });
      return (await Promise.all([late(), work, step.waitForApproval("gate")]))[0];
    };
  /** A run whose executor has died while it waited, and where a person has decided since. */
  const leftBehind = async ({ actor, clock, store }: Scene) => {
    const first = actor({ body: body(true) });
    const runId = await first.begin();
    await untilWaiting(store, runId, "nap", "word", "flaky", "late", "gate");
    await first.die();
    const clerk = actor({ body: body(false), executes: false });
    await clerk.runs.approve(runId, { stepId: "late", approver: "ada" });
    clock.advance(20 * minute);
    return { runId, dueAt: async () => (await store.getRun(tenant, runId))?.dueAt };
  };

  played("leaves their ends, the attempts and what was decided", async (scene) => {
    const { runId } = await leftBehind(scene);
    const second = scene.actor({ body: body(false) });
    await second.later(0, runId);
    await second.runs.approve(runId, { stepId: "gate" });
    expect(await second.settled(runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await second.later(40 * minute - 1, runId)).toMatchObject({ status: "waiting_for_signal" });
    expect(await second.later(1, runId)).toMatchObject({
      status: "completed",
      result: ["slept", "timeout", "attempt 2", "ada"],
    });
    expect(await countEvents(second.runs, runId, "step.sleeping")).toBe(1);
  });

  played("takes those that are over", async (scene) => {
    const { runId } = await leftBehind(scene);
    // A medium that takes its time: the run must not park while what was over is being recorded.
    const slow = intercepted(scene.store, async ({ method }, proceed) => {
      if (method === "commit") await turns(5);
      return proceed();
    });
    const second = scene.actor({ body: body(false), store: slow });
    expect(await second.later(60 * minute, runId)).toMatchObject({ status: "waiting_for_human" });
    expect(new Set(await recordedSteps(second.runs, runId))).toEqual(new Set(["work", "nap", "word", "flaky", "late"]));
    await second.runs.approve(runId, { stepId: "gate" });
    expect(await second.settled(runId)).toMatchObject({
      status: "completed",
      result: ["slept", "timeout", "attempt 2", "ada"],
    });
  });

  played("that never comes to them parks, and is not due again and again", async (scene) => {
    const { runId, dueAt } = await leftBehind(scene);
    const second = scene.actor({
      bodyQuietMs: 2_000,
      body: async (step) => {
        await Promise.all([step.do("work", async () => {}), step.waitForApproval("gate")]);
      },
    });
    expect(await second.later(0, runId)).toMatchObject({ status: "waiting_for_human" });
    expect(await dueAt()).toBe(scene.clock.now() + 40 * minute);
    expect(await second.later(40 * minute, runId)).toMatchObject({ status: "waiting_for_human" });
    expect(await dueAt()).toBeUndefined();
    await second.runs.approve(runId, { stepId: "gate" });
    expect(await second.settled(runId)).toMatchObject({ status: "completed" });
  });
});

/** A step in flight until it is let go, beside a wait for a word. */
const besideWord = (actor: Scene["actor"], options: ActorOptions = {}) => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const work = { isCalled: false, finish: () => resolve("done") };
  const body: WorkflowBody = async (step) =>
    Promise.all([
      step.do("work", () => {
        work.isCalled = true;
        return promise;
      }),
      step.waitForEvent<string>("word", { type: "word" }).then(({ payload }) => payload),
    ]);
  return { ...actor({ ...options, body }), work };
};

describe(`waits side by side on ${medium}`, () => {
  played("an event wins over a sleep that is held, at once", async ({ actor, store }) => {
    const { begin, runs, settled } = actor({
      ...inRealTime,
      holdMs: hour,
      // Far longer than the test may take: without the event, nothing would end it.
      body: (step) =>
        Promise.race([
          step.waitForEvent<string>("word", { type: "word" }).then(({ payload }) => payload),
          step.sleep("nap", "50 minutes").then(() => "nap"),
        ]),
    });
    const runId = await begin();
    await untilWaiting(store, runId, "word", "nap");
    await pause(100);
    await runs.signal(runId, { name: "word", payload: "said" });
    await until(async () => (await recordedSteps(runs, runId)).length > 0);
    expect(await recordedSteps(runs, runId)).toEqual(["word"]);
    expect(await settled(runId)).toMatchObject({ status: "completed", result: "said" });
  });

  played("so it does over a sleep that parks", async ({ actor }) => {
    const { start, runs, settled } = actor({
      body: (step) =>
        Promise.race([
          step.waitForEvent<string>("word", { type: "word" }).then(({ payload }) => payload),
          step.sleep("nap", "3 seconds").then(() => "nap"),
        ]),
    });
    const { runId, ...run } = await start();
    expect(run).toMatchObject({ status: "waiting_for_signal" });
    await runs.signal(runId, { name: "word", payload: "said" });
    expect(await settled(runId)).toMatchObject({ status: "completed", result: "said" });
    expect(await recordedSteps(runs, runId)).toEqual(["word"]);
  });

  played("in a graph, an event is taken while a sleep is held", async ({ actor, clock, store }) => {
    const { begin, runs, settled } = actor({
      holdMs: 5_000,
      skills: [
        defineGraphSkill({
          id: "graph",
          version: "1",
          steps: [
            { id: "nap", sleep: 1_500, dependsOn: [] },
            { id: "word", waitFor: { signal: "word" }, dependsOn: [], output: "outputs.word" },
          ],
        }),
      ],
    });
    const runId = await begin({}, "graph");
    await untilWaiting(store, runId, "word", "nap");
    await runs.signal(runId, { name: "word", payload: "said" });
    await untilRecorded(runs, runId, "word");
    expect(await recordedSteps(runs, runId)).toEqual(["word"]);
    clock.advance(1_500);
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { word: "said" } });
  });

  const polling = (onPoll: () => void, pauseMs: number): WorkflowBody => {
    return async (step) => {
      let isStopped = false;
      void step.waitForEvent("stop", { type: "stop" }).then(() => {
        isStopped = true;
      });
      for (let n = 1; n <= 20; n++) {
        await step.do("poll", async () => onPoll());
        await step.sleep("pause", pauseMs);
        if (isStopped) return n;
      }
      return "never stopped";
    };
  };

  played("an event from elsewhere is taken beside a step in flight as soon as it is notified", async ({ actor }) => {
    const notifier = localNotifier();
    const { begin, runs, settled, work } = besideWord(actor, { notifier });
    const runId = await begin();
    await until(() => work.isCalled);
    const clerk = actor({ executes: false, notifier });
    await clerk.runs.signal(runId, { name: "word", payload: "said" });
    await untilRecorded(runs, runId, "word");
    work.finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["done", "said"] });
  });

  played("and by the next renewal of the lease where no notification comes", async ({ actor, clock }) => {
    const { begin, runs, settled, work } = besideWord(actor);
    const runId = await begin();
    await until(() => work.isCalled);
    const clerk = actor({ executes: false });
    await clerk.runs.signal(runId, { name: "word", payload: "said" });
    await turns(20);
    expect(await recordedSteps(runs, runId)).toEqual([]);
    clock.advance(leaseMs / 2);
    await untilRecorded(runs, runId, "word");
    work.finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: ["done", "said"] });
  });

  played("polls stop after the poll at which their stop came", async ({ actor, clock }) => {
    let polls = 0;
    const { begin, runs, settled } = actor({ holdMs: 5_000, body: polling(() => polls++, 1_000) });
    const runId = await begin();
    await untilEvents(runs, runId, "step.sleeping");
    clock.advance(1_000);
    await untilEvents(runs, runId, "step.sleeping", 2);
    await runs.signal(runId, { name: "stop" });
    await untilRecorded(runs, runId, "stop");
    expect(polls).toBe(2);
    clock.advance(1_000);
    expect(await settled(runId)).toMatchObject({ status: "completed", result: 2 });
    expect(polls).toBe(2);
  });

  played("so they do where the run parks between them", async ({ actor }) => {
    let polls = 0;
    const { start, later, runs } = actor({ body: polling(() => polls++, 1_000) });
    const { runId } = await start();
    await later(1_000, runId);
    expect(polls).toBe(2);
    await runs.signal(runId, { name: "stop" });
    expect(await later(1_000, runId)).toMatchObject({ status: "completed", result: 2 });
    expect(polls).toBe(2);
  });

  played("a short sleep wins over a long step, which is not aborted and is recorded", async ({ actor }) => {
    const aborted: boolean[] = [];
    const long = Promise.withResolvers<void>();
    const won = Promise.withResolvers<string>();
    const { begin, runs, settled } = actor({
      ...inRealTime,
      body: async (step) => {
        const winner = await Promise.race([
          step.do("long", async ({ signal }) => {
            await long.promise;
            aborted.push(signal.aborted);
            return "long";
          }),
          step.sleep("short", 200).then(() => "short"),
        ]);
        won.resolve(winner);
        return winner;
      },
    });
    const runId = await begin();
    expect(await won.promise).toBe("short");
    expect(await recordedSteps(runs, runId)).toEqual(["short"]);
    // The body has ended: time in which the step could be aborted.
    await pause(200);
    expect(aborted).toEqual([]);
    long.resolve();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: "short" });
    expect(aborted).toEqual([false]);
    expect(await recordedSteps(runs, runId)).toEqual(["short", "long"]);
  });

  played("a retry is made when it is due, beside a longer step", async ({ actor }) => {
    const order: string[] = [];
    const retried = Promise.withResolvers<void>();
    const { start } = actor({
      ...inRealTime,
      body: (step) =>
        Promise.all([
          step.do("long", async () => {
            await retried.promise;
            order.push("long");
          }),
          step.do("flaky", { retries: { limit: 1, delay: 100 } }, async ({ attempt }) => {
            order.push(`attempt ${attempt}`);
            if (attempt === 1) throw new Error("not yet");
            retried.resolve();
          }),
        ]),
    });
    expect(await start()).toMatchObject({ status: "completed" });
    expect(order).toEqual(["attempt 1", "attempt 2", "long"]);
  });

  played("a cancel reaches a run that holds a sleep", async ({ actor }) => {
    const { begin, runs, runtime } = actor({
      ...inRealTime,
      holdMs: hour,
      // Far longer than the test may take.
      body: (step) => step.sleep("nap", "50 minutes"),
    });
    const runId = await begin();
    await untilEvents(runs, runId, "step.sleeping");
    await pause(100);
    await runs.cancel(runId);
    await runtime.idle();
    expect(await runs.get(runId)).toMatchObject({ status: "canceled" });
  });
});

describe(`waits of a graph that end beside a step in flight on ${medium}`, () => {
  /** A graph with these steps beside one that is in flight until the test ends it. */
  const besideWork = (actor: Scene["actor"], steps: readonly GraphStep[]) => {
    const work = Promise.withResolvers<string>();
    const attempts: number[] = [];
    const capabilities = [
      defineCapability({ id: "work", version: "1" }, () => work.promise),
      defineCapability({ id: "flaky", version: "1" }, async (_input, { attempt }) => {
        attempts.push(attempt);
        if (attempt === 1) throw new Error("not yet");
        return "done";
      }),
      defineCapability({ id: "slow", version: "1" }, () => new Promise(() => {})),
    ];
    const graph = defineGraphSkill({
      id: "graph",
      version: "1",
      steps: [{ id: "work", uses: "work", dependsOn: [], output: "outputs.work" }, ...steps],
    });
    return {
      ...actor({ ...inRealTime, capabilities, skills: [graph] }),
      attempts,
      finish: () => work.resolve("worked"),
    };
  };

  played("a retry is made, and what depends on it", async ({ actor }) => {
    const { begin, runs, settled, attempts, finish } = besideWork(actor, [
      { id: "flaky", uses: "flaky", dependsOn: [], retries: { limit: 1, delay: 100 } },
      { id: "then", uses: "flaky", dependsOn: ["flaky"], retries: { limit: 1, delay: 100 } },
    ]);
    const runId = await begin({}, "graph");
    await untilRecorded(runs, runId, "then");
    expect(attempts).toEqual([1, 2, 1, 2]);
    expect(await recordedSteps(runs, runId)).toEqual(["flaky", "then"]);
    finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { work: "worked" } });
  });

  played("a sleep ends, and what depends on it is done", async ({ actor }) => {
    const { begin, runs, settled, finish } = besideWork(actor, [
      { id: "nap", sleep: 100, dependsOn: [] },
      { id: "then", sleep: 100, dependsOn: ["nap"] },
    ]);
    const runId = await begin({}, "graph");
    await untilRecorded(runs, runId, "then");
    expect(await recordedSteps(runs, runId)).toEqual(["nap", "then"]);
    finish();
    expect(await settled(runId)).toMatchObject({ status: "completed" });
  });

  played("a signal's timeout and a step's timeout come", async ({ actor }) => {
    const { begin, runs, settled, finish } = besideWork(actor, [
      { id: "word", waitFor: { signal: "word", timeout: 100 }, dependsOn: [], onFailure: "continue" },
      {
        ...{ id: "slow", uses: "slow", dependsOn: [], onFailure: "continue" },
        ...{ timeout: 100, retries: { limit: 0, delay: 0 } },
      },
      { id: "then", sleep: 1, dependsOn: ["word", "slow"] },
    ]);
    const runId = await begin({}, "graph");
    await untilRecorded(runs, runId, "then");
    const recorded = await recordedSteps(runs, runId);
    expect(new Set(recorded.slice(0, 2))).toEqual(new Set(["word", "slow"]));
    expect(recorded.slice(2)).toEqual(["then"]);
    finish();
    expect(await settled(runId)).toMatchObject({ status: "completed", result: { work: "worked" } });
    expect((await headOf(runs, runId)).stepResults).toMatchObject({
      word: { status: "degraded" },
      slow: { status: "degraded" },
    });
  });
});

// Turns are counted on a medium that takes none of its own.
if (medium === "memory") {
  describe("an event that is committed in the same process", () => {
    played("reaches a step that waits within one turn, beside a step in flight", async ({ actor, store }) => {
      let commits = 0;
      const counted = intercepted(store, ({ method }, proceed) => {
        if (method === "commit") commits++;
        return proceed();
      });
      const { begin, runs, settled, work } = besideWord(actor, { store: counted });
      const runId = await begin();
      await untilWaiting(store, runId, "word");
      await turns(20);
      commits = 0;
      await runs.signal(runId, { name: "word", payload: "said" });
      expect(commits).toBe(1);
      await turn();
      // The pass has taken the event, and records it.
      expect(commits).toBe(2);
      await turn();
      expect(await recordedSteps(runs, runId)).toEqual(["word"]);
      work.finish();
      expect(await settled(runId)).toMatchObject({ status: "completed", result: ["done", "said"] });
    });
  });
}
