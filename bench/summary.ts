import { cellsOf } from "./cells.ts";
import { type Cell, type Column, cellText, type Report, type Table, type Unit } from "./table.ts";

/** One line of the short table: what was measured, our result and that of the peer. */
interface Line {
  readonly what: string;
  readonly unit: Unit;
  readonly ours: Cell | undefined;
  readonly beside: Cell | undefined;
  readonly besideWhat: string;
}

/** The few figures that the README shows, from the tables of one run. */
export function summaryOf(report: Report): Pick<Table, "columns" | "rows"> {
  const columns: Column[] = [
    { key: "what", title: "what" },
    { key: "ours", title: "orca-durable" },
    { key: "beside", title: "for comparison" },
  ];
  return {
    columns,
    rows: linesOf(report).map(({ what, unit, ours, beside, besideWhat }) => ({
      what,
      ours: withUnit(ours, unit),
      beside: `${withUnit(beside, unit)} ${besideWhat}`,
    })),
  };
}

function withUnit(cell: Cell | undefined, unit: Unit): string {
  const text = cellText(typeof cell === "object" && cell !== null ? cell.median : cell, unit);
  return unit === "ms" ? `${text} ms` : text;
}

function linesOf(report: Report): readonly Line[] {
  const cell = (table: string, key: string, where: Readonly<Record<string, Cell>>) =>
    cellsOf(report, table, key, where)[0];
  const grown = (key: string, medium: string, steps: number, name = "orca-durable") =>
    cell("a", key, { medium, steps, name });
  return [
    {
      what: "bytes stored for a run of 1,600 steps of a kilobyte, on SQLite",
      unit: "bytes",
      ours: grown("bytes", "SQLite", 1_600),
      beside: grown("bytes", "SQLite", 1_600, "LangGraph SqliteSaver"),
      besideWhat: "by LangGraph.js",
    },
    {
      what: "the same, if LangGraph.js uses its DeltaChannel (beta)",
      unit: "bytes",
      ours: grown("bytes", "SQLite", 1_600),
      beside: grown("bytes", "SQLite", 1_600, "LangGraph SqliteSaver, DeltaChannel"),
      besideWhat: "by LangGraph.js",
    },
    {
      what: "a step in a run of 400 steps, on D1",
      unit: "ms",
      ours: grown("stepMs", "D1", 400),
      beside: grown("stepMs", "D1", 400, "LangGraph CloudflareD1Saver"),
      besideWhat: "by LangGraph.js",
    },
    {
      what: "a step in a run of 1,600 steps, on SQLite",
      unit: "ms",
      ours: grown("stepMs", "SQLite", 1_600),
      beside: grown("stepMs", "SQLite", 1_600, "LangGraph SqliteSaver"),
      besideWhat: "by LangGraph.js",
    },
    {
      what: "a step in a run of 400 steps, on SQLite",
      unit: "ms",
      ours: grown("stepMs", "SQLite", 400),
      beside: grown("stepMs", "SQLite", 400, "OpenWorkflow"),
      besideWhat: "by OpenWorkflow, which stores no states",
    },
    ...(["IndexedDB, strict", "D1"] as const).map((medium) => ({
      what: `a checkpoint's commit of 18 kB, ${medium}`,
      unit: "ms" as const,
      ours: commitCell(report, medium, "durable"),
      beside: commitCell(report, medium, "bare"),
      besideWhat: "as a bare transaction",
    })),
    {
      what: "store calls that load the head after 10,000 steps",
      unit: "count",
      ours: cell("c", "loadCalls", { medium: "D1", steps: 10_000 }),
      beside: cell("c", "loadCalls", { medium: "D1", steps: 100 }),
      besideWhat: "after 100",
    },
    {
      what: "a page of 1,000,000 runs, the hundredth, on D1",
      unit: "ms",
      ours: cell("d", "hundredth", { medium: "D1", runs: 1_000_000 }),
      beside: cell("d", "hundredth", { medium: "D1", runs: 1_000 }),
      besideWhat: "of 1,000 runs",
    },
    {
      what: "rows that D1 bills as written for a step",
      unit: "count",
      ours: cell("g", "written", { name: "a step" }),
      beside: cell("g", "written", { name: "LangGraph: a step" }),
      besideWhat: "by LangGraph.js",
    },
    {
      what: "what an app imports to run code-first skills on D1, minified and gzipped",
      unit: "bytes",
      ours: cell("f", "bytes", { import: "what an app of code-first skills needs of that, with d1" }),
      beside: cell("f", "bytes", { import: "LangGraph: StateGraph, CloudflareD1Saver" }),
      besideWhat: "of LangGraph.js",
    },
  ];
}

/** The commits of the second size, which is that of a delta of some steps. */
function commitCell(report: Report, medium: string, key: string): Cell | undefined {
  return cellsOf(report, "b", key, { medium })[1];
}
