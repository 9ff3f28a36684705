import { createWorker, type Env } from "../../worker/cloudflare/index.ts";
import { digestCapabilities, type Surroundings, textDigest } from "../text-digest/skill.ts";

/** The bindings of the Worker, and the address of the server outside it. */
interface DemoEnv extends Env {
  readonly OUTSIDE_URL: string;
}

function surroundings({ OUTSIDE_URL }: DemoEnv): Surroundings {
  const reach = async (path: string, init: RequestInit) => {
    const response = await fetch(OUTSIDE_URL + path, init);
    if (!response.ok) throw new Error(`${path} answers ${response.status}: ${await response.text()}`);
    return response;
  };
  return {
    async read(address, { runId, signal }) {
      return (await reach(address, { headers: { "x-run-id": runId }, signal })).text();
    },
    async publish(report, { idempotencyKey }) {
      const place = `/reports/${encodeURIComponent(idempotencyKey)}`;
      return (await reach(place, { method: "PUT", body: report })).json();
    },
    async witness(moment, { runId, stepId, attempt }) {
      await reach("/calls", { method: "POST", body: JSON.stringify({ moment, runId, stepId, attempt }) });
    },
    paceMs: { short: 300, long: 3_000 },
  };
}

export default createWorker<DemoEnv>({
  skills: [textDigest],
  capabilities: (env) => digestCapabilities(surroundings(env)),
});
