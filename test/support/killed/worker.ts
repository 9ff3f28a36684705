import { defineSkill } from "../../../src/index.ts";
import { createFront, runsObject } from "../../../worker/cloudflare/index.ts";

/** The bindings of this Worker: where each run announces its end. */
interface Bindings {
  readonly OUTSIDE_URL: string;
}

/** Short steps, two timers and an effect at the end. */
const errand = (outside: string) =>
  defineSkill({
    id: "errand",
    version: "1",
    async run(step, { ms }: { ms: number }, { runId }) {
      await step.do("begin", async () => new Promise((resolve) => setTimeout(resolve, 20)));
      await step.sleep("rest", ms);
      await step.do("end", async () => {
        await fetch(`${outside}/${encodeURIComponent(runId)}`, { method: "POST" });
      });
    },
  });

/** One step that takes as long as it is asked to. */
const labor = defineSkill({
  id: "labor",
  version: "1",
  run: (step, { ms }: { ms: number }) =>
    step.do("work", { timeout: "10 minutes" }, async () => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return ms;
    }),
});

/** A sleep of its own length, and how late it ended. */
const sleeper = defineSkill({
  id: "sleeper",
  version: "1",
  async run(step, { ms }: { ms: number }) {
    const since = await step.do("note", async () => Date.now());
    await step.sleep("sleep", ms);
    return step.do("look", async () => Date.now() - since - ms);
  },
});

/** Steps that do nothing, one after the other. */
const quick = defineSkill({
  id: "quick",
  version: "1",
  async run(step, { steps }: { steps: number }) {
    for (let index = 0; index < steps; index++) await step.do(`step ${index}`, async () => index);
  },
});

export default createFront();
export class Runs extends runsObject<Bindings>({
  skills: ({ OUTSIDE_URL }) => [errand(OUTSIDE_URL), labor, sleeper, quick],
}) {}
