import {
  type AnyCapability,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  literal,
  type Skill,
  type StepContext,
  type WorkflowStepContext,
} from "../../src/index.ts";

/** What the handlers of one process can do: nothing, once it is dead. */
export interface Hands {
  /** The first thing that a handler does. */
  begin(stepId: string): Promise<void>;
  /** Calls the receiver outside. */
  send(stepId: string, key: string, what: string): Promise<string>;
  sleep(ms: number): Promise<void>;
}

export interface Bound {
  readonly skills: readonly Skill[];
  readonly capabilities: readonly AnyCapability[];
}

/** The steps whose actions reach the outside, and what they do there. */
export const effects: Readonly<Record<string, string>> = { charge: "a charge of 12", mail: "a mail about ink" };

export const crashSkillIds = ["graph", "code"] as const;
export const crashInputs = { text: "ink" };

const version = "1.0.0";
/** Longer than half a lease, so that it takes a heartbeat. */
const slowMs = 20_000;
/** Waited out with the lease held. */
const retryMs = 1_000;
/** Too long for that: the run parks. */
const napMs = 20_000;

/** Two skills that do all that a skill can, bound to one process. Whatever happens to it, their outputs are the same. */
export function crashSkills(hands: Hands): Bound {
  return { skills: [graph, codeFirst(hands)], capabilities: capabilities(hands) };
}

function capabilities({ begin, send, sleep }: Hands): readonly AnyCapability[] {
  const action = { version, sideEffects: "external_action" } as const;
  const act = async (_: unknown, { stepId, idempotencyKey }: StepContext) => {
    await begin(stepId);
    return send(stepId, idempotencyKey, effects[stepId] ?? "something unknown");
  };
  return [
    defineCapability({ id: "write", version }, async (input: { text: string }, { stepId }) => {
      await begin(stepId);
      return `${stepId} of ${input.text}`;
    }),
    defineCapability({ id: "flaky", version }, async (input: { text: string }, { stepId, attempt }) => {
      await begin(stepId);
      if (attempt === 1) throw new Error("not at the first attempt");
      return { at: "last", text: input.text };
    }),
    defineCapability({ id: "shaky", version }, async (_, { stepId }) => {
      await begin(stepId);
      throw new Error("never");
    }),
    defineCapability({ id: "slow", version, timeout: 10 * slowMs }, async (_, { stepId }) => {
      await begin(stepId);
      await sleep(slowMs);
      return new Map([["took", slowMs]]);
    }),
    defineCapability({ id: "charge", ...action }, act),
    defineCapability({ id: "mail", ...action, requiresConfirmation: true }, act),
  ];
}

const graph = defineGraphSkill({
  id: "graph",
  version,
  steps: [
    { id: "draft", uses: "write", input: { text: "inputs.text" }, output: "vars.draft" },
    {
      id: "flaky",
      uses: "flaky",
      dependsOn: ["draft"],
      input: { text: "vars.draft" },
      output: { text: "vars.flaky" },
      retries: { limit: 2, delay: retryMs },
    },
    { id: "charge", uses: "charge", dependsOn: ["draft"], input: { sum: literal(12) }, output: "vars.charged" },
    { id: "slow", uses: "slow", dependsOn: ["draft"], output: "vars.slow" },
    { id: "shaky", uses: "shaky", dependsOn: ["charge"], onFailure: "continue" },
    {
      id: "mail",
      uses: "mail",
      dependsOn: ["flaky", "slow", "shaky"],
      input: { text: "vars.flaky" },
      output: "outputs.receipt",
    },
    { id: "listen", waitFor: { signal: "go" }, output: "vars.heard" },
    { id: "nap", sleep: napMs },
    { id: "last", uses: "write", input: { text: "vars.heard" }, output: "outputs.last" },
  ],
});

function codeFirst({ begin, send, sleep }: Hands): Skill {
  const work =
    <T>(stepId: string, rest: (context: WorkflowStepContext) => T | Promise<T>) =>
    async (context: WorkflowStepContext): Promise<T> => {
      await begin(stepId);
      return rest(context);
    };
  return defineSkill<typeof crashInputs, unknown>({
    id: "code",
    version,
    async run(step, { text }) {
      const draft = await step.do(
        "draft",
        work("draft", () => ({ text, words: new Set(["some"]) })),
      );
      const [flaky, charged, slow] = await Promise.all([
        step.do(
          "flaky",
          { retries: { limit: 2, delay: retryMs, backoff: "constant" } },
          work("flaky", ({ attempt }) => {
            if (attempt === 1) throw new Error("not at the first attempt");
            return `${draft.text} at last`;
          }),
        ),
        step.use("charge", "charge", { sum: 12 }),
        step.do(
          "slow",
          work("slow", () => sleep(slowMs)),
        ),
      ]);
      let shaky = "";
      try {
        await step.do(
          "shaky",
          { retries: { limit: 0, delay: 0 } },
          work("shaky", () => Promise.reject(new RangeError("never"))),
        );
      } catch (error) {
        shaky = (error as Error).message;
      }
      const { approver } = await step.waitForApproval("gate");
      const { payload } = await step.waitForEvent<string>("listen", { type: "go", timeout: "3 days" });
      const parts: string[] = [];
      for (const part of [payload, draft.text]) {
        parts.push(
          await step.do(
            "part",
            work(parts.length === 0 ? "part" : "part#2", ({ step: { count } }) => `${count}: ${part}`),
          ),
        );
      }
      await step.sleep("nap", napMs);
      const receipt = await step.do(
        "mail",
        { sideEffects: "external_action" },
        work("mail", ({ idempotencyKey }) => send("mail", idempotencyKey, effects.mail ?? "")),
      );
      return { flaky, charged, slow: slow === undefined, shaky, approver, parts, receipt };
    },
  });
}
