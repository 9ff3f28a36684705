import {
  type AnyCapability,
  defineCapability,
  defineGraphSkill,
  defineSkill,
  literal,
  type Schema,
  type Skill,
} from "../../../src/index.ts";
import { approvals, childRuns, outputs, rollbacks } from "../../../src/steps.ts";

// Skills whose runs have something to show: steps side by side, attempts that fail, effects, waits for people and signals.

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

interface Paced {
  readonly paceMs?: number;
}

const work = <Output>(id: string, output: (input: never) => Output, share = 1): AnyCapability =>
  defineCapability({ id, version: "1.0.0" }, async (input: Paced) => {
    await pause((input.paceMs ?? 0) * share);
    return output(input as never);
  });

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

const pace = { paceMs: "inputs.pace_ms" };

export const skills: readonly Skill[] = [
  defineGraphSkill({
    id: "report.weekly",
    version: "2.1.0",
    description: "Collects the figures of a week, and sends a report once a person has read it.",
    steps: [
      { id: "collect", uses: "figures.collect", input: { ...pace, week: "inputs.week" }, output: "vars.raw" },
      {
        id: "sales",
        uses: "figures.sales",
        dependsOn: ["collect"],
        input: { ...pace, raw: "vars.raw" },
        output: "vars.sales",
      },
      {
        id: "traffic",
        uses: "figures.traffic",
        dependsOn: ["collect"],
        input: { ...pace, raw: "vars.raw" },
        output: "vars.traffic",
      },
      { id: "reviews", uses: "figures.reviews", dependsOn: ["collect"], input: pace, output: "vars.reviews" },
      {
        id: "announce",
        uses: "desk.announce",
        dependsOn: ["collect"],
        input: { ...pace, week: "inputs.week" },
        output: "vars.announcement",
      },
      {
        id: "compose",
        uses: "report.compose",
        dependsOn: ["sales", "traffic", "reviews", "announce"],
        input: {
          ...pace,
          sales: "vars.sales",
          traffic: "vars.traffic",
          reviews: "vars.reviews",
          title: "inputs.title",
        },
        output: "vars.report",
      },
      {
        id: "send",
        uses: "mail.send",
        input: { ...pace, report: "vars.report", to: "inputs.to" },
        output: "outputs.receipt",
      },
    ],
  }),
  defineSkill({
    id: "order.ship",
    version: "1.0.0",
    run: async (step, inputs) => {
      const order = await step.do("reserve", async () => ({ ...(inputs as object), shelf: "B-12" }));
      const paid = await step.waitForEvent<{ amount: number }>("payment", { type: "paid", timeout: "7 days" });
      await step.sleep("cool off", 300);
      return step.do("ship", async () => ({ order, amount: paid.payload.amount, parcel: "P-4711" }));
    },
  }),
  defineSkill({
    id: "desk.refund",
    version: "1.0.0",
    uses: [approvals({ manager: amountAnswer })],
    run: async (step, { order }: { readonly order: string }) => {
      const { data } = await step.waitForApproval("manager", { show: { order, reason: "It arrived broken." } });
      return data;
    },
  }),
  defineSkill({
    id: "desk.nap",
    version: "1.0.0",
    run: async (step) => step.sleep("nap", "1 hour"),
  }),
  defineSkill<{ readonly gate: string }, string>({
    id: "desk.gate",
    version: "1.0.0",
    run: async (step, { gate }) => {
      await step.waitForApproval(gate);
      return "open";
    },
  }),
  defineSkill({ id: "letters.write", version: "1.0.0", run: async (_step, { to }: { to: number }) => `Dear ${to}` }),
  defineSkill({
    id: "letters.send",
    version: "1.0.0",
    uses: [childRuns],
    run: (step) => Promise.all([1, 2].map((to) => step.run(`letter ${to}`, "letters.write", { to }))),
  }),
  defineSkill({
    id: "trip.book",
    version: "1.0.0",
    uses: [rollbacks],
    run: async (step) => {
      const undo = { rollback: async () => void (await pause(1)) };
      await step.do("flight", async () => "OSL", undo);
      await step.do("hotel", async () => "two nights", undo);
      await step.do("flight", async () => "home", undo);
      await step.do("pay", { retries: { limit: 0, delay: 0 } }, async () => {
        throw new Error("the card was declined");
      });
    },
  }),
  defineSkill({
    id: "story.tell",
    version: "1.0.0",
    uses: [outputs],
    run: (step, { words = 4, pace_ms = 0 }: { readonly words?: number; readonly pace_ms?: number }) =>
      step.do("tell", { retries: { limit: 1, delay: 1 } }, async ({ output, publish, attempt }) => {
        for (let word = 1; word <= words; word++) {
          publish({ told: word, of: words });
          await output.write(`word ${word}, `);
          await pause(pace_ms);
        }
        await output.flush();
        if (attempt === 1) throw new Error("the story was lost");
        await output.write({ end: true });
        return words;
      }),
  }),
  defineGraphSkill({
    id: "catalog.import",
    version: "1.0.0",
    steps: [
      { id: "fetch", uses: "figures.collect", input: { ...pace, week: literal(0) }, output: "vars.raw" },
      { id: "parse", uses: "catalog.parse", input: pace, output: "vars.items" },
    ],
  }),
  defineGraphSkill({
    id: "slow.walk",
    version: "1.0.0",
    steps: Array.from({ length: 40 }, (_, index) => ({
      id: `pace-${index + 1}`,
      uses: "walk.step",
      input: pace,
      output: `vars.at_${index + 1}`,
    })),
  }),
];

export const capabilities: readonly AnyCapability[] = [
  work("figures.collect", ({ week }: { week: number }) => ({
    week,
    rows: 1_284,
    source: "warehouse",
    days: ["Mon", "Tue", "Wed", "Thu", "Fri"],
  })),
  work(
    "figures.sales",
    () => ({ total: 48_210.5, currency: "EUR", best: { product: "Harbour lamp", units: 312 }, returns: 17 }),
    2.4,
  ),
  work(
    "figures.traffic",
    () => ({ visits: 91_422, bounce: 0.31, sources: { search: 51_200, direct: 28_100, mail: 12_122 } }),
    1.6,
  ),
  defineCapability(
    { id: "figures.reviews", version: "1.0.0", retries: { limit: 2, delay: 250 } },
    async ({ paceMs = 0 }: Paced, { attempt }) => {
      await pause(paceMs * 0.7);
      if (attempt === 1) throw new Error("the review service answered 503");
      return { count: 42, mean: 4.6, worst: "The parcel came wet." };
    },
  ),
  defineCapability(
    { id: "desk.announce", version: "1.0.0", sideEffects: "external_action" },
    async ({ paceMs = 0, week }: Paced & { week: number }, { idempotencyKey }) => {
      await pause(paceMs * 0.5);
      return { message: `The report of week ${week} is under way.`, key: idempotencyKey };
    },
  ),
  work(
    "report.compose",
    ({ title }: { title: string }) => ({
      title,
      pages: 6,
      lead: "Sales were up by 12 % on last week, carried by a single product.",
    }),
    1.2,
  ),
  defineCapability(
    { id: "mail.send", version: "1.0.0", sideEffects: "external_action", requiresConfirmation: true },
    async ({ paceMs = 0, to }: Paced & { to: string }) => {
      await pause(paceMs * 0.8);
      return { accepted: [to], id: "<2026-47@mail>" };
    },
  ),
  defineCapability({ id: "catalog.parse", version: "1.0.0" }, async ({ paceMs = 0 }: Paced) => {
    await pause(paceMs);
    throw new Error("line 118: a price is missing");
  }),
  work("walk.step", () => new Date(0)),
];
