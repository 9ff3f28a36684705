import { DurableError } from "../errors.ts";
import {
  getOwn,
  isJsonObject,
  type Json,
  type JsonObject,
  jsonEqual,
  jsonText,
  type Size,
  setOwn,
  sizeOf,
  utf8Length,
} from "../json.ts";
import { type ExecutionState, type StepResult, withEnded } from "../record/state.ts";
import type { SnapshotRow } from "../store.ts";
import { applyDelta, type Change, changeOf, type Delta } from "./delta.ts";
import { bodyFormat, checkFormat, readStored } from "./run.ts";
import { emptyResult, executionState, initialState, readState, snapshotFormatKey, writeState } from "./state.ts";

/** A state at a checkpoint, and its representation in the store: a keyframe, and the deltas since. */
export interface Snapshot {
  readonly state: ExecutionState<Json>;
  readonly revision: number;
  /** The revision of the keyframe; `revision` if the snapshot is one. */
  readonly keyframe: number;
  /** What a load reads, in bytes of UTF-8: the keyframe and the deltas, each counted as at least {@link leastBytes}. */
  readonly bytes: number;
  /** The size of the state in the ORCA v1 form; `undefined` until it has been counted. */
  readonly size: StateSize | undefined;
}

export type StateSize = Omit<Size, "depth">;

/** A snapshot to be written. */
export interface WrittenSnapshot extends Snapshot {
  readonly size: StateSize;
  /** The levels of nesting down to the deepest new part. */
  readonly depth: number;
}

/** A row has a cost even if its body is tiny. */
const leastBytes = 256;
const deltaFormatKey = "_delta_version";

/** What a keyframe is based on. Fresh at every call. */
const emptyState = () => initialState<Json>("", {});
export const emptyStateJson = (): Json => writeState(emptyState());

/**
 * The snapshot of a state over the previous snapshot, and its body: a delta, unless a load would then read more than
 * twice the state. So a growing run needs no second keyframe, since its deltas are its state, and the stored size and
 * the size of a load stay within a small multiple of the state, however many checkpoints there are. A keyframe is a delta
 * over the empty state, which has all defaults. In format 1 it was the whole state.
 */
export function writeSnapshot(
  state: ExecutionState<Json>,
  revision: number,
  before: Snapshot = { state: emptyState(), revision: 0, keyframe: revision, bytes: 0, size: undefined },
): { readonly body: string; readonly snapshot: WrittenSnapshot } {
  const { delta, growth = 0, valueGrowth = 0, depth = 0 } = changeOfState(before.state, state) ?? {};
  const stored = delta === undefined ? null : storedDelta(delta, before.state, state);
  const body = jsonText({ [deltaFormatKey]: bodyFormat, base: before.revision, delta: stored });
  const sizeBefore = before.size ?? sizeOf(writeState(before.state));
  const size = { bytes: sizeBefore.bytes + growth, values: sizeBefore.values + valueGrowth };
  const bytes = before.bytes + bytesOf(body);
  if (before.revision > 0 && bytes > 2 * size.bytes) return writeSnapshot(state, revision);
  return { body, snapshot: { ...before, state, revision, bytes, size, depth } };
}

function bytesOf(body: string): number {
  return Math.max(utf8Length(body), leastBytes);
}

/**
 * How the ORCA v1 form of one state becomes that of a later one, in time that follows what they do not share. Both must
 * be in the form that this version writes: a state that was read without some current field needs a keyframe first.
 */
export function changeOfState(before: ExecutionState<Json>, after: ExecutionState<Json>): Change | undefined {
  try {
    return changeOf(executionState, before, after);
  } catch (error) {
    // The change does not know its places; writing the whole state names the faulty one.
    writeState(after);
    throw error;
  }
}

/**
 * The snapshot in the rows of its range, keyframe first.
 *
 * @throws `corrupt_data` if a link is damaged or missing, `unsupported_version`; both name `place`.
 */
export function readSnapshot(rows: readonly SnapshotRow[], place: string): Snapshot {
  const [first] = rows;
  if (first === undefined) throw new DurableError("corrupt_data", `${place} has no snapshot`);
  return readStored(`a snapshot of ${place}`, () => {
    let [json, revision, bytes]: [Json, number, number] = [emptyStateJson(), 0, 0];
    for (const row of rows) {
      json = applyStored(json, deltaOf(row, revision));
      revision = row.revision;
      bytes += bytesOf(row.body);
    }
    return { state: readState(json), revision, keyframe: first.revision, bytes, size: undefined };
  });
}

/** The delta in a snapshot that is based on that of another revision; revision 0 is the empty state. */
export function deltaOf(row: SnapshotRow, revision: number): Json {
  const link = JSON.parse(row.body) as Json;
  // A state may have a field of that name as an unknown field.
  if (isJsonObject(link) && Object.hasOwn(link, deltaFormatKey) && !Object.hasOwn(link, snapshotFormatKey)) {
    const { [deltaFormatKey]: format, base, delta } = link;
    checkFormat(format);
    if (base === revision && delta !== undefined) return delta;
  } else if (revision === 0) {
    // A keyframe of format 1. A state that leaves out fields is completed, since deltas do not mention defaults.
    return ["=", writeState(readState(link))];
  }
  throw new Error(`snapshot ${row.revision} is not a delta over revision ${revision}`);
}

/**
 * The delta as it is stored. If steps have ended, that is `["r", results, rest]`: their results without what these usually
 * have, and how the state differs from the one that follows from them.
 */
function storedDelta(delta: Delta, before: ExecutionState<Json>, after: ExecutionState<Json>): Json {
  const change = delta[0] === "o" ? delta[2].step_results : undefined;
  // Only new results: none has changed, is gone, or has moved.
  if (change?.[0] !== "o" || !jsonEqual(change.slice(2) as Json, [{}, []])) return delta as Json;
  const { stepResults } = after;
  const ended = Object.keys(change[1]).map((key) => stepResults[key] as StepResult<Json>);
  const updatedAt = ended.reduce((at, { finishedAt = at }) => finishedAt, before.updatedAt);
  const rest = changeOfState(withEnded(before, stepResults, ended, updatedAt), after)?.delta;
  const results = Object.entries(change[1]).map(([key, result]) => {
    const usual = usualResult(key);
    const kept = Object.entries(result as JsonObject).filter(
      ([name, part]) => !jsonEqual(part, getOwn(usual, name) as Json),
    );
    return [key, Object.fromEntries(kept)] as const;
  });
  return ["r", Object.fromEntries(results), (rest ?? null) as Json];
}

/** The state after a delta as it is stored. Like {@link applyDelta} it takes both apart. */
export function applyStored(before: Json, delta: Json): Json {
  if (delta === null) return before;
  const [kind, results, rest] = delta as readonly Json[];
  if (kind !== "r") return applyDelta(before, delta);
  endSteps(before as unknown as StateJson, results as JsonObject);
  return applyStored(before, rest as Json);
}

interface StateJson {
  step_results: JsonObject;
  trace: { steps: JsonObject[]; metrics: { step_count: number; elapsed_ms: number } };
  iteration: number;
  current_step: Json;
  updated_at: Json;
}

/** What {@link withEnded} does, in the ORCA v1 form. */
function endSteps(state: StateJson, results: JsonObject): void {
  const { steps, metrics } = state.trace;
  for (const [key, stored] of Object.entries(results)) {
    const result = { ...usualResult(key), ...(stored as JsonObject) };
    setOwn(state.step_results, key, result);
    const { step_id, uses, status, started_at, finished_at, latency_ms } = result;
    const [reads, writes] = [result.reads, result.writes].map((list) => [...((list ?? []) as readonly Json[])]);
    const times = { started_at, ended_at: finished_at, reads, writes, latency_ms };
    steps.push({ step_id, capability_id: uses, status, ...times } as JsonObject);
    metrics.step_count++;
    metrics.elapsed_ms += latency_ms as number;
    state.iteration++;
    state.current_step = step_id as Json;
    state.updated_at = finished_at ?? state.updated_at;
  }
}

function usualResult(step_id: string): JsonObject {
  const usual = { step_id, uses: "step.do", status: "completed", attempts_count: 1, reads: [], writes: [] };
  return { ...emptyResult, ...usual };
}
