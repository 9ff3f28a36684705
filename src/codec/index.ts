import { expectKind } from "../argument.ts";
import * as json from "../json.ts";
import { aText, read } from "../json.ts";
import * as checkpoint from "../record/checkpoint.ts";
import * as event from "../record/event.ts";
import * as life from "../record/lifecycle.ts";
import * as bodies from "./bodies.ts";
import * as state from "./state.ts";
import * as values from "./values.ts";

// For tools: values and states in their stored form and on the wire, and the tables of the ORCA v1 contract.
export { httpStatus } from "../errors.ts";
export type { Json, JsonObject, Path } from "../json.ts";
export { type CheckpointKind, checkpointKinds } from "../record/checkpoint.ts";
export { type EventType, eventTypes } from "../record/event.ts";
export {
  type LifecycleEvent,
  type LifecycleEventType,
  lifecycle,
  type Transition,
} from "../record/lifecycle.ts";
export { maxInboxBytes, runStatuses, terminalStatuses } from "../record/run.ts";
export type { RuntimeEvent, StepResult } from "../record/state.ts";
export type { ValueLimits } from "./values.ts";

/**
 * The function as callers without types may call it: whatever throws when it is looked at is an `invalid_request` that names
 * `path`. The core calls the functions themselves, with what it has read.
 */
function guarded<F extends (...args: never[]) => unknown>(path: string, look: F): F {
  const guard = (...args: Parameters<F>) => read(path, () => look(...args));
  return sameType(guard, look);
}

// The guard takes what the function takes, and returns what it returns.
function sameType<F>(guard: unknown, _: F): F {
  return guard as F;
}

/**
 * Parses JSON text and rejects what `JSON.parse` would silently change: integers that a number cannot hold and numbers
 * that overflow. Own `__proto__` keys and lone surrogates survive. Values cost memory that the length of the text does
 * not show, so their number is bounded too.
 *
 * @throws `invalid_request` that names the place: `path` and the way in, or the line and column of a syntax error;
 * `too_large` for more than `maxValues` values.
 *
 * @example
 * ```ts
 * import { parseJson } from "orca-durable/codec";
 *
 * console.log(parseJson('{"a": [1, 2]}', "inputs")); // { a: [1, 2] }, of four values
 * ```
 */
export const parseJson: typeof json.parseJson = guarded("text", (text, path, maxValues) =>
  json.parseJson(expectKind(text, aText, "text"), path, maxValues),
);

/**
 * `checkpoint://<run>/<checkpoint>`, the name by which a record refers to its state.
 *
 * @example
 * ```ts
 * import type { CheckpointRecord } from "orca-durable";
 * import { stateSnapshotRef } from "orca-durable/codec";
 *
 * export function stateOf(record: CheckpointRecord) {
 *   return stateSnapshotRef(record); // checkpoint://run_1/chk_1
 * }
 * ```
 */
export const stateSnapshotRef = guarded("record", checkpoint.stateSnapshotRef);

/**
 * The place of an event in its run, `<revision>-<index>`: the `Last-Event-ID` of a stream.
 *
 * @example
 * ```ts
 * import type { RunEvent } from "orca-durable";
 * import { eventPosition } from "orca-durable/codec";
 *
 * export function lineOf(event: RunEvent) {
 *   return `id: ${eventPosition(event)}\ndata: ${event.eventType}\n\n`;
 * }
 * ```
 */
export const eventPosition = guarded("event", event.eventPosition);

/**
 * The run after the event, or a typed refusal that changes nothing. `at` is the time of the event, ISO-8601.
 *
 * @example
 * ```ts
 * import type { Run } from "orca-durable/types";
 * import { transition } from "orca-durable/codec";
 *
 * export function canBeCanceled(run: Run) {
 *   return transition(run, { type: "cancel" }, new Date().toISOString()).kind === "moved";
 * }
 * ```
 */
export const transition = guarded("run", life.transition);

/**
 * A checkpoint's record on the wire, with the reference to its state.
 *
 * @example
 * ```ts
 * import type { Runs } from "orca-durable";
 * import { writeCheckpointRecord } from "orca-durable/codec";
 *
 * export async function recordOnTheWire(runs: Runs, runId: string, checkpointId: string) {
 *   const { record } = await runs.loadCheckpoint(runId, checkpointId);
 *   return writeCheckpointRecord(record);
 * }
 * ```
 */
export const writeCheckpointRecord = guarded("record", bodies.writeCheckpointRecord);

/**
 * The run with its values encoded, as {@link writeRun} takes it.
 *
 * @example
 * ```ts
 * import type { Run } from "orca-durable/types";
 * import { encodeRun } from "orca-durable/codec";
 *
 * export function resultAsJson(run: Run) {
 *   return encodeRun(run).result;
 * }
 * ```
 */
export const encodeRun = guarded("run", bodies.encodeRun);

/**
 * A run on the wire: snake_case, absent fields `null`.
 *
 * @example
 * ```ts
 * import type { Run } from "orca-durable/types";
 * import { encodeRun, writeRun } from "orca-durable/codec";
 *
 * export function onTheWire(run: Run) {
 *   return JSON.stringify(writeRun(encodeRun(run)));
 * }
 * ```
 */
export const writeRun = guarded("run", bodies.writeRun);

/**
 * The state with its values decoded, fresh at every call.
 *
 * @example
 * ```ts
 * import { decodeState, parseJson, readState } from "orca-durable/codec";
 *
 * // A state with live values, from a checkpoint in the ORCA v1 form.
 * export function load(text: string) {
 *   return decodeState(readState(parseJson(text)));
 * }
 * ```
 */
export const decodeState = guarded("state", state.decodeState);

/**
 * The state with its values encoded.
 *
 * @throws `invalid_request` that names the path of a value that cannot be stored; `too_large` that names the path at which
 * the limits were passed, by default those of {@link encodeValue}.
 * @example
 * ```ts
 * import type { ExecutionState } from "orca-durable";
 * import { encodeState, writeState } from "orca-durable/codec";
 *
 * export function save(state: ExecutionState) {
 *   return JSON.stringify(writeState(encodeState(state)));
 * }
 * ```
 */
export const encodeState = guarded("state", state.encodeState);

/**
 * The state of a run in which nothing has happened yet: every field that may be missing takes its default.
 *
 * @example
 * ```ts
 * import { initialState } from "orca-durable/codec";
 *
 * const state = initialState("letter", { to: "Alice" });
 * console.log(state.inputs, state.status);
 * ```
 */
export const initialState = guarded("state", state.initialState);

/**
 * Reads a state in the ORCA v1 form. Every field but `skill_id` and `inputs` may be missing; unknown ones are kept.
 *
 * @throws `invalid_request` that names the place of a wrong type; `unsupported_version` for another snapshot format or
 * another major `state_version`.
 * @example
 * ```ts
 * import { parseJson, readState } from "orca-durable/codec";
 *
 * const state = readState(parseJson('{"skill_id": "letter", "inputs": {"to": "Alice"}}'));
 * console.log(state.skillId);
 * ```
 */
export const readState = guarded("state", state.readState);

/**
 * The state in the ORCA v1 form.
 *
 * @throws `invalid_request` that names the place of a part that could not be read again.
 * @example
 * ```ts
 * import { encodeState, initialState, writeState } from "orca-durable/codec";
 *
 * const state = initialState("letter", { at: new Date(0) });
 * console.log(JSON.stringify(writeState(encodeState(state))));
 * ```
 */
export const writeState = guarded("state", state.writeState);

/**
 * The value of a JSON form, fresh at every call.
 *
 * @throws `invalid_request` that names the path of a malformed tag.
 * @example
 * ```ts
 * import { decodeValue, encodeValue } from "orca-durable/codec";
 *
 * const json = encodeValue(new Map([["a", 1]]));
 * console.log(decodeValue(json)); // Map(1) { "a" => 1 }
 * ```
 */
export const decodeValue = guarded("value", values.decodeValue);

/**
 * The JSON form of a value. Plain JSON encodes to itself. Date, bigint, Map, Set, typed arrays, ArrayBuffer, DataView,
 * Error (name, message, cause and own fields; not its class or stack), `undefined`, `NaN`, infinities and `-0` encode
 * to tags. The result shares nothing with the value.
 *
 * @throws `invalid_request` that names the path of a value that cannot be stored: a function, a symbol, a cycle, a
 * class instance, a sparse array, more than 500 levels. `too_large` that names the path at which a limit was passed; by
 * default the limits are 256 MiB and 2,000,000 values.
 * @example
 * ```ts
 * import { encodeValue } from "orca-durable/codec";
 *
 * console.log(JSON.stringify(encodeValue({ at: new Date(0), total: 12n })));
 * ```
 */
export const encodeValue = guarded("value", values.encodeValue);
