import { type Chart, shortNumber } from "./chart.ts";
import type { Phrase } from "./phrases.ts";
import type { Column, Statistics } from "./statistics.ts";

/** What the visitor approves: a report in Markdown. */
export function reportOf(name: string, statistics: Statistics, phrases: readonly Phrase[], chart: Chart): string {
  const most = Math.max(...chart.bars.map(({ value }) => value), 1);
  const bar = (value: number) => "#".repeat(Math.round((24 * value) / most));
  const longest = Math.max(...chart.bars.map(({ label }) => label.length), 0);
  return [
    `# ${name}`,
    ...summary(statistics),
    ...(phrases.length === 0
      ? []
      : [`**About:** ${phrases.map(({ phrase, count }) => `${phrase} (${count})`).join(", ")}`]),
    ...(chart.bars.length === 0
      ? []
      : [
          `## ${chart.title}`,
          chart.bars
            .map(({ label, value }) => `    ${label.padEnd(longest)}  ${bar(value)} ${shortNumber(value)}`)
            .join("\n"),
        ]),
    "",
  ].join("\n\n");
}

function summary(statistics: Statistics): readonly string[] {
  if (statistics.kind === "table") {
    const head = `${statistics.rows} rows in ${statistics.columns.length} columns.`;
    return [head, statistics.columns.map((column) => `- **${column.name}**: ${described(column)}`).join("\n")];
  }
  const { words, distinctWords, sentences, paragraphs } = statistics;
  return [`${words} words (${distinctWords} distinct) in ${sentences} sentences and ${paragraphs} paragraphs.`];
}

function described(column: Column): string {
  const empty = column.empty === 0 ? "" : `, ${column.empty} empty`;
  if (column.type === "number") {
    const { min, max, mean, median } = column;
    return `${shortNumber(min)} to ${shortNumber(max)}, mean ${shortNumber(mean)}, median ${shortNumber(median)}${empty}`;
  }
  const [first] = column.top;
  const most = first === undefined ? "" : `, most often “${first.value}” (${first.count})`;
  return `${column.distinct} different values${most}${empty}`;
}
