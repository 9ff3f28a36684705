import type { hc } from "hono/client";
import {
  aFunction,
  anId,
  anything,
  aRunId,
  aTimestamp,
  expectKind,
  given,
  type Kinds,
  members,
} from "../../src/argument.ts";
import { isoTime } from "../../src/clock.ts";
import { decodeFields, encodeFields } from "../../src/codec/values.ts";
import { parseRunId } from "../../src/ids.ts";
import { anyNumber, aText, type JsonObject, present } from "../../src/json.ts";
import type { Skill } from "../../src/skills/skill.ts";
import { aSkill } from "../../src/skills/skill-kind.ts";
import type { ScheduleAnswer } from "../http/contract/schedules.ts";
import type { NewSchedule, PastTick, Schedule, Schedules } from "../schedules/api.ts";
import type { scheduleApi } from "../schedules/http/index.ts";
import { bodyOf } from "./calls.ts";
import type { Client } from "./client.ts";
import { read } from "./records.ts";
import { said } from "./requests.ts";

/** The routes to schedules with their types, as Hono's client has them. */
type ScheduleRoutes = ReturnType<typeof hc<(typeof scheduleApi)["routes"]>>;

/**
 * The schedules of a service whose app has the option `schedules`: the same calls, values and errors as those of
 * `schedulesOf(runs)` of `orca-durable/schedules`.
 *
 * @example
 * ```ts
 * import { createClient, schedulesOf } from "orca-durable/client";
 *
 * const schedules = schedulesOf(createClient("https://runs.example.com", { apiKey: "dev-key" }));
 * await schedules.create({ id: "nightly", skill: "report", cron: "0 3 * * *", timeZone: "Europe/Berlin" });
 * console.log((await schedules.list()).items);
 * ```
 */
export function schedulesOf(client: Client): Schedules {
  const schedules = routesOf(client).v1.schedules;
  const one = schedules[":schedule_id"];
  const at = (scheduleId: string) => ({
    param: { schedule_id: encodeURIComponent(parseRunId(scheduleId, "schedule_id")) },
  });
  const changed = async (response: Promise<Response>): Promise<Schedule> =>
    answered<ScheduleAnswer, Schedule>(await response, scheduleOf);
  return {
    async create<Inputs>(request: NewSchedule<Inputs>) {
      const { id, skill, skillVersion, inputs, cron, every, timeZone, overlap, catchUp, idempotencyKey } =
        given<NewSchedule>(request as NewSchedule, newKinds, "request");
      const json = {
        schedule_id: id,
        skill_id:
          typeof skill === "string" ? expectKind(skill, anId, "skill") : expectKind(skill as Skill, aSkill, "skill").id,
        skill_version: skillVersion,
        inputs: encodeFields(inputs ?? {}, "inputs"),
        cron,
        every,
        time_zone: timeZone,
        overlap,
        catch_up: catchUp,
      };
      return changed(schedules.$post({ json }, withKey(idempotencyKey)));
    },
    async get(scheduleId) {
      return answered<ScheduleAnswer & { readonly inputs: JsonObject }, Schedule & { readonly inputs: object }>(
        await one.$get(at(scheduleId)),
        ({ inputs, ...schedule }) => ({ ...scheduleOf(schedule), inputs: decodeFields(inputs, "inputs") }),
      ) as ReturnType<Schedules["get"]>;
    },
    async list(query = {}) {
      const { after, limit } = given(query, { after: aText, limit: anyNumber }, "query");
      const asked = present({ cursor: after, limit: limit === undefined ? undefined : String(limit) });
      const answer = await schedules.$get({ query: asked });
      return answered<
        { schedules: ScheduleAnswer[]; pagination: { next_cursor?: string | undefined } },
        { items: readonly Schedule[]; next?: string }
      >(answer, ({ schedules, pagination }) => ({
        items: schedules.map(scheduleOf),
        ...present({ next: pagination.next_cursor }),
      }));
    },
    pause: (scheduleId) => changed(one.pause.$post(at(scheduleId))),
    resume: (scheduleId) => changed(one.resume.$post(at(scheduleId))),
    async trigger(scheduleId, options = {}) {
      const { idempotencyKey } = given(options, { idempotencyKey: anything });
      const answer = await one.trigger.$post(at(scheduleId), withKey(idempotencyKey));
      return answered<
        { schedule: ScheduleAnswer; run_id: string; is_skipped: boolean },
        Awaited<ReturnType<Schedules["trigger"]>>
      >(answer, ({ schedule, run_id, is_skipped }) => ({
        schedule: scheduleOf(schedule),
        runId: parseRunId(run_id),
        isSkipped: is_skipped,
      }));
    },
    async backfill(scheduleId, range) {
      const { from, to } = given(range, { from: anything, to: anything }, "range");
      const json = { from: timeOf(from, "from"), to: to === undefined ? undefined : timeOf(to, "to") };
      return changed(one.backfill.$post({ ...at(scheduleId), json }));
    },
    async delete(scheduleId) {
      await one.$delete(at(scheduleId));
    },
  };
}

/** What a request is made of. The service checks the rest. */
const newKinds: Kinds<NewSchedule> = {
  id: aRunId,
  skill: anything,
  skillVersion: anId,
  inputs: anything,
  cron: aText,
  every: ["a duration", (every) => typeof every === "string" || typeof every === "number"],
  timeZone: aText,
  overlap: aText,
  catchUp: aText,
  idempotencyKey: anything,
};

// Hono's client builds a request for any path; these paths are there if the service has schedules.
function routesOf(client: Client): ScheduleRoutes {
  const { routes } = members(members(client, "client").wire ?? {}, "client.wire");
  return expectKind(routes, aFunction, "client.wire.routes") as unknown as ScheduleRoutes;
}

function withKey(idempotencyKey: string | undefined) {
  return { headers: Object.fromEntries(said({ idempotencyKey }).headers) };
}

function timeOf(time: Date | number, path: string): string {
  return isoTime(Number(expectKind(time, aTimestamp, path)));
}

/** The answer of the service, which checks it against these types. */
async function answered<Answer extends object, T>(response: Response, form: (answer: Answer) => T): Promise<T> {
  return read((await bodyOf(response, undefined)) as Answer, form);
}

function scheduleOf(answer: ScheduleAnswer): Schedule {
  const { running, error } = answer;
  return {
    scheduleId: parseRunId(answer.schedule_id),
    skillId: answer.skill_id,
    timeZone: answer.time_zone,
    overlap: answer.overlap,
    catchUp: answer.catch_up,
    status: answer.status,
    createdAt: answer.created_at,
    queued: answer.queued,
    recent: answer.recent.map(tickOf),
    ...present({
      skillVersion: answer.skill_version ?? undefined,
      cron: answer.cron ?? undefined,
      everyMs: answer.every_ms ?? undefined,
      pausedAt: answer.paused_at ?? undefined,
      nextAt: answer.next_at ?? undefined,
      running:
        running === null ? undefined : { runId: parseRunId(running.run_id), at: running.at, cause: running.cause },
      error:
        error === null
          ? undefined
          : { code: error.code, message: error.message, ...present({ stepId: error.step_id ?? undefined }) },
    }),
  };
}

function tickOf({ at, cause, outcome, run_id, until, message }: ScheduleAnswer["recent"][number]): PastTick {
  return {
    at,
    cause,
    outcome,
    ...present({
      runId: run_id === null ? undefined : parseRunId(run_id),
      until: until ?? undefined,
      message: message ?? undefined,
    }),
  };
}
