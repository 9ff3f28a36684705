import { type Content, columnOf } from "./content.ts";
import type { Phrase } from "./phrases.ts";
import { type NumberColumn, numbersOf, type Statistics } from "./statistics.ts";

/** Bars, from left to right or from the top down. */
export interface Chart {
  readonly title: string;
  readonly bars: readonly { readonly label: string; readonly value: number }[];
}

const bins = 10;

/** The distribution of the column of numbers that varies most; the key phrases if there is none. */
export function chartOf(content: Content, statistics: Statistics, phrases: readonly Phrase[]): Chart {
  if (content.kind === "table" && statistics.kind === "table") {
    const column = mostSpread(statistics.columns.filter((column) => column.type === "number"));
    if (column !== undefined) return histogram(column, numbersOf(columnOf(content, column.name)));
    const [text] = statistics.columns.filter((column) => column.type === "text");
    if (text !== undefined && phrases.length === 0) {
      return { title: text.name, bars: text.top.map(({ value, count }) => ({ label: value, value: count })) };
    }
  }
  return { title: "Key phrases", bars: phrases.map(({ phrase, count }) => ({ label: phrase, value: count })) };
}

function mostSpread(columns: readonly NumberColumn[]): NumberColumn | undefined {
  const spread = ({ min, max, mean }: NumberColumn) => (max - min) / (Math.abs(mean) || 1);
  return [...columns].filter(({ min, max }) => max > min).sort((a, b) => spread(b) - spread(a))[0];
}

function histogram({ name, min, max }: NumberColumn, numbers: readonly number[]): Chart {
  const width = (max - min) / bins;
  const counts = Array.from({ length: bins }, () => 0);
  for (const number of numbers) {
    const bin = Math.min(Math.floor((number - min) / width), bins - 1);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const bars = counts.map((value, bin) => ({ label: `from ${shortNumber(min + bin * width)}`, value }));
  return { title: `How often ${name} is …`, bars };
}

/** A number in as few digits as distinguish it from the others. */
export function shortNumber(number: number): string {
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 4, useGrouping: false }).format(number);
}
