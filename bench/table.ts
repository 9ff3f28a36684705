import type { Spread } from "./spread.ts";

/** The unit of a column's numbers. */
export type Unit = "count" | "bytes" | "ms" | "times" | "MB/s";

/** `null` if there is nothing to measure; a note says why. */
export type Cell = string | number | Spread | null;

export interface Column {
  readonly key: string;
  readonly title: string;
  /** Absent on a column of words. */
  readonly unit?: Unit;
}

export interface Table {
  readonly id: string;
  readonly title: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** What a reader must know to interpret the numbers, in one or two sentences each. */
  readonly notes: readonly string[];
}

/** A table and the run of the bench that produced it. */
export interface MeasuredTable extends Table {
  readonly date: string;
  readonly command: string;
  readonly seconds: number;
  readonly isShort: boolean;
}

export interface Machine {
  readonly cores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
}

/** The content of `artifacts/bench.json`. */
export interface Report {
  readonly machine: Machine;
  /** The measured packages, by name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly tables: readonly MeasuredTable[];
}

const missing = "–";

/** A cell as text. A cell of several rounds shows the median, and then the minimum. */
export function cellText(cell: Cell | undefined, unit: Unit | undefined): string {
  if (cell === null || cell === undefined) return missing;
  if (typeof cell === "string") return cell;
  if (typeof cell === "number") return numberText(cell, unit);
  return `${numberText(cell.median, unit)} (${numberText(cell.min, unit)})`;
}

function numberText(value: number, unit: Unit | undefined): string {
  switch (unit) {
    case "bytes":
      return bytesText(value);
    case "times":
      return `${rounded(value)}×`;
    case "count":
      return Number.isInteger(value) ? value.toLocaleString("en") : rounded(value);
    case "ms":
    case "MB/s":
    case undefined:
      return rounded(value);
  }
}

function bytesText(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${rounded(bytes / 1_000)} kB`;
  return `${rounded(bytes / 1_000_000)} MB`;
}

/** Three digits, or all digits before the point. */
function rounded(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return value.toLocaleString("en", { maximumSignificantDigits: 3 });
}

/** The titles and cells of a table as text, row by row. */
function grid({ columns, rows }: Pick<Table, "columns" | "rows">): string[][] {
  return [
    columns.map(({ title, unit }) => (unit === "ms" || unit === "MB/s" ? `${title}, ${unit}` : title)),
    ...rows.map((row) => columns.map(({ key, unit }) => cellText(row[key], unit))),
  ];
}

/** The table as text for a terminal. */
export function plainTable(table: Table): string {
  const lines = grid(table);
  const widths = table.columns.map((_, index) => Math.max(...lines.map((line) => line[index]?.length ?? 0)));
  const pad = (text: string, index: number) =>
    table.columns[index]?.unit === undefined ? text.padEnd(widths[index] ?? 0) : text.padStart(widths[index] ?? 0);
  const body = lines.map((line) => line.map(pad).join("  ").trimEnd());
  return [`(${table.id}) ${table.title}`, "", ...body, "", ...table.notes.map((note) => `  ${note}`)].join("\n");
}

export function markdownTable(table: Pick<Table, "columns" | "rows">): string {
  const [titles = [], ...body] = grid(table);
  const rule = table.columns.map(({ unit }) => (unit === undefined ? "---" : "---:"));
  return [titles, rule, ...body].map((line) => `| ${line.join(" | ")} |`).join("\n");
}
