import { members } from "../argument.ts";
import type { Clock } from "../clock.ts";
import { modelStore } from "../conformance/model.ts";
import { emptyTables } from "../conformance/tables.ts";
import type { Runs } from "../runs/runs.ts";
import { createRuntime, type Runtime, type RuntimeOptions } from "../runtime.ts";
import type { Store } from "../store.ts";
import { type VirtualClock, virtualClock } from "./virtual-clock.ts";

/** The options of {@link createTestRuntime}: those of `createRuntime`, all of them optional. */
export interface TestRuntimeOptions<C extends Clock = VirtualClock> extends Omit<RuntimeOptions, "store" | "clock"> {
  /** The default is an empty store in memory. */
  readonly store?: Store;
  /** The default is a virtual clock; `systemClock` for real time. */
  readonly clock?: C;
  /** The tenant of `runs`. Default `test`. */
  readonly tenant?: string;
}

/** A runtime with its store and its clock. Made by {@link createTestRuntime}. */
export interface TestRuntime<C extends Clock = VirtualClock> {
  readonly store: Store;
  readonly clock: C;
  readonly runtime: Runtime;
  /** The runs of the one tenant. */
  readonly runs: Runs;
  /**
   * Executes every run that is due, until every run has ended or only waits. Call it after a start, a signal or an
   * approval.
   */
  settle(): Promise<void>;
  /** Moves a virtual clock on by that many milliseconds, and then settles. Only there with a virtual clock. */
  readonly advance: C extends VirtualClock ? (ms: number) => Promise<void> : undefined;
}

/**
 * A runtime for tests: over a store in memory, on a virtual clock, with the runs of one tenant.
 *
 * @throws As `createRuntime` does.
 * @example
 * ```ts
 * import { createTestRuntime } from "orca-durable/testing";
 * import { capabilities, letter } from "./skills.ts";
 *
 * const { runs, settle, advance } = createTestRuntime({ skills: [letter], capabilities });
 * const { run } = await runs.start(letter, { to: "Alice" });
 * await settle();
 * await advance(8 * 24 * 3_600_000);
 * const { status, result } = await runs.get(run.runId);
 * console.log(status, result);
 * ```
 */
export function createTestRuntime(options?: TestRuntimeOptions): TestRuntime;
export function createTestRuntime<C extends Clock>(
  options: TestRuntimeOptions<C> & { readonly clock: C },
): TestRuntime<C>;
export function createTestRuntime(from: TestRuntimeOptions<Clock> = {}): TestRuntime<Clock> | TestRuntime {
  const { store = modelStore(emptyTables()), clock = virtualClock(), tenant = "test", ...options } = members(from);
  const runtime = createRuntime({ serves: false, ...options, store, clock });
  const settle = async () => {
    await runtime.idle();
    // The runs of a drain may make more runs due at once, such as the parent of a run that ended.
    while ((await runtime.drain()).taken > 0) await runtime.idle();
  };
  const shared = { store, runtime, runs: runtime.for(tenant), settle };
  if (!isVirtual(clock)) return { ...shared, clock, advance: undefined };
  const advance = async (ms: number) => {
    await clock.advance(ms);
    await settle();
  };
  return { ...shared, clock, advance };
}

function isVirtual(clock: Clock): clock is VirtualClock {
  return "advance" in clock && "during" in clock;
}
