import type { Context } from "hono";
import { encodeFields } from "../../../src/codec/values.ts";
import {
  backfillRange,
  newSchedule,
  type ScheduleAnswer,
  type SchedulePageAnswer,
  type ScheduleWithInputsAnswer,
  scheduleQuery,
  type TriggeredAnswer,
} from "../../http/contract/schedules.ts";
import { Hono } from "../../http/hono.ts";
import { type AppEnv, body, given, idempotencyKeyOf, liveValues, needs, query } from "../../http/request.ts";
import type { PastTick, Schedule, Schedules } from "../api.ts";
import { schedulesOf } from "../schedules.ts";

const scheduleRoutes = new Hono<AppEnv>()
  .post("/v1/schedules", body(newSchedule), async (c) => {
    const { schedule_id, skill_id, skill_version, inputs, cron, every, time_zone, overlap, catch_up } =
      c.req.valid("json");
    const created = await of(c).create<never>({
      skill: skill_id,
      ...given({
        id: schedule_id,
        skillVersion: skill_version,
        inputs: inputs == null ? undefined : liveValues(c, inputs, "inputs"),
        cron,
        every,
        timeZone: time_zone,
        overlap,
        catchUp: catch_up,
        idempotencyKey: idempotencyKeyOf(c),
      }),
    });
    return c.json(scheduleAnswer(created), 201);
  })
  .get("/v1/schedules", query(scheduleQuery), async (c) => {
    const { limit, cursor } = c.req.valid("query");
    const { items, next } = await of(c).list({ limit, ...given({ after: cursor }) });
    const answer: SchedulePageAnswer = {
      schedules: items.map(scheduleAnswer),
      pagination: { limit, has_more: next !== undefined, ...(next === undefined ? {} : { next_cursor: next }) },
    };
    return c.json(answer);
  })
  .get("/v1/schedules/:schedule_id", async (c) => {
    const { inputs, ...schedule } = await of(c).get(c.req.param("schedule_id"));
    const answer: ScheduleWithInputsAnswer = { ...scheduleAnswer(schedule), inputs: encodeFields(inputs, "inputs") };
    return c.json(answer);
  })
  .post("/v1/schedules/:schedule_id/pause", async (c) =>
    c.json(scheduleAnswer(await of(c).pause(c.req.param("schedule_id")))),
  )
  .post("/v1/schedules/:schedule_id/resume", async (c) =>
    c.json(scheduleAnswer(await of(c).resume(c.req.param("schedule_id")))),
  )
  .post("/v1/schedules/:schedule_id/trigger", async (c) => {
    const options = given({ idempotencyKey: idempotencyKeyOf(c) });
    const { schedule, runId, isSkipped } = await of(c).trigger(c.req.param("schedule_id"), options);
    const answer: TriggeredAnswer = { schedule: scheduleAnswer(schedule), run_id: runId, is_skipped: isSkipped };
    return c.json(answer);
  })
  .post("/v1/schedules/:schedule_id/backfill", body(backfillRange), async (c) => {
    const { from, to } = c.req.valid("json");
    const range = { from: new Date(from), ...(to == null ? {} : { to: new Date(to) }) };
    return c.json(scheduleAnswer(await of(c).backfill(c.req.param("schedule_id"), range)));
  })
  .delete("/v1/schedules/:schedule_id", needs("admin"), async (c) => {
    await of(c).delete(c.req.param("schedule_id"));
    return c.body(null, 204);
  });

/**
 * The routes to schedules, for the `schedules` of an app, a Worker or a service worker. Its runtime has `scheduling` among its
 * skills.
 *
 * @example
 * ```ts
 * import { createWorker } from "orca-durable/cloudflare";
 * import { scheduling } from "orca-durable/schedules";
 * import { scheduleApi } from "orca-durable/schedules/http";
 * import { capabilities, skills } from "./skills.ts";
 *
 * export default createWorker({ skills: [...skills, scheduling], capabilities, schedules: scheduleApi });
 * ```
 */
export const scheduleApi: { readonly routes: typeof scheduleRoutes } = { routes: scheduleRoutes };

function of(c: Context<AppEnv>): Schedules {
  return schedulesOf(c.var.runs);
}

function scheduleAnswer(schedule: Schedule): ScheduleAnswer {
  const { running, recent, error } = schedule;
  return {
    schedule_id: schedule.scheduleId,
    skill_id: schedule.skillId,
    skill_version: schedule.skillVersion ?? null,
    cron: schedule.cron ?? null,
    every_ms: schedule.everyMs ?? null,
    time_zone: schedule.timeZone,
    overlap: schedule.overlap,
    catch_up: schedule.catchUp,
    status: schedule.status,
    created_at: schedule.createdAt,
    paused_at: schedule.pausedAt ?? null,
    next_at: schedule.nextAt ?? null,
    running: running === undefined ? null : { run_id: running.runId, at: running.at, cause: running.cause },
    queued: schedule.queued,
    recent: recent.map(tickAnswer),
    error: error === undefined ? null : { code: error.code, message: error.message, step_id: error.stepId ?? null },
  };
}

function tickAnswer({ at, cause, outcome, runId, until, message }: PastTick): ScheduleAnswer["recent"][number] {
  return { at, cause, outcome, run_id: runId ?? null, until: until ?? null, message: message ?? null };
}
