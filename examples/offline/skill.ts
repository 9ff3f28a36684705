import { defineSkill, type StepConfig, type WorkflowStepContext } from "../../src/index.ts";
import { chartOf } from "./chart.ts";
import { contentOf } from "./content.ts";
import { saveReport } from "./files.ts";
import { keyPhrases } from "./phrases.ts";
import { reportOf } from "./report.ts";
import type { Inputs } from "./settings.ts";
import { statisticsOf } from "./statistics.ts";

/** Works through a file in the browser, and writes a report once the visitor has approved it. */
export const fileReport = defineSkill({
  id: "file.report",
  version: "1",
  description: "Reads a text or CSV file and writes a report about it.",
  async run(step, { name, text, settings }: Inputs) {
    const content = await step.do(
      "read",
      paced(settings.paceMs, () => contentOf(name, text)),
    );
    const [statistics, phrases] = await Promise.all([
      step.do(
        "statistics",
        paced(settings.paceMs, () => statisticsOf(content)),
      ),
      step.do(
        "phrases",
        paced(settings.paceMs, () => keyPhrases(content, settings)),
      ),
    ]);
    const chart = await step.do(
      "chart",
      paced(settings.paceMs, () => chartOf(content, statistics, phrases)),
    );
    const report = await step.do(
      "report",
      paced(settings.paceMs, () => reportOf(name, statistics, phrases, chart)),
    );
    await step.waitForApproval("approval");
    const file = await step.do("write", writing, ({ idempotencyKey }) => saveReport(idempotencyKey, name, report));
    return { report, chart, file };
  },
});

// A file that is written twice under one key is one file.
const writing: StepConfig = { sideEffects: "external_action", isIdempotent: true };

/** A step that takes at least this long, so that a reader can watch it and interrupt it. */
function paced<T>(ms: number, work: () => T): (context: WorkflowStepContext) => Promise<T> {
  return async ({ signal }) => {
    const result = work();
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      signal.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
    return result;
  };
}
