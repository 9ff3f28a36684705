import { createWorker } from "../../../worker/cloudflare/index.ts";
import { capabilities, skills } from "./skills.ts";

export default createWorker({ skills, capabilities });
