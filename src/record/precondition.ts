import { DurableError, invalidRequest } from "../errors.ts";
import type { RunRecord } from "./run.ts";

/** What a caller demands of a run before it is changed. */
export interface Precondition {
  /**
   * The revision that the caller read, or several of which the run must have one. It is compared with the very row over
   * which the commit is made; where it is another, the call fails with `precondition_failed`.
   */
  readonly expectedRevision?: number | readonly number[];
}

/** @throws `precondition_failed` where the run is of another revision than was expected. */
export function demand({ run, entryRevision }: RunRecord<unknown>, { expectedRevision }: Precondition): void {
  if (expectedRevision === undefined || isAmong(entryRevision, expectedRevision)) return;
  throw new DurableError("precondition_failed", `run "${run.runId}" is at revision ${entryRevision} by now`, {
    hint: "read it again, and decide again",
  });
}

function isAmong(revision: number, expected: number | readonly number[]): boolean {
  const isNumber = (given: unknown) => typeof given === "number";
  if (!isNumber(expected) && !(Array.isArray(expected) && expected.every(isNumber))) {
    throw invalidRequest("expectedRevision", "expected a number, or an array of numbers");
  }
  return typeof expected === "number" ? revision === expected : expected.includes(revision);
}
