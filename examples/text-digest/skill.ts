import { type AnyCapability, defineCapability, defineGraphSkill, literal, type StepContext } from "../../src/index.ts";
import {
  type CleanText,
  clean,
  compose,
  keyPhrases,
  type Phrase,
  type ScoredSentence,
  type Statistics,
  scoreOf,
  sentencesOf,
  statistics,
} from "./text.ts";

/** What the skill needs from where it is executed: a Worker in the demo, a page in the browser example. */
export interface Surroundings {
  read(address: string, context: StepContext): Promise<string>;
  publish(report: string, context: StepContext): Promise<Receipt>;
  /** Called by each handler when it begins and when it ends, so that what was really executed is known outside. */
  witness(moment: "begins" | "ends", context: StepContext): Promise<void>;
  /** The shortest time of a step. The computation takes a millisecond, which is too short to watch. */
  readonly paceMs: { readonly short: number; readonly long: number };
}

export interface Receipt {
  readonly place: string;
  readonly bytes: number;
}

/** Seven steps: `statistics` and `phrases` run side by side, and `publish` waits for a person. */
export const textDigest = defineGraphSkill({
  id: "text.digest",
  version: "1.0.0",
  description: "Reads a text and publishes a digest of it.",
  steps: [
    { id: "read", uses: "text.read", input: { address: "inputs.address" }, output: "vars.raw" },
    { id: "clean", uses: "text.clean", input: { raw: "vars.raw" }, output: "vars.text" },
    {
      id: "statistics",
      uses: "text.statistics",
      dependsOn: ["clean"],
      input: { text: "vars.text" },
      output: "vars.statistics",
    },
    {
      id: "phrases",
      uses: "text.phrases",
      dependsOn: ["clean"],
      input: { text: "vars.text", limit: literal(8) },
      output: "vars.phrases",
    },
    {
      id: "score",
      uses: "text.score",
      dependsOn: ["statistics", "phrases"],
      input: { text: "vars.text", phrases: "vars.phrases" },
      output: "vars.scored",
    },
    {
      id: "compose",
      uses: "text.compose",
      input: {
        title: "vars.text.title",
        statistics: "vars.statistics",
        phrases: "vars.phrases",
        scored: "vars.scored",
      },
      output: "outputs.report",
    },
    { id: "publish", uses: "text.publish", input: { report: "outputs.report" }, output: "outputs.receipt" },
  ],
});

/** The capabilities that the skill uses, bound to where it is executed. */
export function digestCapabilities(surroundings: Surroundings): readonly AnyCapability[] {
  const { read, publish, witness, paceMs } = surroundings;

  /** The handler, slowed down and reported. */
  function paced<Input, Output>(ms: number, handler: (input: Input, context: StepContext) => Output | Promise<Output>) {
    return async (input: Input, context: StepContext): Promise<Output> => {
      await witness("begins", context);
      const output = await handler(input, context);
      await pause(ms, context.signal);
      await witness("ends", context);
      return output;
    };
  }

  return [
    defineCapability(
      {
        id: "text.read",
        version: "1.0.0",
        sideEffects: "read",
        timeout: 5_000,
        retries: { limit: 2, delay: 500 },
      },
      paced(paceMs.short, ({ address }: { address: string }, context) => read(address, context)),
    ),
    defineCapability(
      { id: "text.clean", version: "1.0.0" },
      paced(paceMs.short, ({ raw }: { raw: string }) => clean(raw)),
    ),
    defineCapability(
      { id: "text.statistics", version: "1.0.0" },
      paced(paceMs.short, ({ text }: { text: CleanText }) => statistics(text)),
    ),
    defineCapability(
      { id: "text.phrases", version: "1.0.0" },
      paced(paceMs.short, ({ text, limit }: { text: CleanText; limit: number }) => keyPhrases(text, limit)),
    ),
    defineCapability(
      { id: "text.score", version: "1.0.0" },
      paced(paceMs.long, ({ text, phrases }: { text: CleanText; phrases: readonly Phrase[] }) =>
        sentencesOf(text).map(
          (sentence, place): ScoredSentence => ({ place, sentence, score: scoreOf(sentence, phrases) }),
        ),
      ),
    ),
    defineCapability(
      { id: "text.compose", version: "1.0.0" },
      paced(paceMs.short, ({ title, statistics, phrases, scored }: DigestParts) =>
        compose(title, statistics, phrases, scored),
      ),
    ),
    defineCapability(
      { id: "text.publish", version: "1.0.0", sideEffects: "external_action", requiresConfirmation: true },
      paced(paceMs.short, ({ report }: { report: string }, context) => publish(report, context)),
    ),
  ];
}

interface DigestParts {
  readonly title: string;
  readonly statistics: Statistics;
  readonly phrases: readonly Phrase[];
  readonly scored: readonly ScoredSentence[];
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
