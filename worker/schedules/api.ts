import type { RunId } from "../../src/ids.ts";
import type { RunError } from "../../src/record/run.ts";
import type { Fields } from "../../src/record/state.ts";
import type { Page } from "../../src/runs/page.ts";
import type { Skill } from "../../src/skills/skill.ts";
import type { CatchUp, Cause, Overlap } from "./plan.ts";
import type { TimetableRequest } from "./request.ts";

/** A new schedule, beside the inputs of its runs. */
export interface NewScheduleOptions<Inputs = never> extends TimetableRequest {
  /**
   * The id of the schedule, which its runs have too: 1 to 150 characters of printable ASCII. It cannot be used again for another one.
   * Default: a random id.
   */
  readonly id?: string;
  /** The skill, or its id. Each tick starts the version that is registered last then. */
  readonly skill: Skill<Inputs> | string;
  /** The version of the skill that each tick starts, instead of the last. */
  readonly skillVersion?: string;
  /** A second call with this key within 24 hours returns the schedule of the first. */
  readonly idempotencyKey?: string;
}

/** A new schedule. The inputs of its runs are optional if the skill requires none. */
export type NewSchedule<Inputs = never> = NewScheduleOptions<Inputs> &
  ([Inputs] extends [never]
    ? { readonly inputs?: Fields }
    : object extends Inputs
      ? { readonly inputs?: Inputs }
      : { readonly inputs: Inputs });

/** A schedule as it was last read or written. Times are ISO-8601 in UTC. */
export interface Schedule {
  readonly scheduleId: RunId;
  readonly skillId: string;
  /** Absent if each tick starts the version that is registered last. */
  readonly skillVersion?: string;
  readonly cron?: string;
  readonly everyMs?: number;
  readonly timeZone: string;
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
  /** `ended` if no tick is to come any more: its run was canceled, has failed, or its last time is past. */
  readonly status: "active" | "paused" | "ended";
  readonly createdAt: string;
  readonly pausedAt?: string;
  /** The time of the next tick. Absent while it is paused, and once it has ended. */
  readonly nextAt?: string;
  /** The run that was started last, until it has ended. */
  readonly running?: { readonly runId: RunId; readonly at: string; readonly cause: Cause };
  /** How many ticks wait for that run to end. */
  readonly queued: number;
  /** The newest ticks, newest first, at most 20. Older ones are in the list of runs. */
  readonly recent: readonly PastTick[];
  /** Why it failed. */
  readonly error?: RunError;
}

/** What became of a tick. */
export interface PastTick {
  readonly at: string;
  readonly cause: Cause;
  /** `missed` if nothing served it in time, `skipped` if an earlier run had not ended, `failed` if no run could be started. */
  readonly outcome: "started" | "skipped" | "missed" | "failed";
  readonly runId?: RunId;
  /** Of several that were missed or skipped at once, the last. */
  readonly until?: string;
  /** Why no run could be started. */
  readonly message?: string;
}

/** A schedule with the inputs of its runs. */
export interface ScheduleWithInputs extends Schedule {
  readonly inputs: Fields;
}

/** Which schedules are on a page. */
export interface ScheduleQuery {
  /** Where the page begins: the `next` of the page before. */
  readonly after?: string;
  /** The most schedules on the page, 1 to 500; default 100. */
  readonly limit?: number;
}

/** The result of a trigger. */
export interface Triggered {
  readonly schedule: Schedule;
  /** The id of the run, which is started as soon as something serves the schedule. */
  readonly runId: RunId;
  /** True if there will be no run, since an earlier one has not ended and the policy is `skip`. */
  readonly isSkipped: boolean;
}

/**
 * The schedules of one tenant: `schedulesOf(runtime.for(tenant))` of `orca-durable/schedules` has them in this process,
 * `schedulesOf(client)` of `orca-durable/client` over HTTP.
 *
 * @example
 * ```ts
 * import { schedulesOf } from "orca-durable/schedules";
 * import { runs } from "./runs.ts";
 *
 * for (const { scheduleId, nextAt } of (await schedulesOf(runs).list()).items) console.log(scheduleId, nextAt);
 * ```
 */
export interface Schedules {
  /**
   * Creates a schedule. Its first tick is the first after now.
   *
   * @throws `invalid_request` that names the place; `not_found` if `scheduling` is not among the skills of the runtime;
   * `conflict` if the id is taken; `idempotency_conflict`; `quota_exceeded`.
   */
  create<Inputs = never>(request: NewSchedule<Inputs>): Promise<Schedule>;
  /** A schedule, with the inputs of its runs. */
  get(scheduleId: string): Promise<ScheduleWithInputs>;
  /** A page of schedules, newest first. */
  list(query?: ScheduleQuery): Promise<Page<Schedule>>;
  /** Pauses a schedule: until it is resumed, it ticks no more. The run that it has started goes on. */
  pause(scheduleId: string): Promise<Schedule>;
  /** Ends the pause. The ticks of the pause are not made up for. */
  resume(scheduleId: string): Promise<Schedule>;
  /** Starts a run now, under the policy for overlapping, also while the schedule is paused. */
  trigger(scheduleId: string, options?: { readonly idempotencyKey?: string }): Promise<Triggered>;
  /**
   * Starts a run for each tick of the past between these times, both included, one after another. A tick that has had a run
   * has no other.
   */
  backfill(scheduleId: string, range: BackfillRange): Promise<Schedule>;
  /** Deletes a schedule; its id stays taken. Its runs are not affected. */
  delete(scheduleId: string): Promise<void>;
}

/** Ticks of the past: Dates, or milliseconds since 1970. At most 1,000 ticks may lie in between. */
export interface BackfillRange {
  readonly from: Date | number;
  /** Default: now. */
  readonly to?: Date | number;
}
