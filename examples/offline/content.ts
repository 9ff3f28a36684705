import Papa from "papaparse";
import { NonRetryableError } from "../../src/index.ts";

/** What is in a file, as the later steps want it. */
export type Content = Table | Prose;

export interface Table {
  readonly kind: "table";
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Prose {
  readonly kind: "prose";
  readonly paragraphs: readonly string[];
}

/**
 * Reads a file: CSV and TSV by their names, anything else as prose.
 *
 * @throws NonRetryableError that names the row of what is not CSV: it will not be better next time.
 */
export function contentOf(name: string, text: string): Content {
  return /\.(csv|tsv)$/i.test(name) ? tableOf(text) : proseOf(text);
}

function tableOf(text: string): Table {
  const { data, errors } = Papa.parse<string[]>(text.replace(/^\uFEFF/, ""), { skipEmptyLines: "greedy" });
  // A table of one column has no delimiter to be found.
  const fault = errors.find(({ type }) => type !== "Delimiter");
  if (fault !== undefined) throw new NonRetryableError(`row ${(fault.row ?? 0) + 1}: ${fault.message}`);
  const [header = [], ...rows] = data;
  if (rows.length === 0) throw new NonRetryableError("the table has a header and no rows");
  const columns = header.map((name, index) => name.trim() || `column ${index + 1}`);
  return { kind: "table", columns, rows: rows.map((row) => columns.map((_, index) => (row[index] ?? "").trim())) };
}

function proseOf(text: string): Prose {
  const paragraphs = text
    .replaceAll("\r\n", "\n")
    .split(/\n{2,}/)
    .map((block) => block.replace(/\s+/g, " ").trim())
    .filter((block) => block !== "");
  if (paragraphs.length === 0) throw new NonRetryableError("there is nothing in the file");
  return { kind: "prose", paragraphs };
}

/** The values of one column. */
export function columnOf({ columns, rows }: Table, name: string): readonly string[] {
  const index = columns.indexOf(name);
  return rows.map((row) => row[index] ?? "");
}
