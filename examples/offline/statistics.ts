import { type Content, columnOf, type Prose, type Table } from "./content.ts";

export type Statistics = TableStatistics | ProseStatistics;

export interface TableStatistics {
  readonly kind: "table";
  readonly rows: number;
  readonly columns: readonly Column[];
}

export type Column = NumberColumn | TextColumn;

export interface NumberColumn {
  readonly type: "number";
  readonly name: string;
  readonly empty: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
}

export interface TextColumn {
  readonly type: "text";
  readonly name: string;
  readonly empty: number;
  readonly distinct: number;
  /** The values that come most often, the first of them first. */
  readonly top: readonly { readonly value: string; readonly count: number }[];
}

export interface ProseStatistics {
  readonly kind: "prose";
  readonly words: number;
  readonly distinctWords: number;
  readonly sentences: number;
  readonly paragraphs: number;
}

export function statisticsOf(content: Content): Statistics {
  return content.kind === "table" ? tableStatistics(content) : proseStatistics(content);
}

function tableStatistics(table: Table): TableStatistics {
  return {
    kind: "table",
    rows: table.rows.length,
    columns: table.columns.map((name) => columnStatistics(name, columnOf(table, name))),
  };
}

function columnStatistics(name: string, values: readonly string[]): Column {
  const filled = values.filter((value) => value !== "");
  const empty = values.length - filled.length;
  const numbers = numbersOf(filled);
  if (numbers.length > 0 && numbers.length === filled.length) {
    const sorted = [...numbers].sort((a, b) => a - b);
    const middle = sorted.slice(Math.floor((sorted.length - 1) / 2), Math.floor(sorted.length / 2) + 1);
    return {
      type: "number",
      name,
      empty,
      min: sorted[0] ?? 0,
      max: sorted.at(-1) ?? 0,
      mean: mean(sorted),
      median: mean(middle),
    };
  }
  const counts = new Map<string, number>();
  for (const value of filled) counts.set(value, (counts.get(value) ?? 0) + 1);
  const top = [...counts].map(([value, count]) => ({ value, count })).sort((a, b) => b.count - a.count);
  return { type: "text", name, empty, distinct: counts.size, top: top.slice(0, 8) };
}

/** The numbers among the values. A value with a decimal comma is not one, since it could also be a thousands separator. */
export function numbersOf(values: readonly string[]): readonly number[] {
  return values.filter((value) => /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value)).map(Number);
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function proseStatistics({ paragraphs }: Prose): ProseStatistics {
  const words = paragraphs.flatMap(wordsOf);
  return {
    kind: "prose",
    words: words.length,
    distinctWords: new Set(words).size,
    sentences: paragraphs.reduce((sum, paragraph) => sum + sentencesOf(paragraph).length, 0),
    paragraphs: paragraphs.length,
  };
}

export function sentencesOf(paragraph: string): readonly string[] {
  return segments(paragraph, "sentence").map(({ segment }) => segment.trim());
}

/** In lower case. */
export function wordsOf(text: string): readonly string[] {
  return segments(text, "word").flatMap(({ segment, isWordLike }) => (isWordLike ? segment.toLowerCase() : []));
}

function segments(text: string, granularity: "sentence" | "word"): readonly Intl.SegmentData[] {
  return [...new Intl.Segmenter("en", { granularity }).segment(text)];
}
