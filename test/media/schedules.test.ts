import { describe, expect, test } from "vitest";
import { harness } from "#medium";
import {
  createRuntime,
  DurableError,
  defineSkill,
  pruneRuns,
  type Runs,
  type Runtime,
  type RuntimeOptions,
  type Skill,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import {
  type NewSchedule,
  type Schedule,
  type Schedules,
  schedulesOf,
  scheduling,
} from "../../worker/schedules/index.ts";
import { deferred, leaseMs, onStage, refusalOf, type Stage, until } from "../support/stage.ts";

const on = onStage(harness);
const minute = 60_000;
/** When the clock of a stage begins: at noon. */
const noon = Date.UTC(2026, 2, 26, 12);

interface Office {
  readonly schedules: Schedules;
  readonly runs: Runs;
  /** A runtime with schedules and the skill `job`. */
  readonly open: (options?: Partial<RuntimeOptions>) => ReturnType<Stage["runtime"]>;
  /** The times of the runs of a schedule, as they were scheduled, oldest first. */
  readonly times: (scheduleId?: string) => Promise<readonly string[]>;
  readonly create: (options?: Partial<NewSchedule>) => Promise<Schedule>;
  /** Moves the clock on by minutes, one by one, and drains after each. */
  readonly pass: (minutes: number) => Promise<void>;
  /** What the runs of `job` wait for before they end, if anything. */
  readonly hold: { until?: Promise<unknown>; release?: () => void };
  readonly job: Skill;
}

const at = (minutes: number, second = 0) => new Date(noon + minutes * minute + second * 1_000).toISOString();

async function office(stage: Stage): Promise<Office> {
  const { tenant, clock } = stage;
  await clock.advance(noon - clock.now());
  const hold: Office["hold"] = {};
  const job = defineSkill({
    id: "job",
    version: "1",
    run: async (step) => {
      await step.do("work", { timeout: "2 hours" }, async () => {
        await hold.until;
        return null;
      });
    },
  });
  const open = (options: Partial<RuntimeOptions> = {}) => stage.runtime({ skills: [job, scheduling], ...options });
  const home = open();
  const runs = home.for(tenant);
  const schedules = schedulesOf(runs);
  return {
    schedules,
    runs,
    open,
    job,
    hold,
    async times(scheduleId = "s") {
      const { items } = await runs.list({ skillId: "job", order: "ascending" });
      const own = items.filter(({ parentRunId }) => parentRunId === scheduleId);
      expect(own.map(({ metadata }) => metadata.schedule_id)).toEqual(own.map(() => scheduleId));
      return own.map(({ metadata }) => String(metadata.scheduled_at));
    },
    create: async (options = {}) => {
      const made = await schedules.create({ id: "s", skill: "job", every: "10 minutes", ...options });
      await home.idle();
      return made;
    },
    async pass(minutes) {
      for (let n = 0; n < minutes; n++) {
        await clock.advance(minute);
        await drained(home, tenant);
      }
    },
  };
}

/** Drains until nothing is executed any more: the end of a run wakes its schedule. */
async function drained(runtime: Runtime, tenant?: string): Promise<void> {
  await runtime.drain(tenant === undefined ? {} : { tenant });
  await runtime.idle();
}

const inOffice = (act: (office: Office, stage: Stage) => Promise<void>) =>
  on(async (stage) => {
    const opened = await office(stage);
    try {
      await act(opened, stage);
    } finally {
      // Otherwise a test that fails would wait for the run that it holds.
      opened.hold.release?.();
    }
  });

/** Waits until the schedule `s` has a run under way and is released until its tick at that minute. */
async function untilReleased({ store, tenant }: Stage, minutes: number): Promise<void> {
  const dueAt = noon + minutes * minute;
  await until("the schedule is released", async () => (await store.getRun(tenant, "s"))?.dueAt === dueAt);
}

/** Undefined if there is no such run yet. */
async function statusOf(runs: Runs, runId: string): Promise<string | undefined> {
  const { items } = await runs.list();
  return items.find((run) => run.runId === runId)?.status;
}

describe("a schedule", () => {
  test(
    "starts a run at each of its times, with its inputs, under an id that follows from them",
    inOffice(async ({ runs, create, times, pass, schedules }) => {
      const made = await create({ inputs: { to: new Date(0) } });
      expect(made).toMatchObject({
        scheduleId: "s",
        status: "active",
        nextAt: at(10),
        createdAt: at(0),
        everyMs: 600_000,
      });
      await pass(9);
      expect(await times()).toEqual([]);
      await pass(21);
      expect(await times()).toEqual([at(10), at(20), at(30)]);
      const run = await runs.get(`s@${at(10)}`);
      expect(run).toMatchObject({ status: "completed", parentRunId: "s", skillId: "job" });
      const { state } = await runs.loadCheckpoint(run.runId, run.checkpointHead ?? "");
      expect(state.inputs).toEqual({ to: new Date(0) });
      expect(await schedules.get("s")).toMatchObject({
        inputs: { to: new Date(0) },
        nextAt: at(40),
        queued: 0,
        recent: [30, 20, 10].map((minutes) => ({ at: at(minutes), outcome: "started", runId: `s@${at(minutes)}` })),
      });
    }),
  );

  test(
    "of a cron expression ticks at the times of its zone",
    inOffice(async ({ create, times, pass }) => {
      const made = await create({ cron: "20,40 8 * * *", timeZone: "America/New_York", every: undefined as never });
      expect(made.nextAt).toBe(at(20));
      await pass(60);
      expect(await times()).toEqual([at(20), at(40)]);
    }),
  );

  test(
    "has a history and a row that do not grow with its ticks",
    inOffice(async ({ runs, create, times, pass }, { store, tenant }) => {
      await create({ every: "1 minute" });
      await pass(25);
      const before = { history: await runs.history("s"), length: (await store.getRun(tenant, "s"))?.body.length ?? 0 };
      await pass(25);
      expect(await times()).toHaveLength(50);
      expect(await runs.history("s")).toEqual(before.history);
      expect((await store.getRun(tenant, "s"))?.body.length).toBeLessThan(before.length + 20);
    }),
  );

  test(
    "starts one run a tick, however many drain at once",
    inOffice(async ({ create, times, open }, { clock, tenant, open: openStore }) => {
      await create();
      const others = [open({ store: await openStore() }), open({ store: await openStore() }), open()];
      for (let n = 1; n <= 3; n++) {
        await clock.advance(10 * minute);
        await Promise.all(others.map((other) => drained(other, tenant)));
      }
      expect(await times()).toEqual([at(10), at(20), at(30)]);
    }),
  );

  test(
    "is executed where its skill is registered, and its runs where theirs is",
    inOffice(async ({ create, runs, open, job }, { clock, tenant, runtime }) => {
      await create({ skill: "elsewhere" });
      await clock.advance(10 * minute);
      await drained(open(), tenant);
      const runId = `s@${at(10)}`;
      expect(await runs.get(runId)).toMatchObject({ status: "pending" });
      const elsewhere = defineSkill({ id: "elsewhere", version: "1", run: async () => "there" });
      await drained(runtime({ skills: [elsewhere, job] }), tenant);
      expect(await runs.get(runId)).toMatchObject({ status: "completed", result: "there" });
      // An executor that has schedules lets the schedule know of its end.
      await clock.advance(10 * minute);
      await drained(open(), tenant);
      expect(await runs.get(`s@${at(20)}`)).toMatchObject({ status: "pending" });
    }),
  );

  test(
    "starts the version of its skill that is registered last then, or the one that it names",
    inOffice(async ({ create, runs, job }, { clock, tenant, runtime }) => {
      await create();
      await create({ id: "fixed", skillVersion: "1" });
      const newer = defineSkill({ id: "job", version: "2", run: async () => null });
      await clock.advance(10 * minute);
      await drained(runtime({ skills: [job, newer, scheduling] }), tenant);
      expect((await runs.get(`s@${at(10)}`)).skillVersion).toBe("2");
      expect((await runs.get(`fixed@${at(10)}`)).skillVersion).toBe("1");
    }),
  );

  test(
    "whose last time is past has ended",
    inOffice(async ({ create, pass, schedules, times }) => {
      await create({ every: undefined as never, cron: "5 12 26 3 *" });
      await pass(6);
      expect(await times()).toEqual([at(5)]);
      expect(await schedules.get("s")).toMatchObject({ status: "active", nextAt: "2027-03-26T12:05:00.000Z" });
    }),
  );

  test(
    "whose run is canceled has ended, and goes on when that run is resumed",
    inOffice(async ({ create, pass, schedules, times, runs }) => {
      await create();
      await runs.cancel("s");
      expect(await schedules.get("s")).toMatchObject({ status: "ended" });
      expect(await refusalOf(schedules.pause("s"))).toMatchObject({ code: "invalid_transition" });
      await pass(15);
      expect(await times()).toEqual([]);
      await runs.resume("s");
      await pass(5);
      expect(await times()).toEqual([at(10), at(20)]);
    }),
  );

  test(
    "is copied by a replay, which has runs of its own",
    inOffice(async ({ create, pass, runs, times }) => {
      await create();
      await pass(10);
      await runs.replay("s", { newRunId: "copy" });
      await pass(10);
      expect(await times()).toEqual([at(10), at(20)]);
      expect(await times("copy")).toEqual([at(20)]);
    }),
  );

  test(
    "does not keep its runs from being pruned, nor the other way round",
    inOffice(async ({ create, pass, runs, times }, { clock }) => {
      await create();
      await pass(20);
      expect(await pruneRuns(runs, { olderThan: new Date(clock.now() + 1) })).toMatchObject({ deleted: 2 });
      await pass(10);
      expect(await times()).toEqual([at(30)]);
    }),
  );
});

describe("while an earlier run has not ended, a tick", () => {
  test(
    "is skipped by default",
    inOffice(async ({ create, pass, times, schedules, hold, runs, open }, stage) => {
      const { tenant, clock } = stage;
      const held = deferred();
      hold.until = held.promise;
      hold.release = held.resolve;
      await create();
      await clock.advance(10 * minute);
      // Its lease outlasts the jumps of the clock.
      const worker = open({ leaseMs: 60 * minute });
      const work = drained(worker, tenant);
      await untilReleased(stage, 20);
      await clock.advance(10 * minute);
      await open().drain({ tenant });
      expect(await schedules.get("s")).toMatchObject({
        running: { runId: `s@${at(10)}`, at: at(10), cause: "tick" },
        recent: [
          { at: at(20), outcome: "skipped" },
          { at: at(10), outcome: "started" },
        ],
      });
      held.resolve();
      await work;
      await pass(10);
      expect(await times()).toEqual([at(10), at(30)]);
    }),
  );

  test(
    "waits for its turn with `queue`, and the end of that run wakes the schedule",
    inOffice(async ({ create, times, schedules, hold, runs, open }, stage) => {
      const { tenant, clock } = stage;
      const held = deferred();
      hold.until = held.promise;
      hold.release = held.resolve;
      await create({ overlap: "queue" });
      await clock.advance(10 * minute);
      // Its lease outlasts the jumps of the clock.
      const worker = open({ leaseMs: 60 * minute });
      const work = drained(worker, tenant);
      await untilReleased(stage, 20);
      await clock.advance(10 * minute);
      await open().drain({ tenant });
      await clock.advance(10 * minute);
      await open().drain({ tenant });
      expect((await schedules.get("s")).queued).toBe(2);
      expect(await times()).toEqual([at(10)]);
      held.resolve();
      await work;
      await until("all have run", async () => (await runs.count({ skillId: "job", status: "completed" })) === 3);
      expect(await times()).toEqual([at(10), at(20), at(30)]);
    }),
  );

  test(
    "cancels that run with `cancel`",
    inOffice(async ({ create, times, schedules, hold, runs, open }, stage) => {
      const { tenant, clock } = stage;
      const held = deferred();
      hold.until = held.promise;
      hold.release = held.resolve;
      await create({ overlap: "cancel" });
      await clock.advance(10 * minute);
      const work = drained(open({ leaseMs: 60 * minute }), tenant);
      await untilReleased(stage, 20);
      await clock.advance(10 * minute);
      delete hold.until;
      await drained(open(), tenant);
      held.resolve();
      await work;
      expect(await times()).toEqual([at(10), at(20)]);
      expect((await runs.get(`s@${at(10)}`)).status).toBe("canceled");
      expect((await runs.get(`s@${at(20)}`)).status).toBe("completed");
    }),
  );
});

describe("ticks that nothing has served in time", () => {
  const late = async (catchUp: "skip" | "one" | "all", after: number, overlap: "skip" | "queue" = "skip") => {
    let found: readonly string[] = [];
    let recent: Schedule["recent"] = [];
    await inOffice(async ({ create, times, schedules, open, runs }, { clock, tenant }) => {
      await create({ catchUp, overlap });
      await clock.advance(after * minute);
      await drained(open(), tenant);
      found = await times();
      recent = (await schedules.get("s")).recent;
      expect(await runs.count({ skillId: "job", status: "completed" })).toBe(found.length);
    })();
    return { found, recent };
  };

  test("are one run by default, of the last of them", async () => {
    const { found, recent } = await late("one", 39);
    expect(found).toEqual([at(30)]);
    expect(recent).toMatchObject([
      { at: at(30), outcome: "started" },
      { at: at(10), until: at(20), outcome: "missed" },
    ]);
  });

  test("are none with `skip`", async () => {
    expect((await late("skip", 39)).found).toEqual([]);
    // The last is in time.
    const { found, recent } = await late("skip", 31);
    expect(found).toEqual([at(30)]);
    expect(recent).toMatchObject([{ outcome: "started" }, { at: at(10), until: at(20), outcome: "missed" }]);
  });

  test.each(["skip", "queue"] as const)(
    "all run with `all`, one after another, whatever overlaps (%s)",
    async (overlap) => {
      expect((await late("all", 39, overlap)).found).toEqual([at(10), at(20), at(30)]);
      expect((await late("all", 31, overlap)).found).toEqual([at(10), at(20), at(30)]);
    },
  );

  test("are at most the newest 100 with `all`", async () => {
    const { found, recent } = await late("all", 10 * 103, "queue");
    expect(found).toHaveLength(100);
    expect([found[0], found.at(-1)]).toEqual([at(40), at(1_030)]);
    expect(recent).not.toContainEqual(expect.objectContaining({ outcome: "missed" }));
  });
});

describe("a schedule that is paused", () => {
  test(
    "does not tick, and does not make up for it when it is resumed",
    inOffice(async ({ create, pass, times, schedules }) => {
      await create({ catchUp: "all" });
      await pass(10);
      const paused = await schedules.pause("s");
      expect(paused).toMatchObject({ status: "paused", pausedAt: expect.stringContaining("T12:10:00.") });
      expect(paused.nextAt).toBeUndefined();
      expect(await schedules.pause("s")).toMatchObject({ pausedAt: paused.pausedAt });
      await pass(25);
      expect(await times()).toEqual([at(10)]);
      expect(await schedules.resume("s")).toMatchObject({ status: "active", nextAt: at(40) });
      expect(await schedules.resume("s")).toMatchObject({ status: "active" });
      await pass(10);
      expect(await times()).toEqual([at(10), at(40)]);
    }),
  );
});

describe("a trigger", () => {
  test(
    "starts a run at once, also of a schedule that is paused, and changes no tick",
    inOffice(async ({ create, pass, schedules, runs, open }) => {
      await create();
      await pass(3);
      const { runId, isSkipped } = await schedules.trigger("s");
      expect(isSkipped).toBe(false);
      await until("it has ended", async () => (await statusOf(runs, runId)) === "completed");
      await schedules.pause("s");
      const again = await schedules.trigger("s");
      expect(again.runId).not.toBe(runId);
      await until("it has ended", async () => (await statusOf(runs, again.runId)) === "completed");
      await schedules.resume("s");
      expect((await schedules.get("s")).recent.map(({ cause, outcome }) => [cause, outcome])).toEqual([
        ["trigger", "started"],
        ["trigger", "started"],
      ]);
      await pass(7);
      expect((await schedules.get("s")).recent[0]).toMatchObject({ cause: "tick", at: at(10) });
      await open().idle();
    }),
  );

  test(
    "with an idempotency key starts one",
    inOffice(async ({ create, schedules, runs }) => {
      await create();
      const [one, two] = [
        await schedules.trigger("s", { idempotencyKey: "k" }),
        await schedules.trigger("s", { idempotencyKey: "k" }),
      ];
      expect(two.runId).toBe(one.runId);
      await until("it has ended", async () => (await statusOf(runs, one.runId)) === "completed");
      expect(await runs.count({ skillId: "job" })).toBe(1);
    }),
  );

  test(
    "is skipped while a run has not ended, unless the policy is another",
    inOffice(async ({ create, schedules, hold, runs }, { clock }) => {
      const held = deferred();
      hold.until = held.promise;
      hold.release = held.resolve;
      await create();
      await create({ id: "q", overlap: "queue" });
      for (const id of ["s", "q"]) {
        const { runId } = await schedules.trigger(id);
        await until("it works", async () => (await schedules.get(id)).running?.runId === runId);
      }
      await clock.advance(1);
      expect((await schedules.trigger("s")).isSkipped).toBe(true);
      const queued = await schedules.trigger("q");
      expect(queued.isSkipped).toBe(false);
      held.resolve();
      await until("it has run", async () => (await runs.count({ skillId: "job", status: "completed" })) === 3);
      expect((await runs.get(queued.runId)).status).toBe("completed");
    }),
  );
});

describe("a backfill", () => {
  test(
    "runs each tick of the past that has had no run, one after another, also before the schedule was created",
    inOffice(async ({ schedules, pass, times, runs, open }, { clock, tenant }) => {
      await pass(60);
      await schedules.create({ id: "s", skill: "job", cron: "*/10 * * * *" });
      await pass(10);
      expect(await times()).toEqual([at(70)]);
      await schedules.backfill("s", { from: new Date(noon + 40 * minute), to: clock.now() });
      await until("it is done", async () => (await runs.count({ skillId: "job", status: "completed" })) === 4);
      expect([...(await times())].sort()).toEqual([at(40), at(50), at(60), at(70)]);
      await drained(open(), tenant);
      expect((await schedules.get("s")).recent.filter(({ cause }) => cause === "backfill")).toHaveLength(4);
      expect(await times()).toHaveLength(4);
    }),
  );

  test(
    "is refused for the future, for no tick and for too many",
    inOffice(async ({ create, schedules }, { clock }) => {
      await create();
      const now = clock.now();
      for (const [range, path] of [
        [{ from: now, to: now + 1 }, "to"],
        [{ from: now - 60_000, to: now }, "from"],
        [{ from: "yesterday" as unknown as Date }, "from"],
      ] as const) {
        expect(await refusalOf(schedules.backfill("s", range))).toMatchObject({ code: "invalid_request", path });
      }
      await schedules.create({ id: "c", skill: "job", cron: "* * * * *" });
      expect(await refusalOf(schedules.backfill("c", { from: now - 1_001 * minute }))).toMatchObject({ path: "from" });
    }),
  );
});

describe("a deleted schedule", () => {
  test(
    "ticks no more, and its runs stay",
    inOffice(async ({ create, pass, schedules, times, runs }) => {
      await create();
      await pass(10);
      await schedules.delete("s");
      expect(await refusalOf(schedules.get("s"))).toMatchObject({ code: "not_found", missing: "run" });
      await pass(10);
      expect(await times()).toEqual([at(10)]);
      expect(await refusalOf(create())).toMatchObject({ code: "conflict" });
      await runs.delete(`s@${at(10)}`);
    }),
  );

  test(
    "leaves a run that it has started, which ends and can be deleted",
    inOffice(async ({ create, schedules, hold, runs, open }, stage) => {
      const { tenant, clock } = stage;
      const held = deferred();
      hold.until = held.promise;
      hold.release = held.resolve;
      await create();
      await clock.advance(10 * minute);
      const work = drained(open({ leaseMs: 60 * minute }), tenant);
      await untilReleased(stage, 20);
      await schedules.delete("s");
      held.resolve();
      await work;
      expect((await runs.get(`s@${at(10)}`)).status).toBe("completed");
      await runs.delete(`s@${at(10)}`);
    }),
  );
});

describe("schedules", () => {
  test(
    "are listed newest first, in pages, without other runs",
    inOffice(async ({ create, schedules, runs }, { clock }) => {
      for (const id of ["a", "b", "c"]) {
        await create({ id });
        await clock.advance(1);
      }
      await runs.start({ skillId: "job" });
      const first = await schedules.list({ limit: 2 });
      expect(first.items.map(({ scheduleId }) => scheduleId)).toEqual(["c", "b"]);
      const { next: after } = first;
      const rest = await schedules.list(after === undefined ? {} : { after });
      expect(rest.items.map(({ scheduleId }) => scheduleId)).toEqual(["a"]);
      expect(rest.next).toBeUndefined();
    }),
  );

  test(
    "are created once for an idempotency key, and refused under the name of what is wrong",
    inOffice(async ({ create, schedules, runs, job }, { runtime, tenant }) => {
      const one = await create({ id: undefined as never, idempotencyKey: "k" });
      const two = await create({ id: undefined as never, idempotencyKey: "k" });
      expect(one.scheduleId).toMatch(/^run_[0-9a-f]{24}$/);
      expect(two.scheduleId).toBe(one.scheduleId);
      const refused = async (options: object) => refusalOf(create({ id: "x", ...options }));
      for (const [options, path] of [
        [{ cron: "* * * * *" }, "cron"],
        [{ every: undefined }, "cron"],
        [{ every: undefined, cron: "daily" }, "cron"],
        [{ every: undefined, cron: "0 0 30 2 *" }, "cron"],
        [{ every: undefined, cron: "* * * * *", timeZone: "Here" }, "timeZone"],
        [{ every: 999 }, "every"],
        [{ every: "soon" }, "every"],
        [{ overlap: "allow" }, "overlap"],
        [{ catchUp: "some" }, "catchUp"],
        [{ skill: 7 }, "skill"],
        [{ id: "x".repeat(151) }, "id"],
        [{ id: "ä" }, "run_id"],
      ] as const) {
        expect(await refused(options), JSON.stringify(options)).toMatchObject({ code: "invalid_request", path });
      }
      expect(
        await refusalOf(schedulesOf(runtime({ skills: [job] }).for(tenant)).create({ skill: job, every: 1_000 })),
      ).toMatchObject({
        code: "not_found",
        missing: "skill",
      });
      await runs.start({ skillId: "job", runId: "other" });
      expect(await refusalOf(schedules.get("other"))).toMatchObject({ code: "not_found" });
      expect(await refusalOf(schedules.pause("other"))).toMatchObject({ code: "not_found" });
    }),
  );

  test(
    "note a tick for which no run could be started, and go on",
    inOffice(async ({ create, pass, schedules, runs, times }, { errors }) => {
      await create();
      await runs.start({ skillId: "job", runId: `s@${at(10)}` });
      await pass(20);
      expect((await schedules.get("s")).recent).toMatchObject([
        { at: at(20), outcome: "started" },
        { at: at(10), outcome: "failed", message: expect.stringContaining("taken") },
      ]);
      expect(await times()).toEqual([at(20)]);
      expect(errors).toEqual([]);
    }),
  );
});

/** A handle on which nothing works any more from one commit on: before that commit, or after it. */
function dying(store: Store, at: number, isAfter: boolean): { readonly store: Store; readonly count: () => number } {
  let commits = 0;
  let isDead = false;
  const dead = () => Promise.reject(new DurableError("store_failed", "the process is dead"));
  const wrapped = new Proxy(store, {
    get(target, name: keyof Store) {
      const value = target[name];
      if (name === "close") return () => Promise.resolve();
      return (...args: never[]) => {
        if (isDead) return dead();
        if (name === "commit" && commits++ === at) {
          isDead = true;
          if (!isAfter) return dead();
          return (value as (...given: never[]) => Promise<unknown>).apply(target, args).then(dead);
        }
        return (value as (...given: never[]) => unknown).apply(target, args);
      };
    },
  });
  return { store: wrapped, count: () => commits };
}

describe("an executor that dies at any commit of a tick", () => {
  const overlaps = ["skip", "queue", "cancel"] as const;
  test.each(overlaps)("loses no tick and starts none twice (%s)", async (overlap) => {
    let commits = 0;
    for (let n = Number.POSITIVE_INFINITY; n !== commits; n = n < commits ? n + 1 : 0) {
      for (const isAfter of [false, true]) {
        await inOffice(async ({ create, times, open, runs, job, schedules }, { clock, tenant, store }) => {
          await create({ overlap });
          await clock.advance(10 * minute);
          const { store: mortal, count } = dying(store, n, isAfter);
          const victim = createRuntime({
            ...{ store: mortal, clock, leaseMs, serves: false, onError: () => undefined },
            skills: [job, scheduling],
          });
          await drained(victim, tenant).catch(() => undefined);
          await victim.stop();
          if (n === Number.POSITIVE_INFINITY) commits = count();
          const heir = open();
          for (let rounds = 0; rounds < 4; rounds++) {
            await clock.advance(leaseMs);
            await drained(heir, tenant);
          }
          const place = `${overlap}, ${isAfter ? "after" : "before"} commit ${n}`;
          expect(await times(), place).toEqual([at(10)]);
          expect((await runs.get(`s@${at(10)}`)).status, place).toBe("completed");
          await clock.advance(20 * minute - (clock.now() - noon));
          await drained(heir, tenant);
          expect(await times(), place).toEqual([at(10), at(20)]);
          expect(
            (await schedules.get("s")).recent.map(({ outcome }) => outcome),
            place,
          ).toEqual(["started", "started"]);
        })();
      }
    }
    expect(commits).toBeGreaterThan(6);
  });
});
