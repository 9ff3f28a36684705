import { expect, test } from "vitest";
import { assertSkill, checkSkill, mockCapabilities, type SkillCheck } from "../../src/testing/index.ts";
import { chargeCard } from "./card.ts";
import { sendMail } from "./mail.ts";
import { type Cart, order, repairedOrder } from "./order.ts";

const check = {
  inputs: { customer: "alice@example.com", amount: 12 },
  // The mocks read the key, as the real handlers do.
  capabilities: mockCapabilities([chargeCard, sendMail], {
    "card.charge": (_payment, { idempotencyKey }) => ({ receipt: idempotencyKey.length }),
    "mail.send": (_mail, { idempotencyKey }) => void idempotencyKey,
  }),
} satisfies SkillCheck<Cart>;

test("the order survives every crash", async () => {
  await assertSkill(repairedOrder, check);
});

test("the first version of the order charges twice", async () => {
  const report = await checkSkill(order, check);
  expect(report.problems).toMatchObject([
    { kind: "effect", stepId: "charge" },
    { kind: "nondeterminism", stepId: "charge" },
  ]);
});
