import { defineSkill } from "../../src/index.ts";

interface Cart {
  readonly customer: string;
  readonly amount: number;
}

/** Charges a card and says so. It has a bug, which `checkSkill` finds. */
export const order = defineSkill({
  id: "shop.order",
  version: "1",
  async run(step, { customer, amount }: Cart) {
    const orderedAt = new Date().toISOString();
    await step.use("charge", "card.charge", { customer, amount, orderedAt });
    await step.use("confirm", "mail.send", { to: customer, text: `You paid ${amount}.` });
    return { paid: amount };
  },
});

/** The same without the bug: the time comes from a step, so that it is the same in every pass. */
export const repairedOrder = defineSkill({
  id: "shop.order",
  version: "1",
  async run(step, { customer, amount }: Cart) {
    const orderedAt = await step.do("now", { sideEffects: "read" }, async () => new Date().toISOString());
    await step.use("charge", "card.charge", { customer, amount, orderedAt });
    await step.use("confirm", "mail.send", { to: customer, text: `You paid ${amount}.` });
    return { paid: amount };
  },
});
