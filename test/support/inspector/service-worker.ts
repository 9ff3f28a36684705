import { inspectorPage } from "../../../worker/inspector/page.ts";
import { createServiceWorker } from "../../../worker/service-worker.ts";
import { capabilities, skills } from "./skills.ts";

createServiceWorker({
  tenant: "me",
  skills,
  capabilities,
  basePath: "/durable",
  inspector: inspectorPage,
  skipWaiting: true,
}).listen();
