import { defineCapability, defineGraphSkill, type WorkflowBody } from "../../src/index.ts";
import type { ActorOptions } from "./scene.ts";

/** A run's one slow step: who is in it, and how it goes on. */
interface Slow {
  readonly calls: { readonly signal: AbortSignal; readonly finish: (value: string) => void }[];
  /** The same in both forms of skill: `before`, `slow`, `after`. */
  readonly options: ActorOptions;
}

/** A skill in both forms, each with one slow step that ends when the test says so. */
export function slow(): Slow {
  const calls: Slow["calls"] = [];
  const call = (signal: AbortSignal) =>
    new Promise<string>((finish) => {
      calls.push({ signal, finish });
    });
  const capabilities = [
    defineCapability({ id: "slow", version: "1" }, (_, { signal }) => call(signal)),
    defineCapability({ id: "quick", version: "1" }, (_, { stepId }) => stepId),
  ];
  const graph = defineGraphSkill({
    id: "graph",
    version: "1",
    steps: [
      { id: "before", uses: "quick" },
      { id: "slow", uses: "slow", output: "outputs.slow" },
      { id: "after", uses: "quick" },
    ],
  });
  const body: WorkflowBody = async (step) => {
    await step.do("before", async () => "before");
    const slow = await step.do("slow", { timeout: "3 days" }, ({ signal }) => call(signal));
    await step.do("after", async () => "after");
    return { slow };
  };
  return { calls, options: { capabilities, skills: [graph], body } };
}
