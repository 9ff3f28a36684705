import { defineCapability } from "../../src/index.ts";

/** Hands a mail to the service that sends it. */
export const sendMail = defineCapability(
  { id: "mail.send", version: "1", sideEffects: "external_action", retries: { limit: 2, delay: 60_000 } },
  async (mail: { to: string; text: string }, { idempotencyKey, signal }) => {
    const headers = { "idempotency-key": idempotencyKey };
    const body = JSON.stringify(mail);
    const response = await fetch("https://mail.example/v1/send", { method: "POST", headers, body, signal });
    if (!response.ok) throw new Error(`the mail service answered ${response.status}`);
  },
);
