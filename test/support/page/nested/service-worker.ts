import { createServiceWorker } from "../../../../worker/service-worker.ts";

createServiceWorker({ tenant: "me", skills: [], capabilities: [] }).listen();
