import {
  type AnyCapability,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  NonRetryableError,
  type Schema,
  type Skill,
  type StepContext,
} from "../../src/index.ts";
import { approvals, childRuns, outputsWith, rollbacks } from "../../src/steps.ts";

// Skills that tell what they did through what they return, so that a test needs nothing but HTTP to see it.

const calls = new Map<string, number>();

/** How often the step's handler was called in its run, this time included. */
function callsOf({ idempotencyKey }: StepContext): number {
  const count = (calls.get(idempotencyKey) ?? 0) + 1;
  calls.set(idempotencyKey, count);
  return count;
}

/** What the steps of `http.held` wait for, and a run of `http.release` opens. */
const openLatches = new Set<string>();

async function isOpen(latch: string, signal: AbortSignal): Promise<void> {
  while (!openLatches.has(latch) && !signal.aborted) await new Promise((done) => setTimeout(done, 10));
}

export const httpCapabilities: readonly AnyCapability[] = [
  defineCapability({ id: "http.echo", version: "1.0.0" }, ({ value = null }: { value?: unknown }) => value),
  defineCapability({ id: "http.count", version: "1.0.0" }, (_input, context) => callsOf(context)),
  defineCapability({ id: "http.send", version: "1.0.0", requiresConfirmation: true }, (_input, context) =>
    callsOf(context),
  ),
  defineCapability({ id: "http.publish", version: "1.0.0", requiresConfirmation: true }, (_input, context) =>
    callsOf(context),
  ),
  defineCapability({ id: "http.hold", version: "1.0.0" }, async ({ latch }: { latch: string }, context) => {
    const count = callsOf(context);
    await isOpen(latch, context.signal);
    return count;
  }),
  defineCapability({ id: "http.release", version: "1.0.0" }, ({ latch }: { latch: string }) => {
    openLatches.add(latch);
    return null;
  }),
  defineCapability({ id: "http.fail-first", version: "1.0.0" }, (_input, context) => {
    const count = callsOf(context);
    if (count === 1) throw new NonRetryableError("the first call fails");
    return count;
  }),
  defineCapability({ id: "http.busy", version: "1.0.0" }, () => {
    throw new Error("it is busy");
  }),
  defineCapability({ id: "http.repeat", version: "1.0.0" }, ({ length }: { length: number }) => "x".repeat(length)),
];

const version = "1.0.0";

/** An object with an amount: by hand, since the skills are served where no schema library is. */
const amountAnswer: Schema<{ readonly amount: number }> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) =>
      typeof (value as { amount?: unknown } | undefined)?.amount === "number"
        ? { value: value as { amount: number } }
        : { issues: [{ message: "expected a number", path: ["amount"] }] },
  },
};

/** How many signals the skill `http.mailbox` consumes. */
export const mailboxSize = 100;

export const httpSkills: readonly Skill[] = [
  defineGraphSkill({
    id: "http.chain",
    version,
    steps: [
      { id: "one", uses: "http.echo", input: { value: "inputs.value" }, output: "vars.one" },
      { id: "two", uses: "http.echo", input: { value: "vars.one" }, output: "vars.two" },
      { id: "three", uses: "http.echo", input: { value: "vars.two" }, output: "outputs.value" },
    ],
  }),
  defineSkill({
    id: "http.telling",
    version,
    uses: [outputsWith({ flushMs: 20 })],
    run: (step, { words, latch }: { words: readonly string[]; latch?: string }) =>
      step.do("tell", async ({ output, publish, signal }) => {
        publish("begun");
        for (const word of words) await output.write(word);
        if (latch === undefined) return;
        await output.write(new Date(0));
        await isOpen(latch, signal);
      }),
  }),
  defineGraphSkill({
    id: "http.gated",
    version,
    steps: [
      { id: "draft", uses: "http.count", output: "outputs.drafted" },
      { id: "send", uses: "http.send", output: "outputs.sent" },
    ],
  }),
  defineGraphSkill({
    id: "http.two-gates",
    version,
    steps: [
      { id: "send", uses: "http.send", dependsOn: [], output: "outputs.sent" },
      { id: "publish", uses: "http.publish", dependsOn: [], output: "outputs.published" },
    ],
  }),
  defineSkill<{ readonly names: readonly string[] }, unknown>({
    id: "http.named-gates",
    version,
    run: async (step, { names }) => {
      for (const name of names) await step.waitForApproval(name);
      return names.length;
    },
  }),
  defineSkill({
    id: "http.asking",
    version,
    uses: [approvals({ manager: amountAnswer })],
    async run(step, { order }: { readonly order: unknown }) {
      const { data } = await step.waitForApproval("manager", { show: { order } });
      return data;
    },
  }),
  defineGraphSkill({
    id: "http.listening",
    version,
    steps: [
      { id: "listen", waitFor: { signal: "go" }, output: "vars.heard" },
      { id: "tell", uses: "http.echo", input: { value: "vars.heard" }, output: "outputs.heard" },
    ],
  }),
  defineGraphSkill({
    id: "http.held",
    version,
    steps: [{ id: "hold", uses: "http.hold", input: { latch: "inputs.latch" }, output: "outputs.calls" }],
  }),
  defineGraphSkill({
    id: "http.release",
    version,
    steps: [{ id: "release", uses: "http.release", input: { latch: "inputs.latch" } }],
  }),
  defineGraphSkill({
    id: "http.mailbox",
    version,
    steps: [
      { id: "hold", uses: "http.hold", input: { latch: "inputs.latch" }, output: "outputs.calls" },
      ...Array.from({ length: mailboxSize }, (_, index) => ({
        id: `read-${index}`,
        waitFor: { signal: "mail" },
        output: `outputs.mail${index}`,
      })),
    ],
  }),
  defineGraphSkill({
    id: "http.failing-first",
    version,
    steps: [
      { id: "before", uses: "http.count", output: "outputs.before" },
      { id: "try", uses: "http.fail-first", output: "outputs.tried" },
    ],
  }),
  defineSkill({
    id: "http.parent",
    version,
    uses: [childRuns],
    run: async (step, { count }: { readonly count: number }) =>
      Promise.all(Array.from({ length: count }, (_, index) => step.run(`child ${index}`, "http.listening"))),
  }),
  defineSkill({
    id: "http.saga",
    version,
    uses: [rollbacks],
    run: async (step) => {
      for (const name of ["reserve", "charge"]) {
        await step.do(name, async () => name, { rollback: async ({ output }) => void output });
      }
      await step.waitForApproval("ship");
    },
  }),
  defineGraphSkill({
    id: "http.sleeping",
    version,
    steps: [
      { id: "before", uses: "http.count" },
      { id: "sleep", sleep: 3_600_000 },
    ],
  }),
  defineGraphSkill({
    id: "http.retrying",
    version,
    steps: [{ id: "try", uses: "http.busy", retries: { limit: 1, delay: "1 hour" } }],
  }),
  defineGraphSkill({
    id: "http.large",
    version,
    steps: [{ id: "repeat", uses: "http.repeat", input: { length: "inputs.length" }, output: "outputs.text" }],
  }),
];
