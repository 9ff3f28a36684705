import { defineCapability, defineGraphSkill, defineSkill, type RuntimeOptions } from "../../../src/index.ts";

const hourMs = 60 * 60 * 1000;

/** The skills of the stored runs, as they have been since. `sent` is what they did to the world. */
export function storedSkills() {
  const sent: string[] = [];
  let isDown = true;
  const capabilities = [
    defineCapability({ id: "mail", version: "1", sideEffects: "external_action" }, (input) => {
      sent.push(JSON.stringify(input));
      return { at: new Date(0), to: new Map([["ann", 1n]]), size: new Uint8Array([1, 2, 3]) };
    }),
    defineCapability({ id: "publish", version: "1", requiresConfirmation: true }, () => "published"),
    defineCapability({ id: "flaky", version: "1" }, () => {
      if (isDown) throw new TypeError("it is down", { cause: new AggregateError([new Error("a"), 1], "both") });
      return "it is up";
    }),
  ];
  const skills = [
    defineSkill<{ words: string[] }, unknown>({
      id: "letters",
      version: "1",
      run: async (step, { words }) => {
        const letters: unknown[] = [];
        for (const [index, word] of words.entries()) letters.push(await step.use(`send ${index}`, "mail", { word }));
        const last = await step.do("sign", async () => ({
          odd: [undefined, -0, Number.NaN, "\ud800"],
          by: new Set(["ann"]),
        }));
        return { letters, last };
      },
    }),
    defineGraphSkill({
      id: "gates",
      version: "1",
      steps: [
        { id: "publish", uses: "publish", dependsOn: [], output: "outputs.published" },
        { id: "listen", waitFor: { signal: "go", timeout: 100 * hourMs }, dependsOn: [], output: "vars.heard" },
        { id: "nap", sleep: hourMs, dependsOn: [] },
        { id: "try", uses: "flaky", dependsOn: [], retries: { limit: 4, delay: hourMs }, output: "vars.tried" },
        { id: "after", uses: "mail", dependsOn: ["publish", "listen", "nap", "try"], input: "vars.heard" },
      ],
    }),
    defineGraphSkill({ id: "failing", version: "1", steps: [{ id: "try", uses: "flaky", output: "outputs.tried" }] }),
  ];
  const repair = () => {
    isDown = false;
  };
  return { sent, repair, hourMs, options: { capabilities, skills } satisfies Partial<RuntimeOptions> };
}
