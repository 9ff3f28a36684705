import { type Profiler, Session } from "node:inspector";
import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineSkill, type Runtime } from "../src/index.ts";
import { apiKeys, createApp } from "../worker/http/index.ts";

const root = new URL("..", import.meta.url).href;

/** Counts the calls of each function with V8's own coverage, to list the files that a piece of work enters. */
class Steps {
  readonly #session = new Session();

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  }

  /**
   * The files in which a function was called since the last call of this function, by their paths from the root of the
   * repository.
   */
  take(): readonly string[] {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    // A session in its own process answers synchronously.
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error) throw error;
      scripts = result;
    });
    return scripts
      .filter(({ functions }) => functions.some(({ ranges }) => ranges.some(({ count }) => count > 0)))
      .map(({ url }) => url)
      .filter((url) => url.startsWith(root))
      .map((url) => url.slice(root.length))
      .filter((path) => /^(src|worker|adapters\/memory)\//.test(path))
      .sort();
  }
}

const steps = new Steps();

/** One `step.do` of a body that has made another before, from its call until the body has its result. */
async function walkOfStep(): Promise<readonly string[]> {
  let walk: readonly string[] = [];
  const skill = defineSkill({
    id: "walked",
    version: "1",
    run: async (step) => {
      await step.do("first", async () => "text");
      steps.take();
      await step.do("second", async () => "text");
      walk = steps.take();
    },
  });
  const runtime: Runtime = createRuntime({ serves: false, store: memoryStore(), skills: [skill] });
  const { run } = await runtime.for("acme").start({ skillId: "walked" });
  await runtime.for("acme").settled(run.runId);
  return walk;
}

/**
 * One `POST /v1/runs/{run_id}/resume`, from the request until its answer is read. The runtime leaves execution to others, as
 * a service worker does: what a pass enters does not belong to the request.
 */
async function walkOfResume(): Promise<readonly string[]> {
  const skill = defineSkill({ id: "walked", version: "1", run: async () => "text" });
  const runtime = createRuntime({ serves: false, store: memoryStore(), skills: [skill], executes: false });
  const authenticate = apiKeys([["key", "acme"]]);
  const app = createApp({
    authenticate: ({ request }) => authenticate(request),
    runs: (tenant) => runtime.for(tenant),
  });
  const post = async (path: string, body: object): Promise<number> => {
    const init = { method: "POST", headers: { "x-api-key": "key" }, body: JSON.stringify(body) };
    const answer = await app.fetch(new Request(`https://service.example${path}`, init));
    await answer.text();
    return answer.status;
  };
  const made = await post("/v1/runs", { skill_id: "walked", run_id: "run", start: false });
  steps.take();
  const resumed = await post("/v1/runs/run/resume", {});
  const walk = steps.take();
  if (made !== 201 || resumed !== 200) throw new Error(`unexpected statuses in the walk: ${made}, then ${resumed}`);
  return walk;
}

const walks = { resume: await walkOfResume(), "step.do": await walkOfStep() };
if (process.argv.includes("--json")) console.log(JSON.stringify(walks));
else
  for (const [name, files] of Object.entries(walks)) console.log(`${name}: ${files.length}\n  ${files.join("\n  ")}`);
