import { defineSkill, type StepConfig } from "../../src/index.ts";

/** A file in the form of the run's input. */
export interface Upload {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Sends a file once it is approved. Without a network it waits, for days if needed: nothing is lost. */
export const upload = defineSkill({
  id: "upload",
  version: "1",
  async run(step, { name, bytes }: Upload) {
    const digest = await step.do("digest", async () => hex(await crypto.subtle.digest("SHA-256", bytes)));
    await step.waitForApproval("send it");
    return step.do("send", sending, async ({ signal, idempotencyKey }) => {
      const headers = { "idempotency-key": idempotencyKey, "x-digest": digest };
      const to = `/uploads/${encodeURIComponent(name)}`;
      const { ok, status } = await fetch(to, { method: "PUT", body: bytes, signal, headers });
      if (!ok) throw new Error(`the server answered ${status}`);
      return { to, digest };
    });
  },
});

// The server takes a second request under the same key for the first.
const sending: StepConfig = {
  sideEffects: "external_action",
  isIdempotent: true,
  retries: { limit: 10_000, delay: "1 second", backoff: "exponential", maxDelay: "10 seconds" },
};

function hex(digest: ArrayBuffer): string {
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
