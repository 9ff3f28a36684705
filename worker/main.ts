import { createWorker } from "./cloudflare/index.ts";
import { scheduleApi } from "./schedules/http/index.ts";
import { scheduling } from "./schedules/index.ts";
import { summarizeCapabilities, summarizeSkill } from "./skills/simple-summarize.ts";

/** The Worker of `wrangler.toml`: the service with one example skill and schedules. */
export default createWorker({
  skills: [summarizeSkill, scheduling],
  capabilities: summarizeCapabilities,
  schedules: scheduleApi,
});
