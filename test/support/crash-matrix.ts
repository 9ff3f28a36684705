import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Medium, StoreHarness } from "../../src/conformance/index.ts";
import { createRuntime, type Run, type Runs, type Store } from "../../src/index.ts";
import {
  countingStore,
  crashingStore,
  failingStore,
  lostAnswerStore,
  type StoreCall,
} from "../../src/testing/index.ts";
import {
  afterCommit,
  type Faulty,
  type Frozen,
  faultless,
  freezingAt,
  leaseMs,
  Process,
  struck,
} from "./crash-process.ts";
import { crashSkillIds, effects } from "./crash-skills.ts";
import { World } from "./crash-world.ts";

const noon = Date.UTC(2026, 2, 26, 12);
const runId = "run";
const moments = ["before", "after"] as const;
type Moment = (typeof moments)[number];
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
  readonly commits: number;
}

/** One run on a medium that others use too, and whatever happens to it. */
class Point {
  readonly world = new World();
  readonly runs: Runs;
  private readonly medium: Medium;
  private readonly tenant: string;
  private readonly handles: Store[] = [];

  /** `witness` is a handle on the medium that no fault befalls. */
  constructor(medium: Medium, witness: Store, tenant: string) {
    this.medium = medium;
    this.tenant = tenant;
    this.runs = createRuntime({ store: witness, executes: false }).for(tenant);
  }

  async boot(now: number, fault: Fault): Promise<Process> {
    const store = await this.medium.open();
    this.handles.push(store);
    return new Process({ store, tenant: this.tenant, now, world: this.world, fault });
  }

  async close(): Promise<void> {
    await Promise.all(this.handles.map((handle) => handle.close()));
  }
}

/** The moments at which something happens to each commit. */
type Moments = readonly (readonly [name: string, at: (commit: number) => Moment])[];
const both: Moments = moments.map((moment) => [moment, () => moment]);
const either: Moments = [["before or after", (commit) => (commit % 2 === 0 ? "before" : "after")]];

interface Extent {
  /** How many runs are under way at a time. */
  readonly lanes: number;
  /** False for a medium that takes its time: there the rarer disturbances come at one of two moments only. */
  readonly isThorough: boolean;
}

/**
 * The crash matrix: a run of either form of skill, disturbed at every one of its commits, ends as the undisturbed one
 * does, and did to the world outside what that did.
 */
export function testCrashes(name: string, harness: StoreHarness, { lanes, isThorough }: Extent): void {
  describe(`crashes on ${name}`, { timeout: 300_000 }, () => {
    const rarely = isThorough ? both : either;
    let medium: Medium;
    let witness: Store;
    let points = 0;
    const undisturbed = new Map<string, Promise<Undisturbed>>();

    beforeAll(async () => {
      medium = await harness.fresh();
      witness = await medium.open();
    });

    afterAll(async () => {
      await witness.close();
      await medium.remove?.();
      console.log(`crash matrix: ${points} points on ${name}`);
    });

    function reference(skillId: string): Promise<Undisturbed> {
      const known = undisturbed.get(skillId) ?? runUndisturbed(new Point(medium, witness, `${skillId}-good`), skillId);
      undisturbed.set(skillId, known);
      return known;
    }

    /** Disturbs a run at each commit of the undisturbed one, and holds what became of it against that. */
    async function disturb(
      skillId: string,
      kind: string,
      act: (point: Point, commit: number) => Promise<Run>,
      normal = (outcome: Outcome) => outcome,
    ): Promise<void> {
      const { outcome, commits } = await reference(skillId);
      const numbers = Array.from({ length: commits }, (_, index) => index + 1);
      await inLanes(lanes, numbers, async (commit) => {
        const point = new Point(medium, witness, `${skillId}-${kind}-${commit}`.replaceAll(" ", "-"));
        try {
          const run = await act(point, commit);
          expect(normal(await outcomeOf(point, run))).toEqual(normal(outcome));
          expectOnceEach(point.world);
        } catch (cause) {
          throw new Error(`${kind} commit ${commit} of ${commits}: ${(cause as Error).message}`, { cause });
        }
        await point.close();
        points += 1;
      });
    }

    describe.each(crashSkillIds)("of a %s skill", (skillId) => {
      test("none: it does all that it should", async () => {
        const { outcome, commits } = await reference(skillId);
        expect(commits).toBeGreaterThan(15);
        expect(outcome).toMatchObject({ status: "completed", ...expected[skillId] });
      });

      test.each(both)("the process dies %s a commit, and another goes on", (name, at) =>
        disturb(skillId, `a crash ${name}`, async (point, commit) => {
          const now = await die(point, skillId, noon, commit, at(commit));
          return recover(point, skillId, now);
        }),
      );

      test.each(rarely)("the process dies %s a commit, and the next one at its first", (name, at) =>
        disturb(skillId, `two crashes ${name}`, async (point, commit) => {
          const now = await die(point, skillId, noon, commit, at(commit));
          return recover(point, skillId, await die(point, skillId, now, 1, at(commit)));
        }),
      );

      test("the answer of a commit is lost, and the process goes on", () =>
        disturb(skillId, "a lost answer of", async (point, commit) => {
          const loss = onceAt(commit);
          const process = await point.boot(noon, (store) => faultless(lostAnswerStore(store, loss.strikes)));
          return driveCleanly(process, skillId, loss);
        }));

      if (isThorough) {
        test("a commit fails, and the process goes on", () =>
          disturb(skillId, "a failure of", async (point, commit) => {
            const failure = onceAt(commit);
            const process = await point.boot(noon, (store) => faultless(failingStore(store, failure.strikes)));
            return driveCleanly(process, skillId, failure);
          }));
      }

      test.each(rarely)("the process freezes %s a commit, and wakes while another goes on", (name, at) => {
        const act = async (point: Point, commit: number) => {
          const { sleeper, slept, thaw } = await freeze(point, skillId, commit, at(commit));
          sleeper.retire();
          const other = await point.boot(sleeper.clock.now(), afterCommit(3, thaw));
          const run = await driveCleanly(other, skillId);
          thaw();
          await slept;
          expect(sleeper.errors).toEqual([]);
          return run;
        };
        return disturb(skillId, `a freeze ${name}`, act, withoutSignals);
      });

      if (isThorough) {
        test.each(both)("the process freezes %s a commit, and wakes when another has ended the run", (name, at) =>
          disturb(skillId, `a long freeze ${name}`, async (point, commit) => {
            const { sleeper, slept, thaw } = await freeze(point, skillId, commit, at(commit));
            const run = await recover(point, skillId, sleeper.clock.now());
            const history = await point.runs.history(runId);
            thaw();
            await slept;
            expect(await point.runs.history(runId)).toEqual(history);
            expect(sleeper.errors).toEqual([]);
            return run;
          }),
        );
      }
    });
  });
}

/** A process that drives the run until it dies at that commit of its own. The time at which another may go on. */
async function die(point: Point, skillId: string, now: number, atCommit: number, moment: Moment): Promise<number> {
  let isDead = () => false;
  const doomed = await point.boot(now, (store) => {
    const crashing = crashingStore(store, { atCommit, moment, calls: "hang" });
    isDead = () => crashing.crashed;
    return { store: crashing, isDead };
  });
  const ended = await Promise.race([doomed.drive(skillId, runId), until(isDead)]);
  // Only after the last commit of all is there nothing left at which to die.
  if (ended !== undefined) expect([ended.status, atCommit]).toEqual(["completed", 1]);
  return doomed.clock.now() + leaseMs;
}

/** Where two processes drive a run, both may send the signal for which it waits. */
function withoutSignals(outcome: Outcome): Outcome {
  return { ...outcome, events: outcome.events.filter((event) => event !== "signal.received ") };
}

/** A process that is frozen at that commit of its own, for longer than its lease lasts. */
async function freeze(point: Point, skillId: string, atCommit: number, moment: Moment) {
  const freezing = freezingAt(atCommit, moment);
  let frozen: Frozen | undefined;
  const sleeper = await point.boot(noon, (store) => {
    frozen = freezing(store);
    return frozen;
  });
  const slept = sleeper.drive(skillId, runId);
  expect(await Promise.race([frozen?.frozen, slept])).toBe(struck);
  await sleeper.clock.advance(leaseMs);
  return { sleeper, slept, thaw: () => frozen?.thaw() };
}

/** Strikes one commit. */
function onceAt(commit: number) {
  let hasStruck = false;
  return {
    hasStruck: () => hasStruck,
    strikes({ method, nth }: StoreCall): boolean {
      const isIt = method === "commit" && nth === commit;
      hasStruck ||= isIt;
      return isIt;
    },
  };
}

async function recover(point: Point, skillId: string, now: number): Promise<Run> {
  return driveCleanly(await point.boot(now, faultless), skillId);
}

async function driveCleanly(process: Process, skillId: string, fault?: { hasStruck(): boolean }): Promise<Run> {
  const run = await process.drive(skillId, runId);
  expect(process.errors).toEqual([]);
  if (fault !== undefined) expect(fault.hasStruck()).toBe(true);
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
  expectOnceEach(point.world);
  await point.close();
  return { outcome, commits: commits() };
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
  const events = (await runs.events(runId))
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

async function inLanes<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items[Symbol.iterator]();
  const lane = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
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
      approver: "somebody",
      parts: ["1: go on", "2: ink"],
      receipt: "receipt for a mail about ink",
    },
  },
};
