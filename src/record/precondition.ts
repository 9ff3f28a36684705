import { DurableError, invalidRequest } from "../errors.ts";
import type { RunRecord } from "./run.ts";

/** A caller's condition on a run before it is changed: an option of every call that writes one. */
export interface Precondition {
  /**
   * The revision that the caller read, or several revisions that are accepted. It is compared with the
   * very row over which the commit is made; if they differ, the call fails with `precondition_failed`.
   */
  readonly expectedRevision?: number | readonly number[];
}

/** @throws `precondition_failed` if the run is at another revision than expected. */
export function demand({ run, entryRevision }: RunRecord<unknown>, { expectedRevision }: Precondition): void {
  if (expectedRevision === undefined || revisionsOf(expectedRevision).includes(entryRevision)) return;
  throw new DurableError("precondition_failed", `run "${run.runId}" is now at revision ${entryRevision}`, {
    hint: "read the run again, and decide again",
  });
}

/**
 * The revisions that are accepted.
 *
 * @throws `invalid_request` if they are neither a number nor an array of numbers, also for callers without types.
 */
export function revisionsOf(expected: number | readonly number[]): readonly number[] {
  const revisions = Array.isArray(expected) ? expected : [expected];
  if (revisions.every((revision) => typeof revision === "number")) return revisions;
  throw invalidRequest("expectedRevision", "expected a number, or an array of numbers");
}
