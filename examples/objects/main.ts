import { createFront, runsObject } from "../../worker/cloudflare/index.ts";
import { scheduleApi } from "../../worker/schedules/http/index.ts";
import { scheduling } from "../../worker/schedules/index.ts";
import { summarizeCapabilities, summarizeSkill } from "../../worker/skills/simple-summarize.ts";

/** The service of `worker/main.ts` in another home: a Durable Object for each tenant. */
export default createFront({ schedules: scheduleApi });

export class Runs extends runsObject({
  skills: [summarizeSkill, scheduling],
  capabilities: summarizeCapabilities,
  schedules: scheduleApi,
}) {}
