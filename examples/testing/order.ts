import { defineSkill } from "../../src/index.ts";

export interface Cart {
  readonly customer: string;
  readonly amount: number;
}

/** Charges a card and confirms it by mail. It has a bug, which `checkSkill` finds. */
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

/** The order without the bug: the time comes from a step, so it is the same in every pass. */
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
