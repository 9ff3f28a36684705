import { describe, expect, test } from "vitest";
import { harness, medium } from "#medium";
import { DurableError, localNotifier, type RunsApi } from "../../src/index.ts";
import { failingStore } from "../../src/testing/index.ts";
import { type RunList, type RunNow, watchRun, watchRuns } from "../../src/watch.ts";
import { type Scene, scene, until } from "../support/scene.ts";

const played = (name: string, play: (scene: Scene) => Promise<void>) => test(name, () => scene(harness, play));

/** Keeps what a watch yields, until it is stopped. */
function kept<T>(open: (signal: AbortSignal) => AsyncGenerator<T, void, undefined>) {
  const stopping = new AbortController();
  const seen: T[] = [];
  const ended = (async () => {
    for await (const one of open(stopping.signal)) seen.push(one);
  })();
  // Awaited at the end; a test that fails before must not end the process.
  ended.catch(() => undefined);
  return {
    seen,
    ended,
    stop() {
      stopping.abort();
      return ended;
    },
  };
}

const lists = (runs: RunsApi, filter = {}) => kept((signal) => watchRuns(runs, filter, { signal }));
const ids = ({ items }: RunList) => items.map(({ runId }) => runId);
const asking = {
  body: async (step: { waitForApproval(name: string): Promise<unknown> }) => step.waitForApproval("ask"),
};

describe(`a watch of runs on ${medium}`, () => {
  played("has the list at once, and another one after each change", async ({ actor, clock }) => {
    const { runs, start, settled } = actor(asking);
    const first = await start();
    clock.advance(1);
    const watch = lists(runs);
    await until(() => watch.seen.length === 1);
    expect(watch.seen[0]).toMatchObject({ isMore: false, changed: [first.runId], items: [{ runId: first.runId }] });
    const second = await start();
    await until(() => watch.seen.at(-1)?.items[0]?.status === "waiting_for_human");
    const before = watch.seen.at(-1) as RunList;
    expect(ids(before)).toEqual([second.runId, first.runId]);
    await runs.approve(first.runId);
    await settled(first.runId);
    await until(() => watch.seen.at(-1)?.items[1]?.status === "completed");
    const after = watch.seen.at(-1) as RunList;
    expect(after.changed).toEqual([first.runId]);
    // What has not changed is the same object, so that a page need not draw it again.
    expect(after.items[0]).toBe(before.items[0]);
    await watch.stop();
    const { items } = await runs.list();
    expect(after.items).toEqual(items);
  });

  played("yields nothing while nothing changes", async ({ actor, clock }) => {
    const { runs, start } = actor(asking);
    await start();
    const watch = lists(runs);
    await until(() => watch.seen.length === 1);
    for (let look = 0; look < 5; look++) {
      clock.advance(2_000);
      await runs.list();
    }
    expect(watch.seen).toHaveLength(1);
    await watch.stop();
  });

  played("under a filter, a run enters and leaves the list", async ({ actor }) => {
    const { runs, start } = actor(asking);
    const watch = lists(runs, { status: "waiting_for_human" });
    await until(() => watch.seen.length === 1);
    const { runId } = await start();
    await until(() => watch.seen.length === 2);
    await runs.deny(runId);
    await until(() => watch.seen.length === 3);
    await watch.stop();
    expect(watch.seen.map(ids)).toEqual([[], [runId], []]);
    expect(watch.seen.map(({ changed }) => changed)).toEqual([[], [runId], [runId]]);
  });

  played("has the newest up to its limit, and says that there are more", async ({ actor, clock }) => {
    const { runs, start } = actor(asking);
    const born: string[] = [];
    for (let one = 0; one < 3; one++) {
      born.unshift((await start()).runId);
      clock.advance(1);
    }
    const watch = lists(runs, { limit: 2 });
    await until(() => watch.seen.length === 1);
    expect([watch.seen.map(ids), watch.seen[0]?.isMore]).toEqual([[born.slice(0, 2)], true]);
    await runs.delete(born[0] as string);
    await until(() => watch.seen.length === 2);
    expect(watch.seen.map(ids)[1]).toEqual(born.slice(1));
    expect(watch.seen[1]).toMatchObject({ isMore: false, changed: [born[0], born[2]] });
    await watch.stop();
  });

  played("sees a change of which no notification came, at its next look", async ({ actor, clock }) => {
    const [deaf, other] = [actor({ ...asking, notifier: localNotifier() }), actor(asking)];
    const watch = lists(deaf.runs);
    await until(() => watch.seen.length === 1);
    const { runId } = await other.start();
    expect(watch.seen).toHaveLength(1);
    await until(() => {
      clock.advance(2_000);
      return watch.seen.length > 1;
    });
    expect(watch.seen.at(-1)).toMatchObject({ changed: [runId] });
    await watch.stop();
  });

  played("is not disturbed by the runs of another tenant", async ({ actor }) => {
    const { runs, runtime } = actor(asking);
    const watch = lists(runs);
    await until(() => watch.seen.length === 1);
    const others = runtime.for("another");
    await others.start({ skillId: "body" });
    await runtime.idle();
    await runs.list();
    expect(watch.seen).toHaveLength(1);
    await watch.stop();
  });

  played("keeps its list while the medium fails, says why, and goes on", async ({ actor, clock, store }) => {
    let isDown = false;
    const { runs, start } = actor({
      ...asking,
      store: failingStore(store, ({ method }) => isDown && method === "listRuns"),
    });
    const { runId } = await start();
    const watch = lists(runs);
    await until(() => watch.seen.length === 1);
    isDown = true;
    await until(() => {
      clock.advance(2_000);
      return watch.seen.length > 1;
    });
    expect(watch.seen[1]).toMatchObject({ error: { code: "store_failed" }, changed: [] });
    expect(watch.seen[1]?.items).toBe(watch.seen[0]?.items);
    isDown = false;
    await until(() => {
      clock.advance(30_000);
      return watch.seen.length > 2;
    });
    // One failure is one list, however often it was met.
    expect(watch.seen).toHaveLength(3);
    expect(watch.seen[2]?.error).toBeUndefined();
    expect(ids(watch.seen[2] as RunList)).toEqual([runId]);
    await watch.stop();
  });

  played("ends with a failure that does not pass", async ({ actor }) => {
    const { runs } = actor(asking);
    const forbidden = new DurableError("unauthorized", "no key");
    const locked = Object.assign(Object.create(runs) as RunsApi, {
      list: () => Promise.reject(forbidden),
      get: () => Promise.reject(forbidden),
    });
    await expect(watchRuns(locked).next()).rejects.toBe(forbidden);
  });

  played("ends at once by its signal, also in the middle of a look", async ({ actor }) => {
    const { runs } = actor(asking);
    const stuck = Object.assign(Object.create(runs) as RunsApi, { list: () => new Promise<never>(() => {}) });
    const watch = lists(stuck);
    await watch.stop();
    expect(watch.seen).toEqual([]);
  });

  played("that is left listens no more", async ({ actor }) => {
    const local = localNotifier();
    let listeners = 0;
    const notifier = {
      ...local,
      subscribe(listener: Parameters<typeof local.subscribe>[0]) {
        const end = local.subscribe(listener);
        listeners++;
        return () => {
          listeners--;
          end();
        };
      },
    };
    const { runs } = actor({ ...asking, notifier });
    for await (const { items } of watchRuns(runs)) {
      expect([items, listeners]).toEqual([[], 1]);
      break;
    }
    expect(listeners).toBe(0);
  });
});

describe(`a watch of one run on ${medium}`, () => {
  const now = (runs: RunsApi, runId: string) => kept<RunNow>((signal) => watchRun(runs, runId, { signal }));

  played("has the run as it is, after each change, and goes on after its end", async ({ actor }) => {
    const { runs, start, settled } = actor(asking);
    const { runId } = await start();
    const watch = now(runs, runId);
    await until(() => watch.seen.length === 1);
    await runs.deny(runId);
    await until(() => watch.seen.at(-1)?.run?.status === "canceled");
    await runs.resume(runId);
    await settled(runId);
    await until(() => watch.seen.at(-1)?.run?.status === "waiting_for_human");
    await watch.stop();
    expect(watch.seen.at(-1)?.run).toEqual(await runs.get(runId));
  });

  played("does not look because another run has changed", async ({ actor }) => {
    const { runs, start } = actor(asking);
    const { runId } = await start();
    let looks = 0;
    const counted = Object.assign(Object.create(runs) as RunsApi, {
      list: runs.list.bind(runs),
      get: (id: string) => {
        looks++;
        return runs.get(id);
      },
    });
    const watch = now(counted, runId);
    await until(() => watch.seen.length === 1);
    await start();
    await runs.list();
    expect(looks).toBe(1);
    await watch.stop();
  });

  played("ends with `not_found` if there is no such run, or it is deleted", async ({ actor }) => {
    const { runs, start } = actor(asking);
    await expect(watchRun(runs, "none").next()).rejects.toMatchObject({ code: "not_found" });
    const { runId } = await start();
    const watch = now(runs, runId);
    await until(() => watch.seen.length === 1);
    await runs.delete(runId);
    await expect(watch.ended).rejects.toMatchObject({ code: "not_found", missing: "run" });
  });
});
