import { type AnyCapability, defineCapability, defineGraphSkill, type Skill } from "../../src/index.ts";

const draft = defineCapability({ id: "letter.draft", version: "1" }, ({ to }: { to: string }) => `Dear ${to}, …`);
const send = defineCapability(
  { id: "letter.send", version: "1", requiresConfirmation: true, sideEffects: "external_action" },
  ({ text }: { text: string }, { idempotencyKey }) => `sent ${text.length} characters as ${idempotencyKey}`,
);

export const capabilities: readonly AnyCapability[] = [draft, send];
export const skills: readonly Skill[] = [
  defineGraphSkill({
    id: "letter",
    version: "1",
    steps: [
      { id: "draft", uses: "letter.draft", input: { to: "inputs.to" }, output: "vars.text" },
      { id: "send", uses: "letter.send", input: { text: "vars.text" }, output: "outputs.receipt" },
    ],
  }),
];
