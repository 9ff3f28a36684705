import { defineCapability, defineGraphSkill } from "../../../src/index.ts";
import { createWorker, type Env } from "../../../worker/cloudflare/index.ts";

interface LoadEnv extends Env {
  /** The server that counts the effects. */
  readonly OUTSIDE_URL: string;
}

const letter = defineGraphSkill({
  id: "letter",
  version: "1",
  steps: [
    { id: "draft", uses: "draft", input: { to: "inputs.to" }, output: "vars.text" },
    { id: "send", uses: "send", input: { text: "vars.text" }, output: "outputs.receipt" },
    { id: "file", uses: "draft", input: { to: "vars.text" } },
  ],
});

export default createWorker<LoadEnv>({
  skills: [letter],
  capabilities: ({ OUTSIDE_URL }) => [
    defineCapability({ id: "draft", version: "1" }, ({ to }: { to: string }) => `Dear ${to}, …`),
    defineCapability({ id: "send", version: "1", sideEffects: "external_action" }, async (_, { idempotencyKey }) => {
      const response = await fetch(OUTSIDE_URL, { method: "POST", body: idempotencyKey });
      if (!response.ok) throw new Error(`the outside server answered with ${response.status}`);
      return idempotencyKey;
    }),
  ],
});
