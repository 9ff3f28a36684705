import { memoryStore } from "../adapters/memory/index.ts";
import { createRuntime, defineSkill, isDurableError } from "../src/index.ts";

/** Stands for a service that does not answer. */
function search(_question: string, signal: AbortSignal): Promise<string> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}

const article = defineSkill({
  id: "article",
  version: "1",
  async run(step, { question }: { question: string }) {
    const options = { timeout: "1 second", retries: { limit: 0, delay: 0 } } as const;
    const found = await step
      .do("search", options, ({ signal }) => search(question, signal))
      .catch((error: unknown) => {
        if (!isDurableError(error, "step_timeout")) throw error;
        return "Nothing was found in time.";
      });

    // The editor is asked at once, and may decide while the draft is being written.
    const [draft, { approver }] = await Promise.all([
      step.do("draft", async () => `${question} ${found}`),
      step.waitForApproval("editor"),
    ]);
    return { draft, approver };
  },
});

const runtime = createRuntime({ store: memoryStore(), skills: [article], onError: () => {} });
const runs = runtime.for("example");
const { run } = await runs.start({ skillId: "article", inputs: { question: "Who was first?" } });
await runtime.idle(); // it waits for its editor
await runs.approve(run.runId, { stepId: "editor", approver: "ada" });
console.log(JSON.stringify((await runs.settled(run.runId)).result));
await runtime.stop();
