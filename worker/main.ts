import { createWorker } from "./cloudflare/index.ts";
import { summarizeCapabilities, summarizeSkill } from "./skills/simple-summarize.ts";

/** The Worker of `wrangler.toml`: the service with one example skill. */
export default createWorker({ skills: [summarizeSkill], capabilities: summarizeCapabilities });
