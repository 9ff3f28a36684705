import { defineCapability } from "../../src/index.ts";

/** Charges a card. The payment service treats two requests with one idempotency key as one. */
export const chargeCard = defineCapability(
  { id: "card.charge", version: "1", sideEffects: "external_action" },
  async (payment: { customer: string; amount: number; orderedAt: string }, { idempotencyKey, signal }) => {
    const headers = { "idempotency-key": idempotencyKey };
    const body = JSON.stringify(payment);
    const response = await fetch("https://card.example/v1/charges", { method: "POST", headers, body, signal });
    if (!response.ok) throw new Error(`the payment service answered ${response.status}`);
    return (await response.json()) as { receipt: string };
  },
);
