import type { JsonObject } from "../../src/codec/index.ts";
import type { Runs } from "../../src/index.ts";
import { exportRun } from "../../src/transfer.ts";

// The lines of an exported run, whole and damaged.

export async function exported(runs: Runs, runId: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of exportRun(runs, runId)) lines.push(line);
  return lines;
}

/** A stream of lines that fails behind them, as a connection does. */
export async function* broken(lines: readonly string[]): AsyncGenerator<string, void, undefined> {
  yield* lines;
  throw new Error("the connection was lost");
}

/** The lines with their last entry made so long by blanks that an import writes it before it has read them all. */
export function padded(lines: readonly string[]): readonly string[] {
  const last = lines.findLastIndex((line) => line.startsWith('{"kind":"entry"'));
  if (last < 0) return lines;
  return lines.with(last, `${lines[last]?.trimEnd()}${" ".repeat(5 * 1024 * 1024)}\n`);
}

export function edited(line: string | undefined, edit: (fields: Record<string, unknown>) => unknown): string {
  return `${JSON.stringify(edit(JSON.parse(line ?? "") as Record<string, unknown>))}\n`;
}

/** The line with its stored body changed. */
export function withBody(line: string | undefined, edit: (body: JsonObject) => unknown): string {
  return edited(line, (fields) => ({ ...fields, body: JSON.stringify(edit(JSON.parse(String(fields.body)))) }));
}
