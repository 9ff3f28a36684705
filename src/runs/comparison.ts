import { given } from "../argument.ts";
import { writeState } from "../codec/state.ts";
import { type CheckpointId, parseCheckpointId, parseRunId, type RunId } from "../ids.ts";
import { getCheckpoint, getRun } from "../journal/held.ts";
import { aText, type Json, present } from "../json.ts";
import { type Difference, difference } from "./difference.ts";
import type { Runs } from "./runs.ts";
import { type Scope, scopeOf } from "./scope.ts";

/** The changes from one checkpoint of a run to another. */
export interface Comparison {
  /** Absent if `to` is the run's first checkpoint: then everything in it is new. */
  readonly from?: CheckpointId;
  readonly to: CheckpointId;
  /** Between the two states in the ORCA v1 form. */
  readonly changes: readonly Difference[];
}

/**
 * The changes up to a checkpoint: since another one of the run, or since the previous one.
 *
 * @throws `not_found` that names the run, the checkpoint or its state.
 * @example
 * ```ts
 * import { compareCheckpoints, type Runs } from "orca-durable";
 *
 * export async function lastChange(runs: Runs, runId: string) {
 *   const { checkpointHead } = await runs.get(runId);
 *   return checkpointHead === undefined ? undefined : compareCheckpoints(runs, runId, checkpointHead);
 * }
 * ```
 */
export async function compareCheckpoints(
  runs: Runs,
  runId: string,
  checkpointId: string,
  options: { readonly against?: string } = {},
): Promise<Comparison> {
  const { against } = given(options, { against: aText });
  const scope = scopeOf(runs);
  const id = parseRunId(runId);
  const to = parseCheckpointId(checkpointId);
  const chosen = against === undefined ? undefined : parseCheckpointId(against, "against");
  await getRun(scope, id);
  const { state, snapshot } = await getCheckpoint(scope, id, to);
  const after: Json = writeState(state);
  const from = chosen ?? (await checkpointBefore(scope, id, snapshot.revision));
  if (from === undefined) return { to, changes: [{ op: "add", path: "", after }] };
  const before = await getCheckpoint(scope, id, from);
  return { ...present({ from }), to, changes: difference(writeState(before.state), after) };
}

const windowSize = 200;

/** The last checkpoint before a revision. A store lists forwards only, so it is found window by window. */
async function checkpointBefore(scope: Scope, runId: RunId, revision: number): Promise<CheckpointId | undefined> {
  const { host, tenant } = scope;
  for (let end = revision - 1; end > 0; end -= windowSize) {
    const after = Math.max(end - windowSize, 0);
    const rows = await host.store.listEntries(tenant, runId, { after, limit: windowSize, checkpointsOnly: true });
    const last = rows.findLast((row) => row.revision < revision);
    if (last?.checkpointId !== undefined) return last.checkpointId as CheckpointId;
  }
  return undefined;
}
