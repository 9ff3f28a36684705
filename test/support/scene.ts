import type { StoreHarness } from "../../src/conformance/index.ts";
import {
  type AnyCapability,
  createRuntime,
  defineSkill,
  type Runs,
  type Runtime,
  type RuntimeOptions,
  type Skill,
  type WorkflowBody,
} from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import type { Clock, Run } from "../../src/types.ts";
import { onFreshMedium } from "./fresh-medium.ts";

/** Time that stands still until a test moves it. Pauses of half a second and less pass at once, and move nothing. */
export interface StillClock extends Clock {
  /** Moves on, and wakes who sleeps no longer than that. */
  advance(ms: number): void;
}

const someNoon = Date.UTC(2026, 2, 26, 12);
const longestPauseMs = 500;

export function stillClock(startsAt = someNoon): StillClock {
  let now = startsAt;
  const sleepers = new Set<{ readonly until: number; readonly wake: () => void }>();
  return {
    now: () => now,
    sleep(ms, signal) {
      if (signal?.aborted) return Promise.resolve();
      if (ms <= longestPauseMs) return turn();
      return new Promise((resolve) => {
        const sleeper = { until: now + ms, wake };
        function wake(): void {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        }
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake);
      });
    },
    advance(ms) {
      now += ms;
      for (const { until, wake } of [...sleepers]) if (until <= now) wake();
    },
  };
}

/** Lets everything go on that waits for no time and no medium. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

/** Waits, in real time, until that holds. However slow the machine is, a test that passes never comes to its patience. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const patience = Date.now() + 100_000;
  while (!(await holds())) {
    if (Date.now() > patience) throw new Error(`it never came about: ${holds}`);
    await turn();
  }
}

export const tenant = "troupe";
export const leaseMs = 30_000;

/** One medium, one clock, and any number of executors on them. */
export interface Scene {
  readonly clock: StillClock;
  /** The first handle on the medium. */
  readonly store: Store;
  /** One more handle. */
  open(): Promise<Store>;
  /** One more executor. By default it waits nothing out with the lease held: what waits ends its pass. */
  actor(options?: ActorOptions): Actor;
}

export interface ActorOptions extends Partial<RuntimeOptions> {
  readonly skills?: readonly Skill[];
  readonly capabilities?: readonly AnyCapability[];
  /** The body of the skill `body`. */
  readonly body?: WorkflowBody;
}

export interface Actor {
  readonly runtime: Runtime;
  readonly runs: Runs;
  /** Failures of background work. */
  readonly errors: unknown[];
  /** Starts a run, of the skill `body` where no other is named, and waits until its pass is over. */
  start(inputs?: Readonly<Record<string, unknown>>, skillId?: string): Promise<Run>;
  /** Starts a run, and does not wait for its pass. */
  begin(inputs?: Readonly<Record<string, unknown>>, skillId?: string): Promise<string>;
  /** Moves the time on, drains, and gives the run as it is then. */
  later(ms: number, runId: string): Promise<Run>;
  /** The run once its pass is over. */
  settled(runId: string): Promise<Run>;
  /** Dies: whatever was under way stays as it was stored, and its lease lapses. */
  die(): Promise<void>;
}

/** Sets the scene, plays, and clears up, also where the play fails. */
export function scene(harness: StoreHarness, play: (scene: Scene) => Promise<void>): Promise<void> {
  return onFreshMedium(harness, async (open) => {
    const actors: Actor[] = [];
    const store = await open();
    const clock = stillClock();
    try {
      await play({
        clock,
        store,
        open,
        actor(options = {}) {
          const actor = newActor(store, clock, options);
          actors.push(actor);
          return actor;
        },
      });
    } finally {
      for (const actor of actors) await actor.die();
    }
  });
}

function newActor(store: Store, clock: StillClock, { body, skills = [], ...options }: ActorOptions): Actor {
  const errors: unknown[] = [];
  const runtime = createRuntime({
    serves: false,
    store,
    clock,
    leaseMs,
    holdMs: 0,
    onError: (error) => errors.push(error),
    ...options,
    skills: body === undefined ? skills : [...skills, defineSkill({ id: "body", version: "1", run: body })],
  });
  const runs = runtime.for(tenant);
  const begin = async (inputs: Readonly<Record<string, unknown>> = {}, skillId = "body") => {
    const { run } = await runs.start({ skillId, inputs });
    return run.runId;
  };
  const settled = async (runId: string) => {
    await runtime.idle();
    return runs.get(runId);
  };
  return {
    runtime,
    runs,
    errors,
    begin,
    start: async (inputs, skillId) => settled(await begin(inputs, skillId)),
    async later(ms, runId) {
      clock.advance(ms);
      await runtime.drain();
      return settled(runId);
    },
    settled,
    die: () => runtime.stop(),
  };
}
