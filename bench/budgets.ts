import { cellsOf, numberOf } from "./cells.ts";
import { cellText, type Report, type Table, type Unit } from "./table.ts";

/** One goal, and where its figure stands in the tables. */
interface Budget {
  readonly what: string;
  readonly unit: Unit;
  readonly most: number;
  /** The figure; `undefined` if its table was not measured. */
  readonly figure: number | undefined;
  readonly table: string;
}

/** The goals of the project with their figures in the tables of one run. */
export function budgetsOf(report: Report): Pick<Table, "columns" | "rows"> {
  return {
    columns: [
      { key: "what", title: "what" },
      { key: "goal", title: "goal" },
      { key: "figure", title: "measured" },
      { key: "holds", title: "holds" },
      { key: "table", title: "table" },
    ],
    rows: budgets(report).map(({ what, unit, most, figure, table }) => ({
      what,
      goal: `at most ${cellText(most, unit)}`,
      figure: cellText(figure, unit),
      holds: figure === undefined ? "–" : figure <= most ? "yes" : "no",
      table: `(${table})`,
    })),
  };
}

function budgets(report: Report): readonly Budget[] {
  const one = (table: string, key: string, where: Readonly<Record<string, string | number>>) =>
    numberOf(cellsOf(report, table, key, where)[0]);
  /** The largest over all rows that match. */
  const most = (table: string, key: string, where: Readonly<Record<string, string | number>>) => {
    const numbers = cellsOf(report, table, key, where).flatMap((cell) => numberOf(cell) ?? []);
    return numbers.length === 0 ? undefined : Math.max(...numbers);
  };
  const ours = { name: "orca-durable" };
  const inverse = (number: number | undefined) => number && 1 / number;
  const written = (name: string) => one("g", "written", { name });
  return [
    ...[100, 400, 1_600].map((steps) => ({
      what: `stored bodies of ${steps.toLocaleString("en")} steps of a kilobyte, of the results, on the worst medium`,
      unit: "times" as const,
      most: 1.5,
      figure: most("a", "timesPayload", { ...ours, steps }),
      table: "a",
    })),
    {
      what: "stored bodies of a step that returns 10 bytes, in 400 steps",
      unit: "bytes",
      most: 450,
      figure: one("i", "bytes", { name: "orca-durable, memory" }),
      table: "i",
    },
    {
      what: "the D1 file of 1,600 steps of a kilobyte, of the results",
      unit: "times",
      most: 2.2,
      figure: one("a", "timesFile", { ...ours, medium: "D1", steps: 1_600 }),
      table: "a",
    },
    {
      what: "a step in memory, 400 steps, of that of LangGraph's MemorySaver",
      unit: "times",
      most: 0.07,
      figure: inverse(one("a", "timesOurs", { name: "LangGraph MemorySaver", steps: 400 })),
      table: "a",
    },
    {
      what: "a step in memory of 1,600 steps, of one of 100",
      unit: "times",
      most: 1.15,
      figure: one("j", "times", { steps: 1_600 }),
      table: "j",
    },
    {
      what: "a step on SQLite, 400 steps, of that of OpenWorkflow",
      unit: "times",
      most: 0.6,
      figure: inverse(one("a", "timesOurs", { name: "OpenWorkflow", steps: 400 })),
      table: "a",
    },
    ...(["IndexedDB, strict", "D1"] as const).flatMap((medium) =>
      cellsOf(report, "b", "bytes", { medium }).flatMap((cell) => {
        const bytes = numberOf(cell);
        if (bytes === undefined) return [];
        return {
          what: `a commit of ${cellText(bytes, "bytes")} on ${medium === "D1" ? "D1, of a bare batch" : "IndexedDB, strict, of three bare puts"}`,
          unit: "times" as const,
          most: 1.05,
          figure: one("b", "times", { medium, bytes }),
          table: "b",
        };
      }),
    ),
    {
      what: "rows that a step writes on D1",
      unit: "count",
      most: 3,
      figure: written("a step"),
      table: "g",
    },
    {
      what: "rows that a step reads on D1",
      unit: "count",
      most: 4,
      figure: one("g", "read", { name: "a step" }),
      table: "g",
    },
    ...["memory", "IndexedDB", "D1"].map((medium) => ({
      what: `the first step after 10,000 steps, of reading and \`JSON.parse\` of the same bytes, ${medium}`,
      unit: "times" as const,
      most: 1.2,
      figure: one("c", "times", { medium, steps: 10_000 }),
      table: "c",
    })),
    ...["IndexedDB", "D1"].map((medium) => ({
      what: `the first page of 1,000,000 runs, of that of 1,000, ${medium}`,
      unit: "times" as const,
      most: 1.2,
      figure: one("d", "times", { medium, runs: 1_000_000 }),
      table: "d",
    })),
    ...(
      [
        ["a start", "start", 6],
        ["a resume", "resume", 7],
        ["a fork of a small state", "fork, from the first step", 6],
      ] as const
    ).map(([what, name, goal]) => ({
      what: `rows that ${what} writes on D1`,
      unit: "count" as const,
      most: goal,
      figure: written(name),
      table: "g",
    })),
  ];
}
