import type { CheckpointId, RunId } from "../ids.ts";
import type { Checkpoint } from "../record/checkpoint.ts";
import type { RunEvent } from "../record/event.ts";
import type { Precondition } from "../record/precondition.ts";
import type { Run, RunStatus } from "../record/run.ts";
import type { InputsOf, Skill } from "../skills/skill.ts";
import type { CheckpointPage, CheckpointQuery, HistoryEntry, HistoryQuery } from "./checkpoints.ts";
import type { DecisionRequest, NewSignal, Resumption } from "./continuation.ts";
import type { Descent, ForkDescent } from "./descent.ts";
import type { EventQuery, WatchOptions } from "./events.ts";
import type { NewRun, StartOptions } from "./new-run.ts";
import type { Page } from "./page.ts";

/** A run as it was last read or written. */
export interface CurrentRun extends Run {
  /**
   * The revision of its last history entry, by which a {@link Precondition} identifies its state. A heartbeat does not
   * change it.
   */
  readonly revision: number;
  /**
   * In lists, true for a run whose row cannot be read, because it is damaged or of a newer version. Only its ids, its
   * status and the time of its birth are known, and `error` describes the fault.
   */
  readonly isDamaged?: true;
}

/** Options of a wait for the end of a run. */
export interface WaitOptions {
  /** Ends the wait, and nothing else. */
  readonly signal?: AbortSignal;
  /**
   * How often a run that is executed elsewhere is read, in milliseconds; default 200. A client follows the run's stream instead,
   * and waits this long before it reconnects.
   */
  readonly pollMs?: number;
}

/** The inputs of a skill, optional if no input is required, and the options of the run. */
export type StartArguments<Inputs> =
  object extends InputsOf<Inputs>
    ? [inputs?: InputsOf<Inputs>, options?: StartOptions]
    : [inputs: InputsOf<Inputs>, options?: StartOptions];

/** What a run stores of its body's return value: `undefined` is stored as `null`. */
export type Returned<Result> = Result extends void ? null : Result;

/** A run that was created, or found again by its idempotency key. */
export interface Started {
  readonly run: CurrentRun;
  readonly isRepeat: boolean;
}

/** A run after a call that may have an idempotency key. */
export interface ChangedRun extends CurrentRun {
  /** Present if an earlier call with the same key has changed the run, and this call changed nothing. */
  readonly isRepeat?: true;
}

/** The run that was resumed, and the checkpoint that it continues from. */
export interface ResumeOutcome {
  readonly run: CurrentRun;
  readonly checkpointId: CheckpointId;
  /** True if an earlier call with the same idempotency key has resumed the run, and this call changed nothing. */
  readonly isRepeat: boolean;
}

/** The run that a replay or fork made. */
export interface DescentOutcome {
  readonly run: CurrentRun;
  readonly checkpointId: CheckpointId;
  readonly sourceRunId: RunId;
  /** True if the run was found by its idempotency key. */
  readonly isRepeat: boolean;
}

/** Conditions that runs must meet. */
export interface RunFilter {
  readonly status?: RunStatus;
  readonly skillId?: string;
  /** Replays and forks of this run. */
  readonly sourceRunId?: string;
}

/** Which runs are on a page, and in which order. */
export interface ListQuery extends RunFilter {
  /** Where the page begins: the `next` of the page before. */
  readonly after?: string;
  readonly offset?: number;
  /** The most runs on the page, 1 to 500; default 100. A page ends earlier if its runs take more than 4 MiB. */
  readonly limit?: number;
  /** `descending` (newest first) by default. */
  readonly order?: "ascending" | "descending";
}

/** A skill as a list of skills shows it. */
export interface ListedSkill {
  readonly skillId: string;
  /** In the order in which they were registered: a run that names no version is of the last. */
  readonly versions: readonly string[];
  readonly description?: string;
  readonly form: "graph" | "code";
  /** Of a graph. */
  readonly steps?: readonly { readonly stepId: string; readonly dependsOn: readonly string[] }[];
}

/**
 * The runs of one tenant, here or elsewhere: `runtime.for(tenant)` has them in this process, `createClient(url)` of
 * `orca-durable/client` over HTTP. Names, values, pages and errors are the same, so a program that takes a `RunsApi` works with
 * both. Each method is described at {@link Runs}.
 *
 * @example
 * ```ts
 * import type { RunsApi } from "orca-durable";
 * import { letter } from "./skills.ts";
 *
 * // Works over `runtime.for(tenant)` and over `createClient(url)`.
 * export async function write(runs: RunsApi, to: string) {
 *   const { run } = await runs.start(letter, { to });
 *   return runs.result(letter, run.runId);
 * }
 * ```
 */
export interface RunsApi {
  create<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  create(request: NewRun): Promise<Started>;
  start<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  start(request: NewRun): Promise<Started>;
  get(runId: string): Promise<CurrentRun>;
  list(query?: ListQuery): Promise<Page<CurrentRun>>;
  count(filter?: RunFilter): Promise<number>;
  cancel(runId: string, options?: Precondition): Promise<CurrentRun>;
  resume(runId: string, options?: Resumption): Promise<ResumeOutcome>;
  replay(runId: string, descent?: Descent): Promise<DescentOutcome>;
  fork(runId: string, descent?: ForkDescent): Promise<DescentOutcome>;
  approve(runId: string, decision?: DecisionRequest): Promise<ResumeOutcome>;
  deny(runId: string, decision?: DecisionRequest): Promise<ChangedRun>;
  signal(runId: string, signal: NewSignal): Promise<ChangedRun>;
  delete(runId: string, options?: Precondition): Promise<void>;
  loadCheckpoint(runId: string, checkpointId: string): Promise<Checkpoint>;
  listCheckpoints(runId: string, query?: CheckpointQuery): Promise<CheckpointPage>;
  history(runId: string, query?: HistoryQuery): Promise<Page<HistoryEntry, number>>;
  events(runId: string, query?: EventQuery): Promise<Page<RunEvent>>;
  watch(runId: string, options?: WatchOptions): AsyncGenerator<RunEvent, RunStatus | undefined, undefined>;
  skills(): Promise<readonly ListedSkill[]>;
  result<Result>(skill: Skill<never, Result>, runId: string, options?: WaitOptions): Promise<Returned<Result>>;
  result(runId: string, options?: WaitOptions): Promise<unknown>;
  settled(runId: string, options?: WaitOptions): Promise<CurrentRun>;
}
