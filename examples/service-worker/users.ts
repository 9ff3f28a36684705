import { DurableError } from "../../src/index.ts";
import { createServiceWorker } from "../../worker/browser/service-worker.ts";
import { capabilities, skills } from "../edge/skill.ts";

// The other way: several people who share a browser, each with runs of their own. Their pages send the name, and serve it.
createServiceWorker({
  authenticate({ request }) {
    const user = request.headers.get("x-user");
    if (user === null) throw new DurableError("unauthorized", "nobody is signed in");
    return { tenant: user, role: "execute" };
  },
  skills,
  capabilities,
}).listen();
