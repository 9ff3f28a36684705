import { DurableError, isDurableError } from "../errors.ts";
import { isJsonObject, type Json, type JsonObject, jsonText, type Size, textSize, utf8Length } from "../json.ts";
import type { ExecutionState } from "../record/state.ts";
import type { SnapshotRow } from "../store.ts";
import { applyDelta, type Change, changeOf } from "./delta.ts";
import { executionState, readState, snapshotFormatKey, writeState } from "./state.ts";

/** A state at a checkpoint, and its representation in the store: a keyframe, and the deltas since. */
export interface Snapshot {
  readonly state: ExecutionState<Json>;
  readonly revision: number;
  /** The revision of the keyframe; `revision` if the snapshot is one. */
  readonly keyframe: number;
  /** In bytes of UTF-8. */
  readonly keyframeBytes: number;
  /** The sizes of the deltas since the keyframe, each counted as at least {@link leastDeltaBytes}. */
  readonly deltaBytes: number;
  /** The size of a keyframe of the state; `undefined` until it has been counted. */
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
const leastDeltaBytes = 256;
const deltaFormat = 1;
const deltaFormatKey = "_delta_version";

/**
 * The snapshot of a state over the previous snapshot, and its body: a delta, unless a load would then read more than
 * twice the state. So a growing run needs no second keyframe, since its deltas are its state, and the stored size and
 * the size of a load stay within a small multiple of the state, however many checkpoints there are.
 */
export function writeSnapshot(
  state: ExecutionState<Json>,
  revision: number,
  before: Snapshot | undefined,
): { readonly body: string; readonly snapshot: WrittenSnapshot } {
  if (before !== undefined) {
    const { keyframeBytes } = before;
    const { delta = null, growth = 0, valueGrowth = 0, depth = 0 } = changeOfState(before.state, state) ?? {};
    const body = jsonText({ [deltaFormatKey]: deltaFormat, base: before.revision, delta });
    const deltaBytes = before.deltaBytes + Math.max(utf8Length(body), leastDeltaBytes);
    const { bytes, values } = before.size ?? textSize(keyframeBody(before.state));
    const size = { bytes: bytes + growth, values: values + valueGrowth };
    if (keyframeBytes + deltaBytes <= 2 * size.bytes) {
      return { body, snapshot: { ...before, state, revision, deltaBytes, size, depth } };
    }
  }
  const body = keyframeBody(state);
  const { depth, ...size } = textSize(body);
  const snapshot = { state, revision, keyframe: revision, keyframeBytes: size.bytes, deltaBytes: 0, size, depth };
  return { body, snapshot };
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

function keyframeBody(state: ExecutionState<Json>): string {
  return jsonText(writeState(state));
}

/**
 * The snapshot in the rows of its range, keyframe first.
 *
 * @throws `corrupt_data` if a link is damaged or missing, `unsupported_version`; both name `place`.
 */
export function readSnapshot(rows: readonly SnapshotRow[], place: string): Snapshot {
  const [keyframe, ...deltas] = rows;
  if (keyframe === undefined) throw new DurableError("corrupt_data", `${place} has no snapshot`);
  try {
    let json = JSON.parse(keyframe.body) as Json;
    if (isDelta(json)) throw new Error("the keyframe is missing");
    let revision = keyframe.revision;
    let deltaBytes = 0;
    for (const row of deltas) {
      json = applied(json, revision, row);
      revision = row.revision;
      deltaBytes += Math.max(utf8Length(row.body), leastDeltaBytes);
    }
    const state = readState(json);
    const { depth: _, ...size } = textSize(keyframe.body);
    return {
      state,
      revision,
      keyframe: keyframe.revision,
      keyframeBytes: size.bytes,
      deltaBytes,
      size: deltas.length === 0 ? size : undefined,
    };
  } catch (cause) {
    if (isDurableError(cause, "unsupported_version")) {
      throw new DurableError("unsupported_version", `${place} was written by another version: ${cause.message}`, {
        cause,
      });
    }
    throw new DurableError("corrupt_data", `${place} depends on a snapshot that is damaged or missing`, { cause });
  }
}

function applied(json: Json, revision: number, row: SnapshotRow): Json {
  const delta = deltaOf(row, revision);
  return delta === null ? json : applyDelta(json, delta);
}

/** The delta in a snapshot that is based on that of another revision; `null` if nothing has changed. */
export function deltaOf(row: SnapshotRow, revision: number): Json {
  const link = JSON.parse(row.body) as Json;
  if (!isDelta(link)) throw new Error(`snapshot ${row.revision} is not a delta`);
  const { [deltaFormatKey]: format, base, delta } = link;
  if (typeof format !== "number" || format > deltaFormat) {
    throw new DurableError(
      "unsupported_version",
      `snapshot ${row.revision} has the unsupported format ${String(format)}`,
    );
  }
  if (base !== revision)
    throw new Error(`snapshot ${row.revision} is based on revision ${String(base)}, not on ${revision}`);
  if (delta === undefined) throw new Error(`snapshot ${row.revision} has no content`);
  return delta;
}

/** True for the body of a snapshot that is based on another. */
export function isDelta(json: Json): json is JsonObject {
  // A state may have a field of that name as an unknown field.
  return isJsonObject(json) && Object.hasOwn(json, deltaFormatKey) && !Object.hasOwn(json, snapshotFormatKey);
}
