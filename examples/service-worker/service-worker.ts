import { createServiceWorker } from "../../worker/browser/service-worker.ts";
import { capabilities, skills } from "../edge/skill.ts";

createServiceWorker({ tenant: "me", skills, capabilities }).listen();
