import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { budgetsOf } from "./budgets.ts";
import { summaryOf } from "./summary.ts";
import { cellText, markdownTable, type Report } from "./table.ts";

/** Writes the tables of `artifacts/bench.json` into docs/bench.md and README.md, between their marks. */

const root = fileURLToPath(new URL("..", import.meta.url));
const { values } = parseArgs({
  options: {
    input: { type: "string", default: `${root}artifacts/bench.json` },
    // What a reader must know about this run, such as that the machine was busy.
    remark: { type: "string" },
  },
});
const report = JSON.parse(await readFile(values.input, "utf8")) as Report;
const { machine, versions, tables } = report;
if (tables.some(({ isShort }) => isShort))
  throw new Error(`${values.input} is from a short run; run the full bench first.`);

const dates = [...new Set(tables.map(({ date }) => date.slice(0, 10)))].join(" and ");
const parted = new Set(tables.map(({ command }) => command)).size === 1 ? "" : ", in parts by `--only`";
const memory = Math.floor(machine.memoryBytes / 2 ** 30);
const origin = `${dates}, \`npm run bench\`${parted}, on a ${machine.cores}-core virtual machine with ${memory} GB (${machine.platform}), Node ${machine.node}`;
const rounds = tables.flatMap(({ rows }) =>
  rows.flatMap((row) => Object.values(row).flatMap((cell) => (cell instanceof Object ? cell.rounds : []))),
);
const remark = values.remark === undefined ? "" : ` ${values.remark}`;
const peers = [
  "@langchain/langgraph",
  "@langchain/langgraph-checkpoint-sqlite",
  "langgraph-checkpoint-cloudflare-d1",
  "openworkflow",
  "devalue",
  "idb",
  "wrangler",
];
const budgets = budgetsOf(report);
const missing = budgets.rows.filter(({ figure }) => figure === cellText(null, undefined));
if (missing.length > 0)
  throw new Error(`The tables have no figure for: ${missing.map(({ what }) => what).join("; ")}.`);
const parts: Record<string, string> = {
  origin: `${origin}; ${peers.map((name) => `${name} ${versions[name]}`).join(", ")}.${remark}`,
  budgets: markdownTable(budgets),
  summary: `${markdownTable(summaryOf(report))}\n\nMedians of ${Math.min(...rounds)} to ${Math.max(...rounds)} rounds. ${origin}.${remark}`,
};
for (const table of tables) {
  parts[table.id] = `${markdownTable(table)}\n\n${table.notes.map((note) => `- ${note}`).join("\n")}`;
}

for (const file of ["docs/bench.md", "README.md"]) {
  const text = await readFile(root + file, "utf8");
  const marked = /(<!-- bench:(\w+) -->\n).*?(<!-- \/bench -->)/gs;
  const written = text.replace(marked, (_all, begin: string, name: string, end: string) => {
    const part = parts[name];
    if (part === undefined) throw new Error(`${file} expects a part ${name}, which the bench does not have.`);
    return `${begin}\n${part}\n\n${end}`;
  });
  await writeFile(root + file, written);
}
