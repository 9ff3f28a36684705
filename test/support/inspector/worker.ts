import { createWorker } from "../../../worker/cloudflare/index.ts";
import { scheduleApi } from "../../../worker/schedules/http/index.ts";
import { scheduling } from "../../../worker/schedules/index.ts";
import { capabilities, skills } from "./skills.ts";

export default createWorker({ skills: [...skills, scheduling], capabilities, schedules: scheduleApi });
