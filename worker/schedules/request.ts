import { anId, anything, aRunId, given, type Kinds, needed } from "../../src/argument.ts";
import { aTimeout, type Duration, durationMs } from "../../src/duration.ts";
import { invalidRequest } from "../../src/errors.ts";
import { aText, oneOf, present } from "../../src/json.ts";
import { type CatchUp, catchUps, type Overlap, overlaps } from "./plan.ts";
import { leastEveryMs, type Recurrence, ticksOf } from "./recurrence.ts";

/** The skill that a schedule starts. */
export interface Target {
  readonly skillId: string;
  /** Absent if it is the version registered last, at each tick anew. */
  readonly skillVersion?: string;
}

/** When a schedule starts runs, and what happens if it cannot. */
export interface Timetable {
  readonly cron?: string;
  readonly everyMs?: number;
  readonly timeZone: string;
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
}

/** When a schedule starts runs, as callers ask for it. */
export interface TimetableRequest {
  /**
   * A cron expression of 5 fields, or of 6 that begin with seconds: `"0 9 * * MON-FRI"`. Also `@hourly`, `@daily` and so on.
   */
  readonly cron?: string;
  /** Instead of `cron`: a length of at least a second, counted from the creation of the schedule: `"15 minutes"`. */
  readonly every?: Duration;
  /** The zone of the cron expression, by its IANA name. Default `UTC`. */
  readonly timeZone?: string;
  /**
   * What happens to a tick while the run of an earlier tick has not ended: it is skipped, it waits for its turn, or it
   * cancels that run. Default `skip`.
   */
  readonly overlap?: Overlap;
  /**
   * What happens to ticks that came while nothing served the schedule: all are skipped, one run is started for all of them,
   * or each has a run, at most 100 of them. Default `one`.
   */
  readonly catchUp?: CatchUp;
}

/** The inputs of the run that is a schedule. */
export interface ScheduleInputs extends TimetableRequest {
  readonly skillId: string;
  readonly skillVersion?: string;
  readonly inputs?: unknown;
}

const timetableKinds: Kinds<TimetableRequest> = {
  cron: aText,
  every: aTimeout,
  timeZone: aText,
  overlap: /* @__PURE__ */ oneOf(overlaps),
  catchUp: /* @__PURE__ */ oneOf(catchUps),
};

/** The members of a request for a schedule beside the skill. */
export const requestKinds = { ...timetableKinds, id: aRunId, inputs: anything, idempotencyKey: anything };

const inputKinds: Kinds<ScheduleInputs> = {
  ...timetableKinds,
  skillId: needed(anId),
  skillVersion: anId,
  inputs: anything,
};

/** What the inputs of a schedule's run ask for. @throws `invalid_request` that names the member. */
export function parseInputs(from: ScheduleInputs): { readonly target: Target; readonly timetable: Timetable } {
  const { skillId, skillVersion, inputs: _, ...times } = given(from, inputKinds, "schedule");
  return { target: { skillId, ...present({ skillVersion }) }, timetable: parseTimetable(times) };
}

/** @throws `invalid_request` that names the member. */
function parseTimetable({
  cron,
  every,
  timeZone = "UTC",
  overlap = "skip",
  catchUp = "one",
}: TimetableRequest): Timetable {
  if ((cron === undefined) === (every === undefined)) throw invalidRequest("cron", "expected either this or `every`");
  const everyMs = every === undefined ? undefined : Math.ceil(durationMs(every, "every"));
  if (everyMs !== undefined && everyMs < leastEveryMs) throw invalidRequest("every", "expected at least a second");
  const timetable = { ...present({ cron, everyMs }), timeZone, overlap, catchUp };
  ticksOf(recurrenceOf(timetable, 0));
  return timetable;
}

/** How a schedule that was created at that time recurs. */
export function recurrenceOf({ cron, everyMs, timeZone }: Timetable, createdAt: number): Recurrence {
  return cron === undefined ? { everyMs: everyMs ?? leastEveryMs, fromMs: createdAt } : { cron, timeZone };
}
