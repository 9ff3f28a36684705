import type { Cell, Report } from "./table.ts";

/** The cells of a column, of the rows that have those values; none if the table was not measured. */
export function cellsOf(
  report: Report,
  table: string,
  key: string,
  where: Readonly<Record<string, Cell>>,
): readonly (Cell | undefined)[] {
  const rows = report.tables.find(({ id }) => id === table)?.rows ?? [];
  return rows
    .filter((row) => Object.entries(where).every(([name, value]) => row[name] === value))
    .map((row) => row[key]);
}

/** The number in a cell, which is the median if there were rounds. */
export function numberOf(cell: Cell | undefined): number | undefined {
  if (typeof cell === "number") return cell;
  return typeof cell === "object" && cell !== null ? cell.median : undefined;
}
