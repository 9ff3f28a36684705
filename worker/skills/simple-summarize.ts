import * as v from "valibot";
import { type AnyCapability, defineCapability, defineGraphSkill } from "../../src/index.ts";

/** Summarizes a text with its own sentences. */
export const summarizeSkill = defineGraphSkill({
  id: "text.simple-summarize",
  version: "1.0.0",
  description: "Summarizes a text by its own most telling sentences.",
  inputs: v.object({ text: v.string(), max_length: v.optional(v.pipe(v.number(), v.minValue(1))) }),
  steps: [
    { id: "split", uses: "text.content.sentences", input: { text: "inputs.text" }, output: "vars.sentences" },
    { id: "rank", uses: "text.content.rank", input: { sentences: "vars.sentences" }, output: "vars.ranks" },
    {
      id: "summarize",
      uses: "text.content.summarize",
      input: { sentences: "vars.sentences", ranks: "vars.ranks", max_length: "inputs.max_length" },
      output: "outputs.summary",
    },
  ],
});

interface RankedText {
  readonly sentences: readonly string[];
  readonly ranks: readonly number[];
  readonly max_length?: number;
}

export const summarizeCapabilities: readonly AnyCapability[] = [
  defineCapability(
    { id: "text.content.sentences", version: "1.0.0", description: "The sentences of a text, in their order." },
    ({ text }: { readonly text: string }) =>
      text
        .split(/(?<=[.!?…])\s+/)
        .map((sentence) => sentence.replace(/\s+/g, " ").trim())
        .filter((sentence) => sentence !== ""),
  ),
  defineCapability(
    {
      id: "text.content.rank",
      version: "1.0.0",
      description: "How much each sentence says of what the text repeats: the mean frequency of its longer words.",
    },
    ({ sentences }: { readonly sentences: readonly string[] }) => {
      const frequency = new Map<string, number>();
      for (const word of sentences.flatMap(longerWords)) frequency.set(word, (frequency.get(word) ?? 0) + 1);
      return sentences.map((sentence) => {
        const words = longerWords(sentence);
        const sum = words.reduce((sum, word) => sum + (frequency.get(word) ?? 0), 0);
        return words.length === 0 ? 0 : sum / words.length;
      });
    },
  ),
  defineCapability(
    {
      id: "text.content.summarize",
      version: "1.0.0",
      description: "The sentences of the highest rank that fit together, in their order.",
    },
    ({ sentences, ranks, max_length = 280 }: RankedText) => {
      const byRank = sentences.map((_, index) => index).sort((a, b) => (ranks[b] ?? 0) - (ranks[a] ?? 0));
      const chosen = new Set<number>();
      let length = -1;
      for (const index of byRank) {
        const more = (sentences[index] ?? "").length + 1;
        if (length + more > max_length) continue;
        chosen.add(index);
        length += more;
      }
      const summary = sentences.filter((_, index) => chosen.has(index)).join(" ");
      // If no sentence fits, the beginning of the best one.
      return summary === "" ? (sentences[byRank[0] ?? 0] ?? "").slice(0, max_length) : summary;
    },
  ),
];

function longerWords(sentence: string): string[] {
  return sentence.toLowerCase().match(/\p{L}{4,}/gu) ?? [];
}
