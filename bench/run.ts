import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Bench } from "./bench.ts";
import { bills } from "./bills.ts";
import { budgetsOf } from "./budgets.ts";
import { codec } from "./codec.ts";
import { commit } from "./commit.ts";
import { flat } from "./flat.ts";
import { growing } from "./growing.ts";
import { http } from "./http.ts";
import { inspector } from "./inspector.ts";
import { load } from "./load.ts";
import { Media } from "./media.ts";
import { pages } from "./pages.ts";
import { size } from "./size.ts";
import { small } from "./small.ts";
import { type MeasuredTable, plainTable, type Report, type Table } from "./table.ts";

const benches: readonly Bench[] = [growing, commit, load, pages, codec, size, bills, inspector, small, flat, http];

const { values } = parseArgs({
  options: {
    short: { type: "boolean", default: false },
    only: { type: "string" },
    output: { type: "string" },
  },
});

const wanted = values.only?.split(",") ?? benches.map(({ id }) => id);
const unknown = wanted.filter((id) => benches.every((bench) => bench.id !== id));
if (unknown.length > 0) {
  console.error(`Unknown table ${unknown.join(", ")}; expected one of ${benches.map(({ id }) => id).join(", ")}.`);
  process.exit(2);
}

// A short run does not replace the file of a full run.
const file = values.short ? "bench.short.json" : "bench.json";
const output = values.output ?? fileURLToPath(new URL(`../artifacts/${file}`, import.meta.url));
const command = ["npm run bench", ...(process.argv.length > 2 ? ["--", ...process.argv.slice(2)] : [])].join(" ");
const date = new Date().toISOString();
const started = performance.now();
const versions = await installedVersions();
const machine = {
  cores: availableParallelism(),
  memoryBytes: totalmem(),
  platform: `${process.platform} ${process.arch}`,
  node: process.versions.node,
};
await mkdir(dirname(output), { recursive: true });

const media = new Media();
let tables = await earlierTables();
try {
  for (const bench of benches) {
    if (!wanted.includes(bench.id)) continue;
    const begun = performance.now();
    const measured = await bench.measure(media, values.short ? "short" : "full");
    const { id, title } = bench;
    const table = { id, title, ...measured, date, command, seconds: seconds(begun), isShort: values.short };
    expectWhole(table);
    console.log(`${plainTable(table)}\n  (measured in ${table.seconds} s)\n`);
    tables = [...tables.filter((one) => one.id !== id), table].toSorted((a, b) => a.id.localeCompare(b.id));
    // Written after each table, since a run takes minutes and may be stopped.
    const report: Report = { machine, versions, tables };
    await writeFile(output, `${JSON.stringify(report, undefined, 2)}\n`);
  }
} finally {
  await media.close();
}
const budgets = budgetsOf({ machine, versions, tables });
if (!values.short) {
  console.log(
    `${plainTable({ id: "budgets", title: "The goals, with the figures of these tables", notes: [], ...budgets })}\n`,
  );
}
console.log(`Measured in ${seconds(started)} s; ${output} has the tables.`);

/** The tables of an earlier run that this run does not measure again. */
async function earlierTables(): Promise<readonly MeasuredTable[]> {
  if (values.only === undefined || !existsSync(output)) return [];
  return (JSON.parse(await readFile(output, "utf8")) as Report).tables;
}

/** Checks that every row has its words and every number is a number. Whether a number is good is not checked. */
function expectWhole({ id, columns, rows }: Table): void {
  if (rows.length === 0) throw new Error(`Table ${id} has no rows.`);
  for (const row of rows) {
    for (const { key, unit } of columns) {
      const cell = row[key];
      const numbers = typeof cell === "object" && cell !== null ? [cell.min, cell.median] : [cell];
      const isWhole =
        unit === undefined
          ? typeof cell === "string"
          : numbers.every((number) => number === undefined || number === null || Number.isFinite(number));
      if (!isWhole) throw new Error(`Table ${id} has ${JSON.stringify(cell)} as ${key} of ${JSON.stringify(row)}.`);
    }
  }
}

async function installedVersions(): Promise<Record<string, string>> {
  const own = JSON.parse(await readFile(new URL("package.json", import.meta.url), "utf8"));
  const names = [...Object.keys(own.devDependencies), "idb", "wrangler", "@sparticuz/chromium"];
  const versions = await Promise.all(
    names.map(async (name) => {
      const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
      return [name, String(JSON.parse(await readFile(file, "utf8")).version)] as const;
    }),
  );
  return Object.fromEntries(versions);
}

function seconds(since: number): number {
  return Math.round((performance.now() - since) / 100) / 10;
}
