import { maxRevision } from "../../src/store.ts";

/** The bits of an entry's id below the number of its run: those of its revision. */
const revisionBits = 31;

/**
 * The id of an entry of the run in `runs`, in SQL. The revision may be a parameter, and D1 binds numbers as REAL, in which
 * not every id is exact.
 */
export function idOf(revision: string | number): string {
  return `((number << ${revisionBits}) + CAST(${revision} AS INTEGER))`;
}

/** The revision in an id, in SQL. */
export const revisionOfId = `id & ${maxRevision}`;

/** The number of the run in an id, in SQL, as the index of checkpoints has it. */
export const numberOfId = `id >> ${revisionBits}`;

/** A revision that ids can hold: a range that begins or ends there has the same entries. */
export function inIds(revision: number): number {
  return Math.min(Math.max(revision, 0), maxRevision);
}
