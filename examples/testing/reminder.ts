import { defineSkill } from "../../src/index.ts";

/** Writes to a customer, and again if no payment arrives within a week. */
export const reminder = defineSkill({
  id: "invoice.remind",
  version: "1",
  async run(step, { customer }: { customer: string }) {
    await step.use("write", "mail.send", { to: customer, text: "Your invoice is ready." });
    try {
      const { payload } = await step.waitForEvent<number>("payment", { type: "paid", timeout: "7 days" });
      return { paid: payload, reminded: false };
    } catch {
      await step.use("remind", "mail.send", { to: customer, text: "Your invoice is a week old." });
      return { paid: 0, reminded: true };
    }
  },
});
