import { DurableError } from "../../src/index.ts";
import { createServiceWorker } from "../../worker/browser/service-worker.ts";
import { capabilities, skills } from "../edge/skill.ts";

// For several people who share a browser, each with their own runs. Their pages send the user's name, and serve that tenant.
createServiceWorker({
  authenticate({ request }) {
    const user = request.headers.get("x-user");
    if (user === null) throw new DurableError("unauthorized", "sign in first");
    return { tenant: user, role: "execute" };
  },
  skills,
  capabilities,
}).listen();
