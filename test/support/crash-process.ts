import { intercepted } from "../../src/conformance/faults.ts";
import { createRuntime, isDurableError, isTerminal, type Runs, type Runtime } from "../../src/index.ts";
import type { Store } from "../../src/store.ts";
import { timelessStore, type VirtualClock, virtualClock } from "../../src/testing/index.ts";
import type { Run } from "../../src/types.ts";
import { crashInputs, crashSkills } from "./crash-skills.ts";
import type { World } from "./crash-world.ts";

export const leaseMs = 30_000;
/** A pass that comes after the slow step hands over. */
const passMs = 15_000;
const mostRounds = 100;

export interface Boot {
  /** The process's own handle on the medium. */
  readonly store: Store;
  readonly tenant: string;
  readonly now: number;
  readonly world: World;
  /** What stands between the process and its medium. */
  readonly fault: (store: Store) => Faulty;
}

/** A store behind a fault. */
export interface Faulty {
  readonly store: Store;
  /** True once the process is dead: then its handlers do nothing any more. */
  isDead(): boolean;
}

export const faultless = (store: Store): Faulty => ({ store, isDead: () => false });

/** A process that executes runs: its runtime, its clock and its handle on the medium. */
export class Process {
  readonly clock: VirtualClock;
  readonly errors: unknown[] = [];
  readonly faulty: Faulty;
  private readonly runtime: Runtime;
  private readonly tenant: string;
  private readonly runs: Runs;
  private isRetired = false;

  constructor({ store, tenant, now, world, fault }: Boot) {
    // Its store takes no time, so that little else is under way that it might overlook.
    this.clock = virtualClock({ now, quietTurns: 2 });
    this.tenant = tenant;
    this.faulty = fault(timelessStore(world.witnessed(store), this.clock));
    const alive = async <T>(act: () => T): Promise<T> => {
      if (this.faulty.isDead()) return never();
      const result = act();
      // Time for the process to die between what it does and what it hears of it.
      await turn();
      return this.faulty.isDead() ? never() : result;
    };
    const { skills, capabilities } = crashSkills({
      begin: (stepId) => alive(() => world.begin(stepId)),
      send: (stepId, key, what) => alive(() => world.send({ stepId, key, what })),
      sleep: (ms) => this.clock.sleep(ms),
    });
    this.runtime = createRuntime({
      serves: false,
      store: this.faulty.store,
      clock: this.clock,
      skills,
      capabilities,
      leaseMs,
      passMs,
      onError: (error, context) => {
        if (context?.stepId === undefined) this.errors.push(error);
      },
    });
    this.runs = this.runtime.for(tenant);
  }

  /** Brings the run to its end, as a user would: looks at what it waits for, and supplies it. */
  async drive(skillId: string, runId: string): Promise<Run | undefined> {
    for (let round = 0; round < mostRounds; round++) {
      const run = await this.found(runId);
      if (run !== undefined && isTerminal(run.status)) return run;
      await this.further(run?.status, skillId, runId).catch(whereSomebodyElseWasFirst);
      await this.runtime.idle();
      if (this.isRetired) return undefined;
    }
    throw new Error(`run "${runId}" has not ended after ${mostRounds} rounds`);
  }

  /** Ends the driving after what is under way. */
  retire(): void {
    this.isRetired = true;
  }

  private async found(runId: string): Promise<Run | undefined> {
    try {
      return await this.runs.get(runId);
    } catch (error) {
      if (isDurableError(error, "not_found")) return undefined;
      throw error;
    }
  }

  private async further(status: Run["status"] | undefined, skillId: string, runId: string): Promise<void> {
    switch (status) {
      case undefined:
        await this.runs.start({ skillId, runId, inputs: crashInputs, idempotencyKey: `start ${runId}` });
        return;
      case "waiting_for_human":
        await this.runs.approve(runId, { approver: "carol" });
        return;
      case "waiting_for_signal":
        await this.runs.signal(runId, { name: "go", payload: "go on" });
        return;
      default: {
        const { taken } = await this.runtime.drain({ tenant: this.tenant });
        if (taken === 0) await this.clock.sleep(leaseMs);
      }
    }
  }
}

// A frozen process may find that what it was about to do was done meanwhile.
function whereSomebodyElseWasFirst(error: unknown): void {
  if (!isDurableError(error, "invalid_transition", "conflict")) throw error;
}

/** A store that stops at one commit, as a process does that is killed or frozen there. */
export interface Stopping {
  readonly store: Store;
  readonly isStopped: () => boolean;
  /** Resolves once it has stopped. */
  readonly stopped: Promise<void>;
  /** Lets every call go on that has waited since. */
  thaw(): void;
}

export function stoppingAt(store: Store, atCommit: number, moment: "before" | "after"): Stopping {
  const { promise: thawed, resolve: thaw } = Promise.withResolvers<void>();
  const { promise: stopped, resolve: tell } = Promise.withResolvers<void>();
  let isStopped = false;
  const stop = () => {
    isStopped = true;
    tell();
  };
  const stopping = intercepted(store, async (call, proceed) => {
    const strikes = call.method === "commit" && call.nth === atCommit;
    if (strikes && moment === "before") stop();
    if (isStopped) {
      await thawed;
      return proceed();
    }
    const answer = await proceed();
    if (strikes) stop();
    if (isStopped) await thawed;
    return answer;
  });
  return { store: stopping, isStopped: () => isStopped, stopped, thaw };
}

/** No fault, but something that happens after one commit. */
export function afterCommit(nth: number, happens: () => void): (store: Store) => Faulty {
  return (store) => {
    const watched = intercepted(store, async (call, proceed) => {
      const answer = await proceed();
      if (call.method === "commit" && call.nth === nth) happens();
      return answer;
    });
    return faultless(watched);
  };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}
