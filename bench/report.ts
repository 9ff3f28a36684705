import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { summaryOf } from "./summary.ts";
import { markdownTable, type Report } from "./table.ts";

/** Writes the tables of `artifacts/bench.json` into docs/bench.md and README.md, between their marks. */

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({ options: { input: { type: "string", default: `${root}artifacts/bench.json` } } });
const report = JSON.parse(await readFile(values.input, "utf8")) as Report;
const { machine, versions, tables } = report;
const ids = tables.map(({ id }) => id).join("");
if (ids !== "abcdefgh" || tables.some(({ isShort }) => isShort)) {
  throw new Error(`${values.input} has the tables ${ids}, short ones or not; measure all of them in full.`);
}

const dates = [...new Set(tables.map(({ date }) => date.slice(0, 10)))].join(" and ");
const parted = new Set(tables.map(({ command }) => command)).size === 1 ? "" : ", in parts by `--only`";
const memory = Math.floor(machine.memoryBytes / 2 ** 30);
const origin = `${dates}, \`npm run bench\`${parted}, on a ${machine.cores}-core virtual machine with ${memory} GB (${machine.platform}), Node ${machine.node}`;
const peers = [
  "@langchain/langgraph",
  "langgraph-checkpoint-cloudflare-d1",
  "openworkflow",
  "devalue",
  "idb",
  "wrangler",
];
const parts: Record<string, string> = {
  origin: `${origin}; ${peers.map((name) => `${name} ${versions[name]}`).join(", ")}.`,
  summary: `${markdownTable(summaryOf(report))}\n\nMedians of several rounds. ${origin}.`,
};
for (const table of tables) {
  parts[table.id] = `${markdownTable(table)}\n\n${table.notes.map((note) => `- ${note}`).join("\n")}`;
}

for (const file of ["docs/bench.md", "README.md"]) {
  const text = await readFile(root + file, "utf8");
  const marked = /(<!-- bench:(\w+) -->\n).*?(\n<!-- \/bench -->)/gs;
  const written = text.replace(marked, (_all, begin: string, name: string, end: string) => {
    const part = parts[name];
    if (part === undefined) throw new Error(`${file} wants a part ${name} that the bench does not have.`);
    return `${begin}\n${part}\n${end}`;
  });
  await writeFile(root + file, written);
}
