import { maxRevision } from "../../src/store.ts";

/**
 * The id of an entry of the run in `runs`, in SQL: the run's number over 31 bits of the revision. A revision outside of them
 * stands for the first or the last of the run, so that a range of ids is never one of another run. It may be a
 * parameter: D1 binds numbers as REAL, in which not every id is exact.
 */
export function idOf(revision: string | number): string {
  return `((number << 31) + CAST(max(0, min(${revision}, ${maxRevision})) AS INTEGER))`;
}

/** The revision in an id, in SQL. */
export const revisionOfId = `id & ${maxRevision}`;
