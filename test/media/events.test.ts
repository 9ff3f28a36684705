import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { eventPosition, eventTypes } from "../../src/codec/index.ts";
import { defineCapability, defineGraphSkill, localNotifier, type RunEvent } from "../../src/index.ts";
import { type Actor, type Scene, scene, until } from "../support/scene.ts";

/** A skill of steps that return when they are let go, a few at a time. */
function stepwise(count: number) {
  const waiting: (() => void)[] = [];
  let isOpen = false;
  const hold = defineCapability(
    { id: "hold", version: "1" },
    () => new Promise<void>((resolve) => (isOpen ? resolve() : waiting.push(resolve))),
  );
  const steps = Array.from({ length: count }, (_, index) => ({ id: `step ${index + 1}`, uses: "hold" }));
  return {
    options: { capabilities: [hold], skills: [defineGraphSkill({ id: "steps", version: "1", steps })] },
    async next(): Promise<void> {
      await until(() => waiting.length > 0);
      waiting.shift()?.();
    },
    open(): void {
      isOpen = true;
      for (const go of waiting.splice(0)) go();
    },
  };
}

const ids = (events: readonly RunEvent[]) => events.map(({ eventId }) => eventId);

// What the event log promises, on one medium.

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

/** A run of five steps that is completed, and all its events. */
const ended = async ({ actor }: Scene) => {
  const steps = stepwise(5);
  steps.open();
  const made = actor(steps.options);
  const { runId } = await made.start({}, "steps");
  return { ...made, runId: runId as string, events: (await made.runs.events(runId)).items };
};

describe(`events on ${medium}`, () => {
  played("tell what happened in order, each with an id of its place", async (scene) => {
    const { runId, events, runs } = await ended(scene);
    expect(events.map(({ eventType }) => eventType)).toEqual([
      "run.started",
      "checkpoint.saved",
      ...Array.from({ length: 5 }, () => ["step.started", "step.completed", "checkpoint.saved"]).flat(),
      "run.completed",
      "checkpoint.saved",
    ]);
    let before: readonly [revision: number, index: number] = [0, -1];
    for (const event of events) {
      expect(event).toMatchObject({ eventVersion: 1, runId, occurredAt: new Date(scene.clock.now()).toISOString() });
      expect(eventTypes).toContain(event.eventType);
      const [, run, revision, index] = /^(.+):(\d+):(\d+)$/.exec(event.eventId) ?? [];
      expect(run).toBe(runId);
      const place = [Number(revision), Number(index)] as const;
      expect(place[0] > before[0] || (place[0] === before[0] && place[1] === before[1] + 1)).toBe(true);
      expect(eventPosition(event)).toBe(`${revision}-${index}`);
      before = place;
    }
    const history = (await runs.history(runId)).items;
    expect(history.flatMap(({ events }) => events)).toEqual(events);
  });

  played("are given after any place, by id or by position", async (scene) => {
    const { runId, events, runs } = await ended(scene);
    for (const [index, event] of events.entries()) {
      const rest = events.slice(index + 1);
      expect((await runs.events(runId, { after: event.eventId })).items).toEqual(rest);
      expect((await runs.events(runId, { after: eventPosition(event) })).items).toEqual(rest);
    }
    expect((await runs.events(runId, { after: "0-0" })).items).toEqual(events);
    expect((await runs.events(runId, { after: "999999-0" })).items).toEqual([]);
  });

  played("are given in pages of any size, which add up", async (scene) => {
    const { runId, events, runs } = await ended(scene);
    for (const limit of [1, 2, 3, 7, 100]) {
      const pages: RunEvent[] = [];
      for (let after: string | undefined; ; after = pages.at(-1)?.eventId) {
        const page = (await runs.events(runId, { limit, ...(after === undefined ? {} : { after }) })).items;
        expect(page.length).toBeLessThanOrEqual(limit);
        pages.push(...page);
        if (page.length < limit) break;
      }
      expect(pages).toEqual(events);
    }
  });

  played("after a place that is none are refused, and so are those of a run that is not there", async (scene) => {
    const { runId, runs, runtime } = await ended(scene);
    for (const after of ["", "first", "1", "1-", "-1-0", "1.5-0", `${runId}:1`, "1-0-"]) {
      await expect(runs.events(runId, { after })).rejects.toMatchObject({ code: "invalid_request", path: "after" });
      await expect(runs.watch(runId, { after }).next()).rejects.toMatchObject({ code: "invalid_request" });
    }
    for (const stranger of [runs.events("missing"), runtime.for("stranger").events(runId)]) {
      await expect(stranger).rejects.toMatchObject({ code: "not_found", missing: "run" });
    }
    await expect(runs.watch("missing").next()).rejects.toMatchObject({ code: "not_found", missing: "run" });
  });
});

describe(`a watch on ${medium}`, () => {
  played("gives every event once and in order, while the run executes, and ends with it", async ({ actor }) => {
    const { options, next } = stepwise(4);
    const { begin, runs, settled } = actor(options);
    const runId = await begin({}, "steps");
    const seen: RunEvent[] = [];
    const watched = collect(runs.watch(runId), seen);
    for (let step = 1; step <= 4; step++) {
      await next();
      await until(() => seen.some(({ payload }) => payload.step_id === `step ${step}`));
    }
    await watched;
    await settled(runId);
    expect(seen).toEqual((await runs.events(runId)).items);
    expect(seen.at(-2)?.eventType).toBe("run.completed");
  });

  played("of a run that is executed elsewhere sees all of it by looking, without being told", async ({ actor }) => {
    const { options, next } = stepwise(3);
    const { begin, runs } = actor({ ...options, notifier: localNotifier() });
    const runId = await begin({}, "steps");
    const other = actor({ notifier: localNotifier() });
    const seen: RunEvent[] = [];
    const watched = collect(other.runs.watch(runId, { pollMs: 10 }), seen);
    for (let step = 1; step <= 3; step++) await next();
    await watched;
    expect(seen).toEqual((await runs.events(runId)).items);
  });

  played("goes on after each of twenty cuts, with no gap and no repeat", async ({ actor }) => {
    const { options, next, open } = stepwise(22);
    const { begin, runs, settled } = actor(options);
    const runId = await begin({}, "steps");
    const seen: RunEvent[] = [];
    for (let cut = 1; cut <= 20; cut++) {
      await next();
      const after = seen.at(-1)?.eventId;
      const cutting = new AbortController();
      const watch = runs.watch(runId, { ...(after === undefined ? {} : { after }), signal: cutting.signal });
      // In turn: the reader stops reading, or its connection is cut while it reads or waits.
      if (cut % 2 === 0) {
        let wanted = cut % 3;
        for await (const event of watch) {
          seen.push(event);
          if (wanted-- === 0) break;
        }
      } else {
        const length = seen.length;
        const watched = collect(watch, seen);
        await until(() => seen.length > length);
        cutting.abort();
        await watched;
      }
    }
    open();
    await collect(runs.watch(runId, { after: seen.at(-1)?.eventId ?? "" }), seen);
    await settled(runId);
    expect(ids(seen)).toEqual(ids((await runs.events(runId)).items));
  });

  played("of a run that has ended gives what is left, and ends", async (scene) => {
    const { runId, events, runs } = await ended(scene);
    const all: RunEvent[] = [];
    await collect(runs.watch(runId), all);
    expect(all).toEqual(events);
    for (const after of [events[4], events.at(-1)]) {
      const rest: RunEvent[] = [];
      await collect(runs.watch(runId, { after: after?.eventId ?? "" }), rest);
      expect(rest).toEqual(events.slice(events.indexOf(after as RunEvent) + 1));
    }
  });

  played("ends when its signal aborts, also while it waits", async ({ actor }) => {
    const { options, open } = stepwise(1);
    const { begin, runs, settled } = actor(options);
    const runId = await begin({}, "steps");
    const stop = new AbortController();
    const seen: RunEvent[] = [];
    const watched = collect(runs.watch(runId, { signal: stop.signal }), seen);
    await until(() => seen.length === 2);
    stop.abort();
    await watched;
    const already: RunEvent[] = [];
    await collect(runs.watch(runId, { signal: stop.signal }), already);
    expect(already).toEqual([]);
    open();
    await settled(runId);
    expect(seen).toHaveLength(2);
  });

  played("goes on over what ends one pass and begins the next", async ({ actor, clock }) => {
    const { begin, runs, runtime } = actor({
      body: async (step) => {
        await step.sleep("nap", "1 hour");
        await step.waitForEvent("event", { type: "go" });
        await step.waitForApproval("gate");
      },
    });
    const runId = await begin();
    const seen: RunEvent[] = [];
    const has = (type: string) => until(() => seen.some(({ eventType }) => eventType === type));
    const watched = collect(runs.watch(runId), seen);
    await has("step.sleeping");
    await runtime.idle();
    clock.advance(3_600_000);
    await runtime.drain();
    await has("run.waiting_for_signal");
    await runs.signal(runId, { name: "go" });
    await has("run.waiting_for_human");
    await runs.approve(runId);
    await has("run.completed");
    await watched;
    expect(seen).toEqual((await runs.events(runId)).items);
  });

  played("of a failed run ends, and one from there sees what a resume adds", async ({ actor }) => {
    let isDown = true;
    const { start, runs, settled } = actor({
      body: async (step) =>
        step.do("call", { retries: { limit: 0, delay: 1 } }, async () => {
          if (isDown) throw new Error("down");
        }),
    });
    const { runId } = await start();
    const seen: RunEvent[] = [];
    await collect(runs.watch(runId), seen);
    expect(seen.at(-2)?.eventType).toBe("run.failed");
    isDown = false;
    await runs.resume(runId);
    await collect(runs.watch(runId, { after: seen.at(-1)?.eventId ?? "" }), seen);
    await settled(runId);
    expect(seen).toEqual((await runs.events(runId)).items);
  });

  played("of a history of many pages misses nothing", async ({ actor }) => {
    const { options, open } = stepwise(450);
    open();
    const { begin, runs, settled } = actor(options);
    const runId = await begin({}, "steps");
    const seen: RunEvent[] = [];
    await collect(runs.watch(runId), seen);
    await settled(runId);
    const first = await runs.events(runId, { limit: 1_000 });
    expect(first.items).toHaveLength(1_000);
    const second = await runs.events(runId, { limit: 1_000, after: first.next ?? "" });
    expect(second.next).toBeUndefined();
    const pages = [first.items, second.items];
    expect((await runs.events(runId)).items).toEqual(pages.flat());
    expect(ids(seen)).toEqual(pages.flatMap(ids));
    expect(seen).toHaveLength(2 + 3 * 450 + 2);
  });
});

describe(`a notifier on ${medium}`, () => {
  played("that fails is a hint that was lost, and no failure of what was committed", async ({ actor }) => {
    const broken = {
      ...localNotifier(),
      notify: () => {
        throw new Error("the channel is closed");
      },
    };
    const { start, errors } = actor({ notifier: broken, body: async (step) => step.do("one", async () => 1) });
    expect(await start()).toMatchObject({ status: "completed", result: 1 });
    expect(errors.length).toBeGreaterThan(0);
  });
});

async function collect(events: ReturnType<Actor["runs"]["watch"]>, into: RunEvent[]): Promise<void> {
  for await (const event of events) into.push(event);
}
