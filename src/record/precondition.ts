import { expectKind, type Kinds } from "../argument.ts";
import { DurableError, invalidRequest } from "../errors.ts";
import { type CheckpointId, parseCheckpointId } from "../ids.ts";
import type { Json, Kind } from "../json.ts";
import { isLeaseLive, type RunRecord } from "./run.ts";

// What a call demands of a run before it changes it.

/** A caller's condition on a run before it is changed: an option of every call that writes one. */
export interface Precondition {
  /**
   * The revision that the caller read, or several revisions that are accepted. It is compared with the
   * very row over which the commit is made; if they differ, the call fails with `precondition_failed`.
   */
  readonly expectedRevision?: number | readonly number[];
}

const isNumber = (value: unknown) => typeof value === "number";

const revisions: Kind = [
  "a number, or an array of numbers",
  (value) => isNumber(value) || (value as readonly unknown[]).every(isNumber),
];

export const preconditionKinds: Kinds<Precondition> = { expectedRevision: revisions };

/** @throws `precondition_failed` if the run is at another revision than expected. */
export function demand({ run, entryRevision }: RunRecord<unknown>, { expectedRevision }: Precondition): void {
  if (expectedRevision === undefined || revisionsOf(expectedRevision).includes(entryRevision)) return;
  throw new DurableError("precondition_failed", `run "${run.runId}" is now at revision ${entryRevision}`, {
    hint: "read the run again",
  });
}

/**
 * The revisions that are accepted.
 *
 * @throws `invalid_request` if they are neither a number nor an array of numbers, also for callers without types.
 */
export function revisionsOf(expected: number | readonly number[]): readonly number[] {
  return [expectKind(expected, revisions, "expectedRevision")].flat();
}

/** @throws `conflict` with the time after which the lease can be taken. */
export function demandUnleased(record: RunRecord<unknown>, now: number): void {
  const { lease, run } = record;
  if (lease === undefined || !isLeaseLive(record, now)) return;
  throw new DurableError("conflict", `run "${run.runId}" is being executed`, {
    retryAfterMs: lease.endsAt - now,
    hint: "cancel it, or wait for its lease to lapse",
  });
}

/**
 * The requested checkpoint, or the head.
 *
 * @throws `invalid_request` if the run has no checkpoint at all.
 */
export function selected({ run }: RunRecord<Json>, checkpointId: string | undefined): CheckpointId {
  if (run.checkpointHead === undefined) {
    throw invalidRequest("checkpoint_id", `run "${run.runId}" has no checkpoint`, {
      hint: "save a checkpoint to it first",
    });
  }
  return checkpointId === undefined ? run.checkpointHead : parseCheckpointId(checkpointId);
}

/** @throws `conflict` if the run is a fork whose edit was never saved: it would repeat what was to be changed. */
export function demandEdited({ run, isEditPending }: RunRecord<Json>): void {
  if (!isEditPending) return;
  throw new DurableError("conflict", `run "${run.runId}" was forked with an edit that was never saved`, {
    hint: "fork the source again",
  });
}
