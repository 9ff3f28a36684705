export type {
  BackfillRange,
  NewSchedule,
  NewScheduleOptions,
  PastTick,
  Schedule,
  ScheduleQuery,
  Schedules,
  ScheduleWithInputs,
  Triggered,
} from "./api.ts";
export type { CatchUp, Cause, Overlap } from "./plan.ts";
export type { TimetableRequest } from "./request.ts";
export { schedulesOf } from "./schedules.ts";
export { scheduling } from "./skill.ts";
