import { createServiceWorker } from "../../../worker/browser/service-worker.ts";
import { inspectorPage } from "../../../worker/inspector/page.ts";
import { capabilities, skills } from "./skills.ts";

createServiceWorker({
  tenant: "me",
  skills,
  capabilities,
  basePath: "/durable",
  inspector: inspectorPage,
  skipWaiting: true,
}).listen();
