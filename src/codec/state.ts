import { invalidRequest } from "../errors.ts";
import { at, getOwn, isJsonObject, type Json, type JsonObject, located, type Path } from "../json.ts";
import type {
  ExecutionState,
  Fields,
  Frame,
  Output,
  RuntimeEvent,
  StepResult,
  Trace,
  TraceMetrics,
  TraceStep,
  Working,
} from "../record/state.ts";
import { stateVersion } from "../record/state.ts";
import {
  byKey,
  type Field,
  isNoUnknownField,
  list,
  nullable,
  number,
  optionalBoolean,
  optionalNumber,
  optionalText,
  record,
  requiredText,
  requiredValues,
  text,
  textList,
  value,
  valueList,
  values,
} from "./form.ts";
import { decodeValue, encoder, type ValueLimits } from "./values.ts";

/** The format number of a snapshot in the ORCA v1 form. */
const snapshotFormat = 1;
/** The field in which a snapshot has its format number. */
export const snapshotFormatKey = "_checkpoint_version";

const aVersion = text(stateVersion);

/** A version of the state, of a major version that can be read. */
const version: Field<string> = {
  read: (json, path) => demandReadable(aVersion.read(json, path), path),
  write: demandReadable,
  map: demandReadable,
};

function demandReadable(value: string, path: Path): string {
  aVersion.write(value, path);
  if (value.split(".")[0] === stateVersion.split(".")[0]) return value;
  throw unsupported(path, `state version ${value}`);
}

function unsupported(path: Path, what: string): Error {
  return invalidRequest(path, `unsupported ${what}, expected version 1`, {}, "unsupported_version");
}

const stepResult = record<StepResult>("required", {
  stepId: text(""),
  uses: text(""),
  status: text(""),
  resolvedInput: value,
  producedOutput: value,
  rawResult: value,
  bindingId: optionalText,
  serviceId: optionalText,
  attemptsCount: optionalNumber,
  fallbackUsed: optionalBoolean,
  conformanceProfile: optionalText,
  requiredConformanceProfile: optionalText,
  errorMessage: optionalText,
  startedAt: optionalText,
  finishedAt: optionalText,
  reads: nullable(textList),
  writes: nullable(textList),
  latencyMs: optionalNumber,
});

const runtimeEvent = record<RuntimeEvent>("required", {
  type: text(""),
  message: text(""),
  timestamp: optionalText,
  stepId: optionalText,
  traceId: optionalText,
  data: values,
});

const frame = record<Frame>("default", {
  goal: value,
  context: values,
  constraints: values,
  successCriteria: values,
  assumptions: valueList,
  priority: value,
});

const working = record<Working>("default", {
  artifacts: values,
  entities: valueList,
  options: valueList,
  criteria: valueList,
  evidence: valueList,
  risks: valueList,
  hypotheses: valueList,
  uncertainties: valueList,
  intermediateDecisions: valueList,
  messages: valueList,
});

const output = record<Output>("default", {
  result: value,
  resultType: optionalText,
  summary: optionalText,
  statusReason: optionalText,
});

const traceStep = record<TraceStep>("required", {
  stepId: text(""),
  capabilityId: optionalText,
  status: text(""),
  startedAt: optionalText,
  endedAt: optionalText,
  reads: textList,
  writes: textList,
  latencyMs: optionalNumber,
});

const metrics = record<TraceMetrics>("default", {
  stepCount: number(0),
  llmCalls: number(0),
  toolCalls: number(0),
  tokensIn: number(0),
  tokensOut: number(0),
  elapsedMs: number(0),
});

const trace = record<Trace>("default", {
  steps: list(traceStep),
  metrics: metrics,
});

/** The table of a state, by which {@link changeOf} compares two. */
export const executionState = record<ExecutionState>("required", {
  skillId: requiredText,
  inputs: requiredValues,
  vars: values,
  outputs: values,
  stepResults: byKey(stepResult),
  writtenTargets: textList,
  events: list(runtimeEvent),
  startedAt: optionalText,
  finishedAt: optionalText,
  status: text("pending"),
  traceId: optionalText,
  frame: frame,
  working: working,
  output: output,
  trace: trace,
  extensions: values,
  stateVersion: version,
  skillVersion: optionalText,
  iteration: number(0),
  currentStep: optionalText,
  parentRunId: optionalText,
  updatedAt: optionalText,
});

/** A step's result of defaults. */
export const emptyResult = stepResult.write(stepResult.read({}, "")) as JsonObject;

/**
 * The state of a run in which nothing has happened yet: every field that may be missing takes its default.
 */
export function initialState<V>(skillId: string, inputs: Fields<V>): ExecutionState<V> {
  return { ...(executionState.read({ skill_id: skillId, inputs: {} }, "state") as ExecutionState<V>), inputs };
}

/**
 * Reads a state in the ORCA v1 form. Every field but `skill_id` and `inputs` may be missing; unknown ones are kept.
 *
 * @throws `invalid_request` that names the place of a wrong type; `unsupported_version` for another snapshot format or
 * another major `state_version`.
 */
export function readState(json: Json, path = "state"): ExecutionState<Json> {
  if (!isJsonObject(json)) throw invalidRequest(path, "expected an object");
  const { [snapshotFormatKey]: format = snapshotFormat, ...fields } = json;
  if (format !== snapshotFormat) throw unsupported(at(path, snapshotFormatKey), "format");
  // Before the other fields: another version may have others.
  version.read(getOwn(fields, "state_version"), at(path, "state_version"));
  return located(path, (path) => executionState.read(fields, path)) as ExecutionState<Json>;
}

/**
 * The state in the ORCA v1 form.
 *
 * @throws `invalid_request` that names the place of a part that could not be read again.
 */
export function writeState(state: ExecutionState<Json>, path = "state"): JsonObject {
  const fields = located(path, (path) => executionState.write(state, path)) as JsonObject;
  return { [snapshotFormatKey]: snapshotFormat, ...fields };
}

/**
 * The state with its values encoded.
 *
 * @throws `invalid_request` that names the path of a value that cannot be stored; `too_large` that names the path at which
 * the limits were passed, by default those of {@link encodeValue}.
 */
export function encodeState(state: ExecutionState, path = "state", limits?: ValueLimits): ExecutionState<Json> {
  if (Object.hasOwn(state?.unknownFields ?? {}, snapshotFormatKey)) throw isNoUnknownField(at(path, snapshotFormatKey));
  return located(path, (path) => executionState.map(state, path, encoder(limits))) as ExecutionState<Json>;
}

/**
 * The state with its values decoded, fresh at every call.
 */
export function decodeState(state: ExecutionState<Json>, path = "state"): ExecutionState {
  return located(path, (path) => executionState.map(state, path, (json, place) => decodeValue(json as Json, place)));
}
