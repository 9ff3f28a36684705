import {
  type Capability,
  defineCapability,
  defineGraphSkill,
  literal,
  type Skill,
  type StepContext,
} from "../../src/index.ts";

/** One call of a handler. */
export interface Call extends StepContext {
  readonly input: unknown;
}

export type StepHandler = (input: unknown, context: StepContext) => unknown;

/** Capabilities that remember how they were called, and skills made of them. */
export interface Workshop {
  readonly capabilities: readonly Capability[];
  readonly skills: readonly Skill[];
  /** Every call of a handler, in order. */
  readonly calls: Call[];
  /** What steps do, by step id; a step that is not in it returns `"<step id> done"`. */
  readonly handlers: Map<string, StepHandler>;
  /** How often each step was executed, by step id. */
  counts(runId?: string): Readonly<Record<string, number>>;
}

/** How long the sleeping step of the skill `sleepy` sleeps, in milliseconds. */
export const napMs = 60_000;

/** How long the skill `impatient` waits for its signal, in milliseconds. */
export const patienceMs = 90_000;

/** How long the skill `backing-off` waits between two attempts, in milliseconds. */
export const backoffMs = 45_000;

export function workshop(): Workshop {
  const calls: Call[] = [];
  const handlers = new Map<string, StepHandler>();
  const handler: StepHandler = (input, context) => {
    calls.push({ ...context, input });
    const handle = handlers.get(context.stepId);
    return handle === undefined ? `${context.stepId} done` : handle(input, context);
  };
  return {
    capabilities: [
      defineCapability({ id: "work", version: "1.0.0" }, handler),
      defineCapability({ id: "send", version: "1.0.0", requiresConfirmation: true }, handler),
      defineCapability({ id: "publish", version: "1.0.0", requiresConfirmation: true }, handler),
    ],
    skills,
    calls,
    handlers,
    counts: (runId) => {
      const counts: Record<string, number> = {};
      for (const call of calls) {
        if (runId === undefined || call.runId === runId) counts[call.stepId] = (counts[call.stepId] ?? 0) + 1;
      }
      return counts;
    },
  };
}

const version = "1.0.0";
const work = { uses: "work" };

const skills: readonly Skill[] = [
  defineGraphSkill({
    id: "chain",
    version,
    steps: [
      { id: "one", ...work, input: { given: "inputs.text" }, output: "vars.one" },
      { id: "two", ...work, input: { before: "vars.one", fixed: literal(2) }, output: "vars.two" },
      { id: "three", ...work, input: { before: "vars.two" }, output: "outputs.three" },
    ],
  }),
  defineGraphSkill({ id: "versioned", version: "1.0.0", steps: [{ id: "old", ...work }] }),
  defineGraphSkill({ id: "versioned", version: "2.0.0", steps: [{ id: "new", ...work }] }),
  defineGraphSkill({
    id: "gated",
    version,
    steps: [
      { id: "draft", ...work, output: "vars.draft" },
      { id: "send", uses: "send", input: "vars.draft", output: "outputs.sent" },
      { id: "file", ...work },
    ],
  }),
  defineGraphSkill({
    id: "two-gates",
    version,
    steps: [
      { id: "send", uses: "send", dependsOn: [] },
      { id: "publish", uses: "publish", dependsOn: [] },
      { id: "join", ...work, dependsOn: ["send", "publish"] },
    ],
  }),
  defineGraphSkill({
    id: "pair",
    version,
    steps: [
      { id: "left", ...work, dependsOn: [], output: "vars.left" },
      { id: "right", ...work, dependsOn: [], output: "vars.right" },
      {
        id: "join",
        ...work,
        dependsOn: ["left", "right"],
        input: { l: "vars.left", r: "vars.right" },
        output: "outputs.join",
      },
    ],
  }),
  defineGraphSkill({
    id: "gate-and-work",
    version,
    steps: [
      { id: "send", uses: "send", dependsOn: [] },
      { id: "slow", ...work, dependsOn: [] },
      { id: "listen", waitFor: { signal: "go" }, dependsOn: [] },
    ],
  }),
  defineGraphSkill({
    id: "signaled",
    version,
    steps: [
      { id: "before", ...work },
      { id: "listen", waitFor: { signal: "go" }, output: "vars.heard" },
      { id: "after", ...work, input: "vars.heard", output: "outputs.after" },
    ],
  }),
  defineGraphSkill({
    id: "impatient",
    version,
    steps: [
      { id: "before", ...work },
      { id: "listen", waitFor: { signal: "go", timeout: patienceMs } },
    ],
  }),
  defineGraphSkill({
    id: "sleepy",
    version,
    steps: [
      { id: "early", ...work },
      { id: "before", ...work },
      { id: "nap", sleep: napMs },
      { id: "after", ...work },
    ],
  }),
  defineGraphSkill({
    id: "retrying",
    version,
    steps: [{ id: "try", ...work, retries: { limit: 2, delay: 0 }, output: "outputs.tried" }],
  }),
  defineGraphSkill({
    id: "backing-off",
    version,
    steps: [{ id: "try", ...work, retries: { limit: 2, delay: backoffMs } }],
  }),
  defineGraphSkill({
    id: "timed",
    version,
    steps: [{ id: "slow", ...work, timeout: 10_000 }],
  }),
  defineGraphSkill({
    id: "degrading",
    version,
    steps: [
      { id: "shaky", ...work, onFailure: "continue" },
      { id: "unasked", ...work, when: "inputs.asked" },
      { id: "after", ...work },
    ],
  }),
];
