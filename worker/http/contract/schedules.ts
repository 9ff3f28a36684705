import * as v from "valibot";
import { catchUps, causes, outcomes, overlaps } from "../../schedules/plan.ts";
import { type Family, ofRun, reading, starting } from "./operation.ts";
import {
  duration,
  extended,
  id,
  jsonObject,
  newId,
  optional,
  text,
  textOrNull,
  timestamp,
  whole,
  wholeNumber,
} from "./values.ts";

/** `POST /v1/schedules` */
export const newSchedule = v.object({
  schedule_id: v.nullish(newId),
  skill_id: id,
  skill_version: v.nullish(id),
  inputs: v.nullish(jsonObject),
  cron: v.pipe(v.nullish(text), v.description("5 fields, or 6 that begin with seconds.")),
  every: v.pipe(v.nullish(duration), v.description("Instead of `cron`: a length of at least a second.")),
  time_zone: v.pipe(v.nullish(text), v.metadata({ default: "UTC" })),
  overlap: v.pipe(
    v.nullish(v.picklist(overlaps, `expected one of ${overlaps.join(", ")}`)),
    v.metadata({ default: "skip" }),
  ),
  catch_up: v.pipe(
    v.nullish(v.picklist(catchUps, `expected one of ${catchUps.join(", ")}`)),
    v.metadata({ default: "one" }),
  ),
});

/** `GET /v1/schedules` */
export const scheduleQuery = v.object({
  limit: wholeNumber(1, 500, 100),
  cursor: optional(text, "The `next_cursor` of a page for the page after it."),
});

/** `POST /v1/schedules/{schedule_id}/backfill` */
export const backfillRange = v.object({
  from: timestamp,
  to: v.pipe(v.nullish(timestamp), v.description("Default: now.")),
});

const pastTick = v.object({
  at: text,
  cause: v.picklist(causes),
  outcome: v.picklist(outcomes),
  run_id: textOrNull,
  until: v.pipe(textOrNull, v.description("Of several ticks that were missed or skipped at once, the last.")),
  message: textOrNull,
});

const scheduleFields = {
  schedule_id: text,
  skill_id: text,
  skill_version: textOrNull,
  cron: textOrNull,
  every_ms: v.nullable(whole),
  time_zone: text,
  overlap: v.picklist(overlaps),
  catch_up: v.picklist(catchUps),
  status: v.picklist(["active", "paused", "ended"]),
  created_at: text,
  paused_at: textOrNull,
  next_at: v.pipe(
    textOrNull,
    v.description("The next tick. Null while the schedule is paused, and once it has ended."),
  ),
  running: v.pipe(
    v.nullable(v.object({ run_id: text, at: text, cause: v.picklist(causes) })),
    v.description("The run that was started last, until it has ended."),
  ),
  queued: v.pipe(whole, v.description("How many ticks wait for that run to end.")),
  recent: v.pipe(v.array(pastTick), v.description("The newest ticks, newest first, at most 20.")),
  error: v.nullable(v.object({ code: text, message: text, step_id: textOrNull })),
};

const schedule = v.pipe(
  v.object(scheduleFields),
  v.description("Starts runs of a skill at its times. It is the run of this id, of the skill `orca.schedule`."),
);
export type ScheduleAnswer = v.InferOutput<typeof schedule>;

export const scheduleWithInputs = extended(scheduleFields, { inputs: jsonObject });
export type ScheduleWithInputsAnswer = v.InferOutput<typeof scheduleWithInputs>;

export const schedulePage = v.object({
  schedules: v.array(schedule),
  pagination: v.object({
    limit: whole,
    has_more: v.boolean(),
    next_cursor: optional(text, "The `cursor` of the next page. Absent on the last page."),
  }),
});
export type SchedulePageAnswer = v.InferOutput<typeof schedulePage>;

export const triggeredSchedule = v.object({
  schedule,
  run_id: v.pipe(text, v.description("The run, which is started as soon as something serves the schedule.")),
  is_skipped: v.pipe(v.boolean(), v.description("True if there will be no run, since an earlier one has not ended.")),
});
export type TriggeredAnswer = v.InferOutput<typeof triggeredSchedule>;

const acting = [...ofRun, "too_large", "conflict", "invalid_transition"] as const;

/** Routes of a service that has schedules; any other answers 404. */
export const scheduleOperations: Family = {
  createSchedule: {
    route: "POST /v1/schedules",
    summary: "Create a schedule",
    exchange: { body: newSchedule, status: 201, answer: schedule, errors: starting },
  },
  listSchedules: {
    route: "GET /v1/schedules",
    summary: "List schedules, newest first",
    exchange: { query: scheduleQuery, answer: schedulePage, errors: [...reading, "not_found"] },
  },
  getSchedule: {
    route: "GET /v1/schedules/{schedule_id}",
    summary: "Get a schedule, with the inputs of its runs",
    exchange: { answer: scheduleWithInputs, errors: ofRun },
  },
  pauseSchedule: {
    route: "POST /v1/schedules/{schedule_id}/pause",
    summary: "Pause a schedule",
    exchange: { answer: schedule, errors: acting },
  },
  resumeSchedule: {
    route: "POST /v1/schedules/{schedule_id}/resume",
    summary: "End the pause of a schedule; its ticks are not made up for",
    exchange: { answer: schedule, errors: acting },
  },
  triggerSchedule: {
    route: "POST /v1/schedules/{schedule_id}/trigger",
    summary: "Start a run of a schedule now",
    exchange: { answer: triggeredSchedule, errors: [...acting, "idempotency_conflict"] },
  },
  backfillSchedule: {
    route: "POST /v1/schedules/{schedule_id}/backfill",
    summary: "Start a run for each tick of the past that has had none",
    exchange: { body: backfillRange, answer: schedule, errors: acting },
  },
  deleteSchedule: {
    route: "DELETE /v1/schedules/{schedule_id}",
    summary: "Delete a schedule permanently; its id cannot be used again",
    exchange: { status: 204, errors: acting },
  },
};

/** The schemas that have a name in the document. */
export const scheduleSchemas = {
  Schedule: schedule,
  ScheduleWithInputs: scheduleWithInputs,
  SchedulePage: schedulePage,
  TriggeredSchedule: triggeredSchedule,
};
