import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { harness, isThorough, lanes, medium } from "#medium";
import type { Medium } from "../../src/conformance/index.ts";
import { createRuntime, type Runs } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { countingStore, failingStore, lostAnswerStore, type StrikesWhen } from "../../src/testing/index.ts";
import type { Run } from "../../src/types.ts";
import {
  afterCommit,
  type Faulty,
  faultless,
  leaseMs,
  Process,
  type Stopping,
  stoppingAt,
} from "../support/crash-process.ts";
import { crashSkillIds, effects } from "../support/crash-skills.ts";
import { World } from "../support/crash-world.ts";

const noon = Date.UTC(2026, 2, 26, 12);
const runId = "run";
type Moment = "before" | "after";
type Fault = (store: Store) => Faulty;

/** What a run has come to, without the times at which it did. */
interface Outcome {
  readonly status: string;
  readonly result: unknown;
  readonly outputs: unknown;
  readonly vars: unknown;
  readonly steps: unknown;
  /** Everything that happened, in no order, and each as often as it did. */
  readonly events: readonly string[];
}

/** What depends on who executes a run, and when. */
const ofExecutors = /^(run\.recovered|run\.handed_over|run\.resumed|checkpoint\.saved) /;

interface Undisturbed {
  readonly outcome: Outcome;
  /** How many it took. The next run may take another number: there are more heartbeats where the machine is busier. */
  readonly commits: number;
  /** The number of commits for what happened, in every executor and at any time; no run takes fewer. */
  readonly leastCommits: number;
}

/** One run on a medium that others use too, and whatever happens to it. */
class Point {
  readonly world = new World();
  readonly runs: Runs;
  private readonly medium: Medium;
  private readonly tenant: string;
  private readonly handles: Store[] = [];
  private isStruck = false;

  /** `witness` is a handle on the medium that no fault befalls. */
  constructor(medium: Medium, witness: Store, tenant: string) {
    this.medium = medium;
    this.tenant = tenant;
    this.runs = createRuntime({ serves: false, store: witness, executes: false }).for(tenant);
  }

  async boot(now: number, fault: Fault): Promise<Process> {
    const store = await this.medium.open();
    this.handles.push(store);
    return new Process({ store, tenant: this.tenant, now, world: this.world, fault });
  }

  /** True once the run was disturbed. */
  get wasStruck(): boolean {
    return this.isStruck;
  }

  strike(): void {
    this.isStruck = true;
  }

  /** For a fault that strikes one commit. */
  strikesAt(commit: number): StrikesWhen {
    return ({ method, nth }) => {
      const strikes = method === "commit" && nth === commit;
      if (strikes) this.strike();
      return strikes;
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.handles.map((handle) => handle.close()));
  }
}

/** Where a run is disturbed. */
interface Place {
  readonly commit: number;
  readonly moment: Moment;
}

/** Places without an end; a run has as many commits as it has. */
type Places = () => Generator<Place, never>;

const each = (...moments: readonly [Moment, ...Moment[]]): Places =>
  function* () {
    for (let commit = 1; ; commit++) for (const moment of moments) yield { commit, moment };
  };
const both = each("before", "after");
const stride = 5;
const sparse: Places = function* () {
  for (let commit = 3; ; commit += stride) yield { commit, moment: commit % 2 === 0 ? "before" : "after" };
};

// The crash matrix: a run of either form of skill, disturbed at every one of its commits, ends as the undisturbed one
// does, and did to the world outside what that did.

describe("the crash matrix", { timeout: 300_000 }, () => {
  let stores: Medium;
  let witness: Store;
  let tenants = 0;
  let points = 0;
  const undisturbed = new Map<string, Promise<Undisturbed>>();

  beforeAll(async () => {
    stores = await harness.fresh();
    witness = await stores.open();
  });

  afterAll(async () => {
    await witness.close();
    await stores.remove?.();
    console.log(`crash matrix: ${points} points on ${medium}`);
  });

  function newPoint(): Point {
    tenants += 1;
    return new Point(stores, witness, `tenant-${tenants}`);
  }

  function reference(skillId: string): Promise<Undisturbed> {
    const known = undisturbed.get(skillId) ?? runUndisturbed(newPoint(), skillId);
    undisturbed.set(skillId, known);
    return known;
  }

  /**
   * Disturbs one run after the other, until one has ended before its place came, and holds what became of each against
   * the undisturbed one.
   */
  async function disturb(
    skillId: string,
    places: Places,
    act: (point: Point, place: Place) => Promise<Run>,
    normal = (outcome: Outcome) => outcome,
  ): Promise<void> {
    const { outcome, commits, leastCommits } = await reference(skillId);
    let furthest = 0;
    await inLanes(lanes, places(), commits, async (place) => {
      const point = newPoint();
      try {
        const run = await act(point, place);
        expect(normal(await outcomeOf(point, run))).toEqual(normal(outcome));
        expectOnceEach(point.world);
      } catch (cause) {
        throw new Error(`${place.moment} commit ${place.commit}: ${(cause as Error).message}`, { cause });
      }
      await point.close();
      if (!point.wasStruck) return false;
      points += 1;
      furthest = Math.max(furthest, place.commit);
      return true;
    });
    expect(furthest).toBeGreaterThan(leastCommits - stride);
  }

  describe.each(crashSkillIds)("of a %s skill", (skillId) => {
    test("undisturbed it does all that it should", async () => {
      const { outcome, leastCommits } = await reference(skillId);
      expect(leastCommits).toBeGreaterThan(10);
      expect(outcome).toMatchObject({ status: "completed", ...expected[skillId] });
    });

    test.each(["before", "after"] as const)("the process dies %s a commit, and another goes on", (moment) =>
      disturb(skillId, each(moment), async (point, place) =>
        recover(point, skillId, await die(point, skillId, noon, place)),
      ),
    );

    test("the process dies at a commit, and the next one at its first", () =>
      disturb(skillId, isThorough ? both : sparse, async (point, { commit, moment }) => {
        const now = await die(point, skillId, noon, { commit, moment });
        return recover(point, skillId, await die(point, skillId, now, { commit: 1, moment }));
      }));

    test("the answer of a commit is lost, and the process goes on", () =>
      disturb(skillId, each("after"), async (point, { commit }) => {
        const fault: Fault = (store) => faultless(lostAnswerStore(store, point.strikesAt(commit)));
        return driveCleanly(await point.boot(noon, fault), skillId);
      }));

    test("a commit fails, and the process goes on", () =>
      disturb(skillId, isThorough ? each("before") : sparse, async (point, { commit }) => {
        const fault: Fault = (store) => faultless(failingStore(store, point.strikesAt(commit)));
        return driveCleanly(await point.boot(noon, fault), skillId);
      }));

    test("the process freezes at a commit, and wakes while another goes on", () => {
      const act = async (point: Point, place: Place) => {
        const { sleeper, slept, thaw } = await freeze(point, skillId, place);
        sleeper.retire();
        const other = await point.boot(sleeper.clock.now(), afterCommit(3, thaw));
        const run = await driveCleanly(other, skillId);
        thaw();
        await slept;
        expect(sleeper.errors).toEqual([]);
        return run;
      };
      return disturb(skillId, isThorough ? both : sparse, act, withoutSignals);
    });

    test("the process freezes at a commit, and wakes when another has ended the run", () =>
      disturb(skillId, isThorough ? both : sparse, async (point, place) => {
        const { sleeper, slept, thaw } = await freeze(point, skillId, place);
        const run = await recover(point, skillId, sleeper.clock.now());
        const history = (await point.runs.history(runId)).items;
        thaw();
        await slept;
        expect((await point.runs.history(runId)).items).toEqual(history);
        expect(sleeper.errors).toEqual([]);
        return run;
      }));
  });
});

/** A process that drives the run until it dies at that commit of its own. The time at which another may go on. */
async function die(point: Point, skillId: string, now: number, place: Place): Promise<number> {
  const { process, driven, stopping } = await bootToStop(point, skillId, now, place, true);
  await Promise.race([driven, stopping.stopped.then(() => point.strike())]);
  return process.clock.now() + leaseMs;
}

/** A process that drives the run until it stops at that commit of its own, dead or frozen. */
async function bootToStop(point: Point, skillId: string, now: number, { commit, moment }: Place, isDying: boolean) {
  let stopping: Stopping | undefined;
  const process = await point.boot(now, (store) => {
    const made = stoppingAt(store, commit, moment);
    stopping = made;
    return { store: made.store, isDead: () => isDying && made.isStopped() };
  });
  if (stopping === undefined) throw new Error("the process has no store");
  return { process, driven: process.drive(skillId, runId), stopping };
}

/** Where two processes drive a run, both may send the signal for which it waits. */
function withoutSignals(outcome: Outcome): Outcome {
  return { ...outcome, events: outcome.events.filter((event) => event !== "signal.received ") };
}

/** A process that is frozen at that commit of its own, for longer than its lease lasts. */
async function freeze(point: Point, skillId: string, place: Place) {
  const { process, driven, stopping } = await bootToStop(point, skillId, noon, place, false);
  await Promise.race([stopping.stopped.then(() => point.strike()), driven]);
  await process.clock.advance(leaseMs);
  return { sleeper: process, slept: driven, thaw: stopping.thaw };
}

async function recover(point: Point, skillId: string, now: number): Promise<Run> {
  return driveCleanly(await point.boot(now, faultless), skillId);
}

async function driveCleanly(process: Process, skillId: string): Promise<Run> {
  const run = await process.drive(skillId, runId);
  expect(process.errors).toEqual([]);
  if (run === undefined) throw new Error("its driver gave up");
  return run;
}

async function runUndisturbed(point: Point, skillId: string): Promise<Undisturbed> {
  let commits = () => 0;
  const process = await point.boot(noon, (store) => {
    const counting = countingStore(store);
    commits = () => counting.counts.calls.commit;
    return faultless(counting);
  });
  const run = await driveCleanly(process, skillId);
  const outcome = await outcomeOf(point, run);
  const ofSkill = (await point.runs.events(runId)).items.filter(({ eventType }) => !ofExecutors.test(`${eventType} `));
  const leastCommits = new Set(ofSkill.map(({ eventId }) => eventId.split(":").at(-2))).size;
  expectOnceEach(point.world);
  await point.close();
  return { outcome, commits: commits(), leastCommits };
}

/** As the medium has it. */
async function outcomeOf({ runs }: Point, { status, checkpointHead }: Run): Promise<Outcome> {
  const stored = await runs.get(runId);
  expect(stored.status).toBe(status);
  const { state } = await runs.loadCheckpoint(runId, checkpointHead ?? "");
  const steps = Object.values(state.stepResults).map(
    ({ stepId, uses, status, producedOutput }) => [stepId, { uses, status, producedOutput }] as const,
  );
  const { vars, outputs } = state;
  const events = (await runs.events(runId)).items
    .map(({ eventType, payload }) => `${eventType} ${payload.step_id ?? ""}`)
    .filter((event) => !ofExecutors.test(event))
    .sort();
  return withoutTimes({ status, result: stored.result, outputs, vars, steps: new Map(steps), events }) as Outcome;
}

/** The outside saw each effect once, and no handler was called whose result was recorded. */
function expectOnceEach({ late, applied }: World): void {
  const done = [...applied.values()].map(({ stepId, what }) => [stepId, what]);
  expect(done.sort()).toEqual(Object.entries(effects).sort());
  expect(late).toEqual([]);
}

/** What comes from the time at which it happened is not compared. */
function withoutTimes(value: unknown): unknown {
  if (value instanceof Date) return "a time";
  if (typeof value === "string") return value.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, "a time");
  if (Array.isArray(value)) return value.map(withoutTimes);
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, withoutTimes(item)]));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutTimes(item)]));
}

/**
 * Goes through the places in order, until the work on one says that it was the last: some at a time up to a commit, and one
 * by one after that, where the end is near.
 */
async function inLanes(
  lanes: number,
  places: Iterator<Place, never>,
  upTo: number,
  work: (place: Place) => Promise<boolean>,
): Promise<void> {
  let isOver = false;
  let next = places.next().value;
  const lane = async (last: number) => {
    while (!isOver && next.commit <= last) {
      const place = next;
      next = places.next().value;
      if (!(await work(place))) isOver = true;
    }
  };
  await Promise.all(Array.from({ length: lanes }, () => lane(upTo)));
  await lane(Number.POSITIVE_INFINITY);
}

const expected = {
  graph: {
    result: { receipt: "receipt for a mail about ink", last: "last of go on" },
    vars: {
      draft: "draft of ink",
      flaky: "draft of ink",
      charged: "receipt for a charge of 12",
      slow: new Map([["took", 20_000]]),
      heard: "go on",
    },
  },
  code: {
    result: {
      flaky: "ink at last",
      charged: "receipt for a charge of 12",
      slow: true,
      shaky: "never",
      approver: "carol",
      parts: ["1: go on", "2: ink"],
      receipt: "receipt for a mail about ink",
    },
  },
};
