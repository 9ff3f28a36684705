import { initialState, writeState } from "../codec/state.ts";
import { parseCheckpointId, parseRunId } from "../ids.ts";
import { getCheckpoint, getRun } from "../journal/held.ts";
import type { Json, JsonObject } from "../json.ts";
import type { CheckpointRecord } from "../record/checkpoint.ts";
import type { Run } from "../record/run.ts";
import type { ExecutionState } from "../record/state.ts";
import { type Waiting, waitingOf } from "../record/waiting.ts";
import type { Runs } from "./runs.ts";
import { scopeOf } from "./scope.ts";

// States as they are stored, in the ORCA v1 form: a state that is only passed on need not be decoded and encoded again.

/**
 * A checkpoint with its state in the ORCA v1 form.
 *
 * @throws `not_found` that names the run, the checkpoint or its state.
 */
export async function readStoredCheckpoint(
  runs: Runs,
  runId: string,
  checkpointId: string,
): Promise<{ readonly record: CheckpointRecord; readonly state: JsonObject }> {
  const scope = scopeOf(runs);
  const id = parseRunId(runId);
  const checkpoint = parseCheckpointId(checkpointId);
  await getRun(scope, id);
  const { record, state } = await getCheckpoint(scope, id, checkpoint);
  return { record, state: writeState(state) };
}

/** A run with its values in the ORCA v1 form, its revision, and why it does not go on. */
export interface StoredRun {
  readonly run: Run<Json>;
  readonly revision: number;
  readonly waiting: Waiting | undefined;
}

/**
 * A run as it is stored.
 *
 * @throws `not_found`.
 */
export async function readStoredRun(runs: Runs, runId: string): Promise<StoredRun> {
  const scope = scopeOf(runs);
  const { record } = await getRun(scope, parseRunId(runId));
  const { run, isResultInHead, entryRevision: revision } = record;
  const waiting = waitingOf(record);
  if (isResultInHead !== true || run.checkpointHead === undefined) return { run, revision, waiting };
  const { state } = await getCheckpoint(scope, run.runId, run.checkpointHead);
  return { run: { ...run, result: state.output.result }, revision, waiting };
}

/**
 * The trace in the state of the run's head, in the ORCA v1 form.
 *
 * @throws `not_found`.
 */
export async function readStoredTrace(
  runs: Runs,
  runId: string,
): Promise<{ readonly run: Pick<Run<Json>, "runId" | "traceId" | "status">; readonly trace: Json | undefined }> {
  const scope = scopeOf(runs);
  const id = parseRunId(runId);
  const { run } = (await getRun(scope, id)).record;
  const { checkpointHead } = run;
  const { trace, skillId }: ExecutionState<Json> =
    checkpointHead === undefined
      ? initialState<Json>(run.skillId, {})
      : (await getCheckpoint(scope, id, checkpointHead)).state;
  return { run, trace: writeState({ ...initialState<Json>(skillId, {}), trace }).trace };
}
