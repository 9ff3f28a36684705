import { DurableError } from "../errors.ts";
import {
  getOwn,
  isJsonObject,
  type Json,
  type JsonObject,
  parseJson,
  read,
  setOwn,
  sizeOf,
  tooManyValues,
  utf8Length,
} from "../json.ts";
import type { SnapshotRow } from "../store.ts";
import { applyStored, deltaOf, emptyStateJson } from "./bodies.ts";
import { readState } from "./state.ts";

/** A snapshot that can be read. */
export interface CheckedSnapshot {
  readonly skillId: string;
  /** The bytes and the values of the state in the ORCA v1 form, when they were last counted; 0 before. */
  readonly size: readonly [bytes: number, values: number];
  /** The levels of nesting of its content. */
  readonly depth: number;
}

/**
 * A keyframe and the snapshots based on it, checked one after the other as they are imported: each must be readable on top
 * of the earlier ones. The time follows the size of the changes, not that of the states.
 */
export class SnapshotChain {
  readonly #maxValues: number;
  /** The state at the last snapshot. */
  #json = emptyStateJson();
  #revision = 0;
  /** The bytes of the keyframe and the deltas since. */
  #bytes = 0;
  #size: CheckedSnapshot["size"] = [0, 0];

  /** The most values in a state. */
  constructor(maxValues: number) {
    this.#maxValues = maxValues;
  }

  /** Counts the state at the last snapshot. */
  count(): CheckedSnapshot["size"] {
    const { bytes, values } = sizeOf(this.#json);
    this.#size = [bytes, values];
    return this.#size;
  }

  /** @throws `corrupt_data`, `invalid_request`, `too_large` or `unsupported_version` if the snapshot cannot be read. */
  add(row: SnapshotRow): CheckedSnapshot {
    return read(undefined, () => this.#add(row), "corrupt_data");
  }

  #add(row: SnapshotRow): CheckedSnapshot {
    const { body, revision } = row;
    // An instruction takes more values than the change that it describes, and the state bounds what it may leave.
    parseJson(body, "state", 4 * this.#maxValues);
    const delta = deltaOf(row, this.#revision);
    this.#revision = revision;
    const parts = partsOf(delta, this.#maxValues);
    this.#json = applyStored(this.#json, delta);
    const changed = parts.map((part) => changedPart(this.#json, part, 0));
    const [skillId = ""] = changed.map((part) => readState(part).skillId);
    this.#bytes += utf8Length(body);
    // A load reads at most twice the state. The state is counted only where the deltas could exceed that by far, so that
    // the time of an import follows the size of the changes.
    if (this.#bytes > 3 * this.#size[0] && this.#bytes > 2 * this.count()[0]) {
      throw new DurableError("corrupt_data", "the deltas exceed the state");
    }
    return { skillId, size: this.#size, depth: Math.max(...changed.map((part) => sizeOf(part).depth)) };
  }
}

/** The values of a step's result, and of its part of the trace: those that may be left out where it is stored. */
const resultValues = 27;

/** The changes of a stored delta, as deltas of the ORCA v1 form; of those that follow from results, the ones of other parts. */
function partsOf(stored: Json, maxValues: number): readonly Json[] {
  const delta = stored ?? unchanged;
  const [kind, results, rest] = delta as readonly Json[];
  if (kind !== "r") return [delta];
  // Before anything is built from it: a few bytes of text stand for many times that in memory.
  const values = Object.keys(results as JsonObject).length * resultValues;
  if (values > maxValues) throw tooManyValues("state", values, maxValues);
  const ended = { step_results: ["o", results as Json, {}, []], trace: ["o", { metrics: null }, {}, []] };
  return [["o", {}, ended, []], ...partsOf(rest as Json, maxValues)];
}

const unchanged: Json = ["o", {}, {}, []];

/**
 * The changes of a delta, each in its place: the fields of a state, the members of a field, the items of a list. Deeper
 * changes come as whole values.
 */
function changedPart(json: Json, delta: Json, level: number): Json {
  const [kind, first, second, third] = delta as readonly Json[];
  if (kind === "a" && Array.isArray(json)) return third ?? null;
  if (kind === "e" && Array.isArray(json)) return [(json as readonly Json[])[Number(first)] ?? null];
  if (kind !== "o" || level > 1 || !isJsonObject(json)) return json;
  // Without these two fields a value is not a state.
  const { skill_id, inputs } = json;
  const part: Record<string, Json> = level > 0 ? {} : ({ skill_id, inputs: inputs && {} } as JsonObject);
  for (const key of Object.keys(first as object)) setOwn(part, key, getOwn(json, key) as Json);
  for (const [key, inner] of Object.entries(second as Readonly<Record<string, Json>>)) {
    setOwn(part, key, changedPart(getOwn(json, key) as Json, inner, level + 1));
  }
  return part;
}
