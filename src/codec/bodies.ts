import { DurableError, isDurableError } from "../errors.ts";
import { parseCheckpointId, parseRunId, type RunId } from "../ids.ts";
import {
  at,
  getOwn,
  isJsonObject,
  type Json,
  type JsonObject,
  jsonEqual,
  jsonText,
  located,
  present,
  setOwn,
  sizeOf,
  utf8Length,
} from "../json.ts";
import { type CheckpointRecord, stateSnapshotRef } from "../record/checkpoint.ts";
import { eventTypes, type NewEvent, type RunEvent } from "../record/event.ts";
import type { Gate } from "../record/gate.ts";
import {
  type ApprovalRequest,
  type FormerVersion,
  type Lease,
  type LedgerNames,
  type Run,
  type RunError,
  type RunRecord,
  runStatuses,
  type Signal,
  type SnapshotSize,
  type Wait,
} from "../record/run.ts";
import { type ExecutionState, type StepResult, withEnded } from "../record/state.ts";
import type { EntryRow, SnapshotRow } from "../store.ts";
import {
  anyJson,
  applyDelta,
  boolean,
  byKey,
  type Change,
  changeOf,
  count,
  type Delta,
  type Field,
  id,
  list,
  nullable,
  optionalBoolean,
  optionalText,
  record,
  requiredText,
  requiredTime,
  sparse,
  text,
  textList,
  value,
  values,
  word,
} from "./form.ts";
import { emptyResult, executionState, initialState, readState, snapshotFormatKey, writeState } from "./state.ts";

// What one commit writes: the body of a run's row, of its history entry and of a snapshot. No store looks into one.
import { decodeValue, encodeValue } from "./values.ts";

/**
 * The format number in every body that this version writes; bodies with a larger number are rejected. In format 1 nothing
 * was left out.
 */
export const bodyFormat = 2;

/**
 * Reads a stored body in a format of this package.
 *
 * @throws `unsupported_version` for a newer format, `corrupt_data` for a body that cannot be read; both name the place.
 */
export function readBody<T>(body: string, place: string, read: (fields: JsonObject) => T): T {
  return readStored(place, () => {
    const json = JSON.parse(body) as JsonObject;
    checkFormat(json.format);
    return read(json);
  });
}

/** @throws `unsupported_version` for a newer format. */
function checkFormat(format: unknown): void {
  if (typeof format !== "number") throw new Error("expected a format number");
  if (format > bodyFormat) throw new DurableError("unsupported_version", `unsupported format ${format}`);
}

/** What is read. @throws `unsupported_version` or `corrupt_data`; both name the place. */
function readStored<T>(place: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!isDurableError(cause, "unsupported_version")) {
      throw new DurableError("corrupt_data", `${place} cannot be read`, { cause });
    }
    const { code, message } = cause;
    throw new DurableError(code, `${place} was written by a newer version: ${message}`, { cause });
  }
}

const approvalRequest = record<ApprovalRequest>("required", {
  stepId: requiredText,
  capabilityId: optionalText,
  show: sparse(value),
  status: word(["pending", "approved", "denied"]),
  requestedAt: requiredText,
  approver: optionalText,
  notes: optionalText,
  decidedAt: optionalText,
});

const runError = record<RunError>("required", {
  code: requiredText,
  message: requiredText,
  stepId: optionalText,
});

const run = record<Run>("required", {
  runId: id(parseRunId),
  threadId: optionalText,
  sessionId: optionalText,
  skillId: requiredText,
  skillVersion: optionalText,
  status: word(runStatuses),
  traceId: optionalText,
  createdAt: requiredText,
  startedAt: optionalText,
  finishedAt: optionalText,
  currentStepId: optionalText,
  checkpointHead: nullable(id(parseCheckpointId)),
  resumeFromCheckpointId: nullable(id(parseCheckpointId)),
  tenantId: optionalText,
  environment: optionalText,
  policySnapshotId: optionalText,
  parentRunId: sparse(id(parseRunId)),
  parentStepId: sparse(requiredText),
  versions: values,
  metadata: values,
  approvalRequest: nullable(approvalRequest),
  result: value,
  error: nullable(runError),
});

const lease = record<Lease>("required", {
  executor: requiredText,
  endsAt: requiredTime,
});

const signal = record<Signal>("required", {
  name: requiredText,
  payload: value,
  receivedAt: requiredText,
});

const gateDecided = record<NonNullable<Gate["decision"]>>("required", {
  approver: optionalText,
  notes: optionalText,
  data: sparse(value) as Field<Json | undefined>,
  at: requiredText,
});

const waitOf: { readonly [K in Wait["kind"]]: Field<Extract<Wait, { kind: K }>> } = {
  approval: record<Extract<Wait, { kind: "approval" }>>("required", {
    kind: word(["approval"]),
    stepId: requiredText,
    capabilityId: sparse(requiredText),
    since: requiredTime,
    reason: word(["confirmation", "approval", "replay", "attempted"]),
    show: sparse(value) as Field<Json | undefined>,
    attempts: sparse(count),
    request: sparse(requiredText),
    decision: sparse(gateDecided),
  }),
  signal: record<Extract<Wait, { kind: "signal" }>>("required", {
    kind: word(["signal"]),
    stepId: requiredText,
    name: requiredText,
    until: sparse(requiredTime),
  }),
  sleep: record<Extract<Wait, { kind: "sleep" }>>("required", {
    kind: word(["sleep"]),
    stepId: requiredText,
    until: requiredTime,
  }),
  retry: record<Extract<Wait, { kind: "retry" }>>("required", {
    kind: word(["retry"]),
    stepId: requiredText,
    until: requiredTime,
    attempts: count,
    error: requiredText,
    code: sparse(requiredText),
    request: sparse(requiredText),
  }),
};
const waitKind = word(Object.keys(waitOf) as Wait["kind"][]);
const wait: Field<Wait> = {
  read(json, path) {
    const name = waitKind.read(isJsonObject(json) ? json.kind : json, at(path, "kind"));
    return waitOf[name].read(json, path);
  },
  write(value, path) {
    waitKind.write(value?.kind, at(path, "kind"));
    return (waitOf[value.kind] as Field<Wait>).write(value, path);
  },
  map: (value) => value,
};

const ledgerNames = record<LedgerNames>("required", {
  form: word(["graph", "code"]),
  names: byKey(requiredText),
});

const formerVersion = record<FormerVersion>("required", {
  version: requiredText,
  until: count,
});

const runRecord = record<RunRecord>("required", {
  run: run,
  epoch: count,
  lease: sparse(lease),
  waits: list(wait),
  inbox: list(signal),
  confirmed: textList,
  wakeAt: sparse(requiredTime),
  recoveries: count,
  unservedCount: count,
  checkpointCount: count,
  entryRevision: count,
  headRevision: count,
  isEdited: sparse(boolean),
  isEditPending: optionalBoolean,
  isRollbackBegun: sparse(boolean),
  headSize: sparse(list(count) as unknown as Field<SnapshotSize>),
  toldEpoch: sparse(count),
  isResultInHead: optionalBoolean,
  ledgerNames: sparse(byKey(ledgerNames)),
  formerVersions: sparse(list(formerVersion)),
});

/**
 * A run on the wire: snake_case, absent fields `null`.
 */
export function writeRun(value: Run<Json>): JsonObject {
  return run.write(value) as JsonObject;
}

/**
 * The run with its values encoded, as {@link writeRun} takes it.
 */
export function encodeRun(value: Run): Run<Json> {
  return run.map(value, "run", encodeValue) as Run<Json>;
}

/** The run with its values live. */
export function decodeRun(value: Run<Json>): Run {
  return run.map(value, "run", (json, path) => decodeValue(json as Json, path));
}

/** The body of a run's row. `nonce` identifies the commit that wrote it. */
export function writeRunBody(nonce: string, value: RunRecord<Json>): string {
  const record = located("", (path) => runRecord.write(value, path)) ?? null;
  return jsonText({ format: bodyFormat, nonce, record });
}

/** The nonce of a row's body, and the record, unless the row is a tombstone or that of an import under way. */
export function readRunBody(body: string, place: string): RunBody {
  return readBody(body, place, ({ nonce, record: json, is_import }) => ({
    nonce: nonce as string,
    ...(json !== undefined && { record: runRecord.read(json, "record") as RunRecord<Json> }),
    isImport: is_import === true,
  }));
}

interface RunBody {
  readonly nonce: string;
  readonly record?: RunRecord<Json>;
  readonly isImport: boolean;
}

/**
 * The body of the row of an import under way, with the nonce of the run's last commit. It has no status, so it is in no
 * list, and only an import of this run writes over it.
 */
export function writeImportBody(nonce: string): string {
  return JSON.stringify({ format: bodyFormat, nonce, is_import: true });
}

/** The body of a tombstone. */
export function writeTombstone(nonce: string): string {
  return JSON.stringify({ format: bodyFormat, nonce });
}

const checkpointRecord = record<CheckpointRecord>("required", {
  checkpointId: id(parseCheckpointId),
  runId: id(parseRunId),
  stepId: optionalText,
  kind: requiredText,
  createdAt: requiredText,
  pendingWrites: textList,
});

const newEvent = record<NewEvent>("required", {
  type: word(eventTypes),
  at: requiredText,
  payload: values,
});

/** One commit of a run's history. */
export interface Entry {
  readonly revision: number;
  readonly nonce: string;
  readonly traceId?: string;
  readonly events: readonly NewEvent<Json>[];
  readonly checkpoint?: CheckpointRecord;
}

/** All but the revision, which is in the row's key. */
const storedEntry = record<Omit<Entry, "revision">>("required", {
  nonce: text(""),
  traceId: sparse(requiredText),
  events: list(newEvent) as Field<Entry["events"]>,
  checkpoint: sparse(checkpointRecord),
});

/**
 * The body of an entry's row: what its parts have in common, and how it differs from the usual entry with these parts. So
 * what follows from the checkpoint is not written twice: that it was saved, and that its step started and completed.
 */
export function writeEntryBody(value: Omit<Entry, "revision">): string {
  const whole = located("", (path) => storedEntry.write(value, path)) as JsonObject;
  const { nonce, trace_id, ...entry } = whole as JsonObject & EntryJson;
  const { checkpoint, events } = entry;
  const { checkpoint_id, kind, created_at, step_id, run_id } = checkpoint ?? {};
  const [first] = events;
  const { uses, attempt } = first?.payload ?? {};
  const { latency_ms } = events.at(-2)?.payload ?? {};
  const parts = [checkpoint_id, kind, created_at, step_id, uses, attempt, latency_ms, first?.at];
  const common = checkpoint && parts.map((part = null) => part);
  const delta = changeOf(anyJson, usualEntry(run_id as string, common), entry)?.delta;
  return JSON.stringify({ format: bodyFormat, nonce, trace_id, common, delta });
}

interface EntryJson {
  readonly events: readonly { readonly at: string; readonly payload: JsonObject }[];
  readonly checkpoint?: JsonObject;
}

/** Fresh at every call. */
function usualEntry(run_id: string, common: readonly Json[] | undefined): Json {
  if (common === undefined) return { events: [] };
  const [checkpoint_id, kind, created_at, step_id, uses, attempt, latency_ms, at] = common as Json[];
  const event = (type: string, at: unknown, payload: unknown) => ({ type, at, payload });
  const ended = { step_id, uses, status: "completed", attempts: attempt, latency_ms };
  return {
    events: [
      ...(kind === "step_completed"
        ? [event("step.started", at, { step_id, uses, attempt }), event("step.completed", created_at, ended)]
        : []),
      event("checkpoint.saved", created_at, { checkpoint_id, kind }),
    ],
    checkpoint: { checkpoint_id, run_id, step_id, kind, created_at, pending_writes: [] },
  } as Json;
}

/** @throws `corrupt_data`, `unsupported_version`. */
export function readEntry({ runId, revision, body }: EntryRow): Entry {
  return readBody(body, `entry ${revision} of run "${runId}"`, ({ format, common, delta, ...rest }) => {
    const entry = usualEntry(runId, common as readonly Json[] | undefined);
    const whole = delta === undefined ? entry : applyDelta(entry, delta);
    const { nonce, traceId, events, checkpoint } = storedEntry.read({ ...(whole as JsonObject), ...rest }, "");
    return { revision, nonce, events, ...present({ traceId, checkpoint }) };
  });
}

/**
 * A checkpoint's record on the wire, with the reference to its state.
 */
export function writeCheckpointRecord(value: CheckpointRecord): JsonObject {
  return { ...(checkpointRecord.write(value) as JsonObject), state_snapshot_ref: stateSnapshotRef(value) };
}

/**
 * The events of an entry in their order, with their values live.
 *
 * @throws `corrupt_data`.
 */
export function runEvents(runId: RunId, entry: Entry): readonly RunEvent[] {
  const { revision, traceId } = entry;
  return entry.events.map((event, index) => ({
    eventId: `${runId}:${revision}:${index}`,
    eventVersion: 1,
    eventType: event.type,
    occurredAt: event.at,
    runId,
    ...present({ traceId }),
    payload: payloadOf(event, `entry ${revision} of run "${runId}"`),
  }));
}

function payloadOf({ payload }: NewEvent<Json>, place: string): RunEvent["payload"] {
  return readStored(place, () => decodeValue(payload, "payload") as RunEvent["payload"]);
}

/** A state at a checkpoint, and its representation in the store: a keyframe, and the deltas since. */
export interface Snapshot {
  readonly state: ExecutionState<Json>;
  readonly revision: number;
  /** The revision of the keyframe; `revision` if the snapshot is one. */
  readonly keyframe: number;
}

/** A snapshot to be written. */
export interface WrittenSnapshot extends Snapshot {
  readonly size: SnapshotSize;
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
  before: Pick<WrittenSnapshot, keyof Snapshot | "size"> = {
    state: emptyState(),
    revision: 0,
    keyframe: revision,
    size: emptySize(),
  },
): { readonly body: string; readonly snapshot: WrittenSnapshot } {
  const { delta, growth = 0, valueGrowth = 0, depth = 0 } = changeOfState(before.state, state) ?? {};
  const stored = delta === undefined ? null : storedDelta(delta, before.state, state);
  const body = jsonText({ [deltaFormatKey]: bodyFormat, base: before.revision, delta: stored });
  const [bytes, values, loadBytes] = before.size;
  const size = [bytes + growth, values + valueGrowth, loadBytes + Math.max(utf8Length(body), leastBytes)] as const;
  if (before.revision > 0 && size[2] > 2 * size[0]) return writeSnapshot(state, revision);
  return { body, snapshot: { ...before, state, revision, size, depth } };
}

function emptySize(): SnapshotSize {
  const { bytes, values } = sizeOf(emptyStateJson());
  return [bytes, values, 0];
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
    let [json, revision] = [emptyStateJson(), 0];
    for (const row of rows) {
      json = applyStored(json, deltaOf(row, revision));
      revision = row.revision;
    }
    return { state: readState(json), revision, keyframe: first.revision };
  });
}

/** True if no value in a JSON text is tagged: the key of a tag can only be hidden by an escape. */
export function isPlainText(text: string): boolean {
  return !text.includes("$durable") && !text.includes("\\u");
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
  const results: JsonObject = {};
  for (const [key, result] of Object.entries(change[1])) {
    const usual = usualResult(key);
    const kept: JsonObject = {};
    for (const [name, part] of Object.entries(result as JsonObject)) {
      if (!jsonEqual(part, getOwn(usual, name) as Json)) setOwn(kept, name, part);
    }
    setOwn(results, key, kept);
  }
  return ["r", results, (rest ?? null) as Json];
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
