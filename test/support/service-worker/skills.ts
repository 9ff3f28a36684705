import { type AnyCapability, defineCapability, defineGraphSkill, type Skill } from "../../../src/index.ts";
import { isLatchOpen, noteCall } from "./notes.ts";

/** Capabilities that tell where they were executed: in `by`. */
export function shownCapabilities(by: string): readonly AnyCapability[] {
  return [
    defineCapability({ id: "shown.work", version: "1" }, () => by),
    defineCapability({ id: "shown.held", version: "1" }, async ({ latch }: { latch: string }, { runId, signal }) => {
      await noteCall(runId, by);
      while (!signal.aborted && !(await isLatchOpen(latch))) await new Promise((resolve) => setTimeout(resolve, 20));
      return by;
    }),
    defineCapability({ id: "shown.send", version: "1", requiresConfirmation: true }, () => by),
  ];
}

const version = "1";
const held = { uses: "shown.held", input: { latch: "inputs.latch" } };

export const shownSkills: readonly Skill[] = [
  defineGraphSkill({
    id: "shown.held",
    version,
    steps: [
      { id: "before", uses: "shown.work" },
      { id: "held", ...held, output: "outputs.by" },
      { id: "after", uses: "shown.work", output: "outputs.endedBy" },
    ],
  }),
  defineGraphSkill({
    id: "shown.gated",
    version,
    steps: [
      { id: "before", uses: "shown.work" },
      { id: "send", uses: "shown.send", output: "outputs.by" },
    ],
  }),
  defineGraphSkill({
    id: "shown.sleeping",
    version,
    steps: [
      // Longer than the run takes to park, also on a busy machine.
      { id: "sleep", sleep: 4_000 },
      { id: "after", uses: "shown.work", output: "outputs.by" },
    ],
  }),
  // Each sleep is longer than a pass of its test.
  defineGraphSkill({
    id: "shown.napping",
    version,
    steps: [
      { id: "nap", sleep: 1_200 },
      { id: "again", sleep: 1_200 },
      { id: "once more", sleep: 1_200 },
      { id: "after", uses: "shown.work", output: "outputs.by" },
    ],
  }),
];
