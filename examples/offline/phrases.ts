import type { Content } from "./content.ts";
import type { Settings } from "./settings.ts";
import { numbersOf, sentencesOf, wordsOf } from "./statistics.ts";

export interface Phrase {
  readonly phrase: string;
  readonly count: number;
}

/** Words and pairs of words that say what a text is about, the most significant first. */
export function keyPhrases(content: Content, { phrases, minLetters }: Settings): readonly Phrase[] {
  const counts = new Map<string, number>();
  const count = (phrase: string) => counts.set(phrase, (counts.get(phrase) ?? 0) + 1);
  const isTelling = (word: string) => word.length >= minLetters && !stopWords.has(word) && /\p{L}/u.test(word);
  for (const sentence of textsOf(content)) {
    const words = wordsOf(sentence);
    words.forEach((word, index) => {
      if (!isTelling(word)) return;
      count(word);
      const next = words[index + 1];
      if (next !== undefined && isTelling(next)) count(`${word} ${next}`);
    });
  }
  // A pair says more than one of its words.
  const weight = ({ phrase, count }: Phrase) => count * (phrase.includes(" ") ? 1.5 : 1);
  return [...counts]
    .map(([phrase, count]) => ({ phrase, count }))
    .filter(({ count }) => count > 1)
    .sort((a, b) => weight(b) - weight(a) || (a.phrase < b.phrase ? -1 : 1))
    .slice(0, phrases);
}

/** The sentences of a prose, or the texts in a table. */
function textsOf(content: Content): readonly string[] {
  if (content.kind === "prose") return content.paragraphs.flatMap(sentencesOf);
  return content.rows.flatMap((row) => row.filter((value) => value !== "" && numbersOf([value]).length === 0));
}

const stopWords: ReadonlySet<string> = new Set(
  `a about above after again against all also am an and any are as at be because been before being below between both but by
  can could did do does doing down during each few for from further had has have having he her here hers herself him himself
  his how i if in into is it its itself just like me more most must my myself no nor not now of off on once only or other our
  ours out over own quite said same shall she should so some such than that the their theirs them themselves then there these
  they this those through to too under until up upon very was we well were what when where which while who whom why will with
  would you your yours yourself`.split(/\s+/),
);
