/** The text for the later steps: without line breaks, marks of emphasis and ornaments. */
export interface CleanText {
  readonly title: string;
  readonly paragraphs: readonly string[];
}

export interface Statistics {
  readonly words: number;
  readonly distinctWords: number;
  readonly sentences: number;
  readonly paragraphs: number;
  readonly wordsPerSentence: number;
}

export interface Phrase {
  readonly phrase: string;
  readonly count: number;
}

export interface ScoredSentence {
  /** Its place in the text, from 0. */
  readonly place: number;
  readonly sentence: string;
  readonly score: number;
}

/** The first line is the title; an upper-case heading and what has no sentence in it is left out. */
export function clean(raw: string): CleanText {
  const [title = "", ...blocks] = raw.replaceAll("\r\n", "\n").split(/\n{2,}/);
  const paragraphs = blocks
    .map((block) => block.replaceAll("_", "").replace(/\s+/g, " ").trim())
    .filter((block) => /[a-z][.!?”)]+(\s|$)/.test(block) && !block.startsWith("CHAPTER"));
  return { title: title.split("\n")[0]?.trim() ?? "", paragraphs };
}

export function sentencesOf({ paragraphs }: CleanText): readonly string[] {
  const segmenter = new Intl.Segmenter("en", { granularity: "sentence" });
  return paragraphs.flatMap((paragraph) => [...segmenter.segment(paragraph)].map(({ segment }) => segment.trim()));
}

export function statistics(text: CleanText): Statistics {
  const words = text.paragraphs.flatMap(wordsOf);
  const sentences = sentencesOf(text).length;
  return {
    words: words.length,
    distinctWords: new Set(words).size,
    sentences,
    paragraphs: text.paragraphs.length,
    wordsPerSentence: Math.round((10 * words.length) / sentences) / 10,
  };
}

/** Words and pairs of words without stop words in them, the most frequent first. */
export function keyPhrases(text: CleanText, limit: number): readonly Phrase[] {
  const counts = new Map<string, number>();
  const count = (phrase: string) => counts.set(phrase, (counts.get(phrase) ?? 0) + 1);
  for (const sentence of sentencesOf(text)) {
    const words = wordsOf(sentence);
    words.forEach((word, index) => {
      const next = words[index + 1];
      if (isTelling(word)) count(word);
      if (next !== undefined && isTelling(word) && isTelling(next)) count(`${word} ${next}`);
    });
  }
  // A pair says more than one of its words.
  const weight = ({ phrase, count }: Phrase) => count * (phrase.includes(" ") ? 1.5 : 1);
  return [...counts]
    .map(([phrase, count]) => ({ phrase, count }))
    .filter((phrase) => phrase.count > 1)
    .sort((a, b) => weight(b) - weight(a) || (a.phrase < b.phrase ? -1 : 1))
    .slice(0, limit);
}

/** How much of what the text is about is in a sentence, for its length. */
export function scoreOf(sentence: string, phrases: readonly Phrase[]): number {
  const words = wordsOf(sentence);
  const joined = ` ${words.join(" ")} `;
  const sum = phrases.reduce((sum, { phrase, count }) => (joined.includes(` ${phrase} `) ? sum + count : sum), 0);
  // Neither the shortest nor the longest sentence makes a good summary.
  return words.length < 12 ? 0 : Math.round((1000 * sum) / Math.sqrt(words.length)) / 1000;
}

/** A digest in Markdown: the best sentences in the order of the text. */
export function compose(
  title: string,
  statistics: Statistics,
  phrases: readonly Phrase[],
  scored: readonly ScoredSentence[],
): string {
  const best = [...scored].sort((a, b) => b.score - a.score || a.place - b.place).slice(0, 3);
  const { words, distinctWords, sentences, paragraphs, wordsPerSentence } = statistics;
  return [
    `# ${title}`,
    `${words} words (${distinctWords} distinct) in ${sentences} sentences and ${paragraphs} paragraphs, ${wordsPerSentence} words a sentence.`,
    `**About:** ${phrases.map(({ phrase, count }) => `${phrase} (${count})`).join(", ")}.`,
    ...best.sort((a, b) => a.place - b.place).map(({ sentence }) => `> ${sentence}`),
    "",
  ].join("\n\n");
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[a-z]+(?:[’'-][a-z]+)*/g) ?? [];
}

function isTelling(word: string): boolean {
  return word.length > 2 && !stopWords.has(word);
}

const stopWords: ReadonlySet<string> = new Set(
  `about after again all and any are aloud among another before began begin behind but came can come could did didn’t does
  down either else even ever fell felt few for found from get getting got had has have hear her here herself how i’m i’ve
  if into it’ll it’s its itself just knew know let like little looked made make many matter might moment much never
  not nothing now off once one only other out over own part past perhaps please put quite rather said same saw
  say saying see seemed shall she she’ll should side some somewhere soon still such suddenly than that that’s the their them then
  there there’s these they they’ll they’re think this thought through time too took tried two under up upon very want
  was way well went were what when whether which while who why will wish with wonder would yet you you’re your`.split(
    /\s+/,
  ),
);
