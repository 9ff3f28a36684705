import { readFileSync, writeFileSync } from "node:fs";
import { type PublicName, publicNames } from "./api.ts";
import { declarations } from "./declarations.ts";

/** Names without a docstring: the page would have nothing to say about them. */
export function unexplained(names: readonly PublicName[]): readonly string[] {
  return names.flatMap(({ door, name, docstring }) => (firstSentence(docstring) === "" ? [`${door}: ${name}`] : []));
}

/**
 * The page of names: the headings and the text before each table as they are in `page`, and in each table the names that
 * the door exports, with the first sentence of their docstrings.
 */
export function namesPage(page: string, names: readonly PublicName[]): string {
  const [head = "", ...sections] = page.split(/^## /m);
  const doors = [...new Set(names.map(({ door }) => door))];
  const texts = doors.map((door) => {
    const section = sections.find((one) => one.startsWith(`\`${door}\`\n`)) ?? `\`${door}\`\n\n`;
    const before = section.replace(/^\|.*\n?/gm, "").trimEnd();
    const rows = names
      .filter((one) => one.door === door)
      // By name: the order of exports changes when a name moves to another file.
      .toSorted((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
      .map(({ name, docstring }) => `| \`${name}\` | ${firstSentence(docstring).replaceAll("|", "\\|")} |\n`);
    return `## ${before}\n\n| name | what it is |\n|---|---|\n${rows.join("")}`;
  });
  return [head, texts.join("\n")].join("");
}

/** The first sentence of a docstring, as Markdown on one line, without its full stop. */
export function firstSentence(docstring: string): string {
  const [text = ""] = docstring.trimStart().split(/^@|\n\n/m);
  const line = text
    .replaceAll(/\{@link ([^}]+)\}/g, "`$1`")
    .replaceAll(/\s+/g, " ")
    .trim();
  return /^.*?(?=\.(?: [A-Z`<]|$))/.exec(line)?.[0] ?? line;
}

if (import.meta.main) {
  const names = publicNames(await declarations());
  const silent = unexplained(names);
  if (silent.length > 0) throw new Error(`these names have no docstring: ${silent.join(", ")}`);
  writeFileSync("docs/names.md", namesPage(readFileSync("docs/names.md", "utf8"), names));
}
