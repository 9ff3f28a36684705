import { DurableError, isDurableError } from "../errors.ts";
import {
  getOwn,
  isJsonObject,
  type Json,
  jsonEqual,
  parseJson,
  setOwn,
  sizeOf,
  textSize,
  utf8Length,
} from "../json.ts";
import type { SnapshotRow } from "../store.ts";
import { applyDelta } from "./delta.ts";
import { deltaOf, isDelta, type StateSize } from "./snapshot.ts";
import { readState, writeState } from "./state.ts";

/** A snapshot that can be read. */
export interface CheckedSnapshot {
  /** The body to store. */
  readonly body: string;
  /** `undefined` if it was not looked at. */
  readonly skillId?: string;
  /** The size of the state; `undefined` if it was not counted. */
  readonly size?: StateSize;
  /** The levels of nesting of its content. */
  readonly depth: number;
}

/**
 * The snapshots of a run's history, checked one after the other as they are imported: each must be readable on top of
 * the earlier ones. The time follows the size of the changes, not that of the states.
 */
export class SnapshotChain {
  readonly #maxValues: number;
  /** The state at the last snapshot. */
  #json: Json = null;
  #revision = 0;
  /** The bytes of the keyframe and the deltas since. */
  #bytes = 0;
  /** The size of the state in bytes, when it was last counted. */
  #stateBytes = 0;

  /** The most values in a state. */
  constructor(maxValues: number) {
    this.#maxValues = maxValues;
  }

  /** @throws `corrupt_data`, `invalid_request`, `too_large` or `unsupported_version` if the snapshot cannot be read. */
  add(row: SnapshotRow, isKeyframe: boolean): CheckedSnapshot {
    try {
      return isKeyframe ? this.#keyframe(row) : this.#delta(row);
    } catch (cause) {
      if (isDurableError(cause)) throw cause;
      throw new DurableError("corrupt_data", cause instanceof Error ? cause.message : String(cause), { cause });
    }
  }

  // A state that leaves out fields is completed, since the deltas that follow do not mention defaults.
  #keyframe(row: SnapshotRow): CheckedSnapshot {
    const given = parseJson(row.body, "state", this.#maxValues);
    if (isDelta(given)) throw new DurableError("corrupt_data", "expected a keyframe, not a delta");
    const state = readState(given);
    const whole = writeState(state);
    const isWhole = jsonEqual(given, whole);
    const body = isWhole ? row.body : JSON.stringify(whole);
    const { depth, ...size } = textSize(body);
    this.#json = isWhole ? given : whole;
    this.#revision = row.revision;
    this.#bytes = this.#stateBytes = size.bytes;
    return { body, skillId: state.skillId, size, depth };
  }

  #delta(row: SnapshotRow): CheckedSnapshot {
    const { body, revision } = row;
    // An instruction takes more values than the change that it describes, and the state bounds what it may leave.
    parseJson(body, "state", 4 * this.#maxValues);
    const delta = deltaOf(row, this.#revision);
    this.#revision = revision;
    if (delta !== null) this.#json = applyDelta(this.#json, delta);
    const size = this.#countedSize(utf8Length(body));
    if (delta === null) return { body, ...size, depth: 0 };
    const changed = changedPart(this.#json, delta, 0);
    const { skillId } = readState(changed);
    return { body, skillId, ...size, depth: textSize(JSON.stringify(changed)).depth };
  }

  // A load reads at most twice the state. The state is counted only where the deltas could exceed that by far, so that
  // the time of an import follows the size of the changes.
  #countedSize(deltaBytes: number): { readonly size?: StateSize } {
    this.#bytes += deltaBytes;
    if (this.#bytes <= 3 * this.#stateBytes) return {};
    const { bytes, values } = sizeOf(this.#json);
    if (this.#bytes > 2 * bytes) throw new DurableError("corrupt_data", "the deltas are longer than their state");
    this.#stateBytes = bytes;
    return { size: { bytes, values } };
  }
}

/**
 * The changes of a delta, each in its place: the fields of a state, the members of a field, the items of a list. Deeper
 * changes come as whole values.
 */
function changedPart(json: Json, delta: Json, level: number): Json {
  const [kind, first, second, third] = delta as readonly Json[];
  if (kind === "a" && Array.isArray(json)) return third ?? null;
  if (kind === "e" && Array.isArray(json)) return [(json as readonly Json[])[Number(first)] ?? null];
  if (kind !== "o" || level > 1 || !isJsonObject(json)) return json;
  const part: Record<string, Json> = {};
  // Without these two fields a value is not a state.
  if (level === 0 && json.skill_id !== undefined) part.skill_id = json.skill_id;
  if (level === 0 && json.inputs !== undefined) part.inputs = {};
  for (const key of Object.keys(first as object)) setOwn(part, key, getOwn(json, key) as Json);
  for (const [key, inner] of Object.entries(second as Readonly<Record<string, Json>>)) {
    setOwn(part, key, changedPart(getOwn(json, key) as Json, inner, level + 1));
  }
  return part;
}
