import { DurableError, isDurableError } from "../errors.ts";
import type { ExecutionState } from "../execution-state.ts";
import type { Json } from "../json.ts";
import type { SnapshotRow } from "../store.ts";
import { readState, writeState } from "./state.ts";

/** The body of a snapshot that holds a whole state: its ORCA v1 form. */
export function writeKeyframe(state: ExecutionState<Json>): string {
  return JSON.stringify(writeState(state));
}

/**
 * The state of a checkpoint from the snapshots of its range, keyframe first.
 *
 * @throws `corrupt_data`, `unsupported_version`; both name `place`.
 */
export function readSnapshots(rows: readonly SnapshotRow[], place: string): ExecutionState<Json> {
  const last = rows.at(-1);
  if (last === undefined) throw new DurableError("corrupt_data", `${place} has no snapshot`);
  try {
    return readState(JSON.parse(last.body) as Json);
  } catch (cause) {
    if (isDurableError(cause, "unsupported_version")) throw cause;
    throw new DurableError("corrupt_data", `${place} has a damaged snapshot`, { cause });
  }
}
