import { createWorker } from "../../../worker/index.ts";
import { capabilities, skills } from "./skills.ts";

export default createWorker({ skills, capabilities });
