import type { CheckpointId, RunId } from "../ids.ts";
import type { Checkpoint } from "../record/checkpoint.ts";
import type { RunEvent } from "../record/event.ts";
import type { Precondition } from "../record/precondition.ts";
import type { Run, RunStatus } from "../record/run.ts";
import type { InputsOf, Skill } from "../skills/skill.ts";
import type { CheckpointPage, CheckpointQuery, HistoryEntry, HistoryQuery } from "./checkpoints.ts";
import type { CancelOptions, DecisionRequest, NewSignal, Resumption } from "./continuation.ts";
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
 * both.
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
  /**
   * Creates a pending run that executes nothing until it is resumed. Its skill need not be registered where the call is
   * made. It has the arguments of {@link RunsApi.start}.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   * import { letter } from "./skills.ts";
   *
   * const { run } = await runs.create(letter, { to: "Alice" });
   * await runs.resume(run.runId);
   * ```
   */
  create<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  create(request: NewRun): Promise<Started>;
  /**
   * Creates a run and begins to execute it, with `startAt` or `delay` once it is time. Resolves once the start is committed. With the skill itself, the types of
   * the inputs are checked; with its id, as a service receives it, they are not known.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   * import { letter } from "./skills.ts";
   *
   * const { run } = await runs.start(letter, { to: "Alice" }, { idempotencyKey: "letter 7" });
   * console.log(run.runId, run.status);
   * await runs.start({ skillId: "letter", inputs: { to: "Alice" } });
   * ```
   *
   * @throws `not_found` if the skill is not registered; `invalid_request` that names the place, such as `inputs.to`;
   * `idempotency_conflict`; `quota_exceeded`.
   */
  start<Inputs>(skill: Skill<Inputs>, ...rest: StartArguments<Inputs>): Promise<Started>;
  start(request: NewRun): Promise<Started>;
  /**
   * A run with its result.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { status, result, error } = await runs.get("letter-7");
   * console.log(status, result ?? error?.message);
   * ```
   */
  get(runId: string): Promise<CurrentRun>;
  /**
   * A page of runs by birth. A result too large for its row is `null` here; `get` reads it. A run that cannot be read
   * does not affect the others: it is listed with the data that is known.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * for (let after: string | undefined; ; ) {
   *   const { items, next } = await runs.list({ status: "failed", ...(after !== undefined && { after }) });
   *   for (const { runId, error } of items) console.log(runId, error?.message);
   *   if (next === undefined) break;
   *   after = next;
   * }
   * ```
   */
  list(query?: ListQuery): Promise<Page<CurrentRun>>;
  /**
   * The number of runs under the filter, without deleted ones.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * console.log(await runs.count({ skillId: "letter", status: "failed" }));
   * ```
   */
  count(filter?: RunFilter): Promise<number>;
  /**
   * Cancels a run that has not ended. Its steps are aborted, and nothing of the run is executed any more. With
   * `rollback: true`, a run of a skill that uses `rollbacks` first undoes the steps that have begun: it is returned as it
   * goes on, and `settled` awaits its end. Its skill must be registered where the call is made.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * // Only if the run is still as it was read.
   * const { revision } = await runs.get("letter-7");
   * await runs.cancel("letter-7", { expectedRevision: revision });
   * ```
   */
  cancel(runId: string, options?: CancelOptions): Promise<CurrentRun>;
  /**
   * Continues the same run from a checkpoint, or from its head.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { items } = await runs.listCheckpoints("letter-7");
   * const first = items[0]?.checkpointId;
   * if (first !== undefined) await runs.resume("letter-7", { checkpointId: first });
   * ```
   */
  resume(runId: string, options?: Resumption): Promise<ResumeOutcome>;
  /**
   * Creates a new run that executes from a checkpoint of this one.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { run, sourceRunId } = await runs.replay("letter-7", { newRunId: "letter-7-again" });
   * console.log(`${run.runId} is a replay of ${sourceRunId}`);
   * ```
   */
  replay(runId: string, descent?: Descent): Promise<DescentOutcome>;
  /**
   * Creates a new pending run whose head is a checkpoint of this one, unchanged or edited.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { run } = await runs.fork("letter-7", { edit: { inputs: { to: "Bob" } } });
   * await runs.resume(run.runId);
   * ```
   */
  fork(runId: string, descent?: ForkDescent): Promise<DescentOutcome>;
  /**
   * Opens the gate at which the run waits, and resumes it.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * await runs.approve("letter-7", { approver: "carol", notes: "the amount is right", stepId: "send" });
   * ```
   */
  approve(runId: string, decision?: DecisionRequest): Promise<ResumeOutcome>;
  /**
   * Denies the gate at which the run waits; the run is canceled.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * await runs.deny("letter-7", { approver: "carol", notes: "this customer has left" });
   * ```
   */
  deny(runId: string, decision?: DecisionRequest): Promise<ChangedRun>;
  /**
   * Sends the run a message. It is kept until a step consumes it, and consumed once.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * await runs.signal("order-7", { name: "paid", payload: { amount: 12 }, idempotencyKey: "payment 31" });
   * ```
   */
  signal(runId: string, signal: NewSignal): Promise<ChangedRun>;
  /**
   * Deletes a run for good; its id stays taken. Its descendants are not affected.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { revision } = await runs.get("letter-7");
   * await runs.delete("letter-7", { expectedRevision: revision });
   * ```
   */
  delete(runId: string, options?: Precondition): Promise<void>;
  /**
   * A checkpoint with its state, its values fresh at every call.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { head } = await runs.listCheckpoints("letter-7");
   * if (head !== undefined) {
   *   const { state } = await runs.loadCheckpoint("letter-7", head);
   *   console.log(state.vars);
   * }
   * ```
   */
  loadCheckpoint(runId: string, checkpointId: string): Promise<Checkpoint>;
  /**
   * The checkpoints of the run in the order in which they were written, all or a page, and the head's id.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { items, total } = await runs.listCheckpoints("letter-7", { limit: 100 });
   * console.log(`${items.length} of ${total}`, items.map(({ stepId }) => stepId));
   * ```
   */
  listCheckpoints(runId: string, query?: CheckpointQuery): Promise<CheckpointPage>;
  /**
   * What happened to the run, in order, commit by commit: all of it, or a page.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { items } = await runs.history("letter-7", { limit: 100 });
   * for (const { revision, events } of items) console.log(revision, events.map(({ eventType }) => eventType));
   * ```
   */
  history(runId: string, query?: HistoryQuery): Promise<Page<HistoryEntry, number>>;
  /**
   * The run's events, in order: all of them, or a page.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { items } = await runs.events("letter-7", { limit: 100 });
   * console.log(items.map(({ eventType }) => eventType));
   * ```
   */
  events(runId: string, query?: EventQuery): Promise<Page<RunEvent>>;
  /**
   * The run's events as they happen, each once and in order, until the run has ended. Returns the status with which it
   * ended, or nothing if the watch ended before: by its signal, or because the platform soon allows no more queries.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * for await (const { occurredAt, eventType } of runs.watch("letter-7", { signal: AbortSignal.timeout(60_000) })) {
   *   console.log(occurredAt, eventType);
   * }
   * ```
   */
  watch(runId: string, options?: WatchOptions): AsyncGenerator<RunEvent, RunStatus | undefined, undefined>;
  /**
   * Every skill that is registered.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * for (const { skillId, versions } of await runs.skills()) console.log(skillId, versions);
   * ```
   */
  skills(): Promise<readonly ListedSkill[]>;
  /**
   * The result of the run, once it is completed, wherever it is executed. With the skill, it has the type of the
   * skill's result.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   * import { letter } from "./skills.ts";
   *
   * const { run } = await runs.start(letter, { to: "Alice" });
   * const { accepted } = await runs.result(letter, run.runId);
   * console.log(accepted);
   * ```
   *
   * @throws `run_failed` if the run failed, with the run's error as its message, and its code and step in `details`;
   * `run_canceled`; what {@link RunsApi.settled} throws; `invalid_request` if the run is of another skill.
   */
  result<Result>(skill: Skill<never, Result>, runId: string, options?: WaitOptions): Promise<Returned<Result>>;
  result(runId: string, options?: WaitOptions): Promise<unknown>;
  /**
   * The run once it is completed, failed or canceled, wherever it is executed. {@link RunsApi.result} throws for a run
   * that did not complete.
   *
   * @example
   * ```ts
   * import { runs } from "./runs.ts";
   *
   * const { status, error } = await runs.settled("letter-7", { signal: AbortSignal.timeout(60_000) });
   * console.log(status, error?.message);
   * ```
   *
   * @throws the signal's reason as soon as it aborts, whatever the run does then; `not_found`; `invalid_request` for `pollMs`.
   */
  settled(runId: string, options?: WaitOptions): Promise<CurrentRun>;
}
