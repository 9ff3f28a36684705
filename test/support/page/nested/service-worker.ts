import { createServiceWorker } from "../../../../worker/browser/service-worker.ts";

createServiceWorker({ tenant: "me", skills: [], capabilities: [] }).listen();
